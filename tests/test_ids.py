import numpy as np
import pytest

from vqzoo import ids

# Items 0 and 3 are duplicates, 1 and 2 collide, 4 is alone.
CODES = np.array([[1, 2], [3, 4], [3, 4], [1, 2], [3, 5]], "int32")
VECTORS = np.array([[0.0], [1.0], [2.0], [0.0], [3.0]], "float32")
SAME = ids.distinct(VECTORS)


def test_duplicates_are_counted_as_such_and_not_as_collisions():
    found = ids.summarize(CODES, SAME)
    assert found == {
        "items": 5,
        "duplicates": 1,
        "unique": 0.5,
        "collisions_per_1000": 250.0,
        "largest_group": 2,
    }
    assert ids.summarize(CODES)["unique"] == 0.2


def test_a_level_numbers_the_items_of_one_id_and_duplicates_keep_theirs():
    made = ids.add_level(CODES, SAME)
    assert made.tolist() == [[1, 2, 0], [3, 4, 0], [3, 4, 1], [1, 2, 0], [3, 5, 0]]
    assert ids.summarize(made, SAME)["unique"] == 1.0


def test_last_codes_are_reassigned_at_the_least_cost():
    places = np.arange(6, dtype="float32")

    def costs(items, codes):
        assert codes.tolist() == [3]
        wanted = np.array([0.0, 4.1, 4.4, 0.0, 5.2])[items]
        return np.square(wanted[:, None] - places)

    made = ids.reassign(CODES, costs, 6, SAME)
    # 4.1 stays at 4; 4.4 goes to 5 and 5.2 to 3, or 4.4 to 3 and 5.2 stays: the least.
    assert made.tolist() == [[1, 2], [3, 3], [3, 4], [1, 2], [3, 5]]
    assert CODES[2].tolist() == [3, 4]


def test_more_items_than_last_codes_stay_for_a_further_level():
    codes = np.zeros((4, 2), "int32")
    made = ids.reassign(codes, lambda items, codes: None, 3)
    assert made.tolist() == codes.tolist()
    assert ids.summarize(ids.add_level(made))["unique"] == 1.0


def test_changes_are_those_of_each_prefix():
    other = CODES.copy()
    other[0, 0], other[1, 1] = 7, 7
    assert ids.changed(CODES, other) == [0.2, 0.4]


@pytest.mark.parametrize("name", ["ids.csv", "ids.parquet"])
@pytest.mark.parametrize("keys", [np.arange(5), np.array(list("abcde"))], ids=str)
def test_files_give_keys_and_ids_back(name, keys, tmp_path):
    pytest.importorskip("pyarrow")
    ids.write(tmp_path / name, keys, CODES)
    received, codes = ids.read(tmp_path / name)
    assert [str(key) for key in received] == [str(key) for key in keys]
    np.testing.assert_array_equal(codes, CODES)


def test_a_file_without_ids_says_what_it_has(tmp_path):
    (tmp_path / "a.csv").write_text("item,code\n1,2\n")
    with pytest.raises(ValueError, match=r"key and id.*item"):
        ids.read(tmp_path / "a.csv")
    (tmp_path / "b.csv").write_text("key,id\n1,2-3\n2,4\n")
    with pytest.raises(ValueError, match="one length"):
        ids.read(tmp_path / "b.csv")
