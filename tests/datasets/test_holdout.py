import numpy as np
import pytest

from vqzoo.datasets.holdout import assign_rows, content_digest


def _digests(count):
    return [content_digest(np.array([number])) for number in range(count)]


def test_missing_splits_take_a_tenth_each():
    rows = assign_rows(_digests(200), ["train"] * 200)
    assert [len(rows[name]) for name in ("train", "validation", "test")] == [
        160,
        20,
        20,
    ]
    assert sorted(np.concatenate(list(rows.values()))) == list(range(200))


def test_identical_images_go_to_the_same_split():
    digests = _digests(50) * 3
    rows = assign_rows(digests, ["train"] * 150)
    contents = [{digests[row] for row in chosen} for chosen in rows.values()]
    assert sum(map(len, contents)) == len(set.union(*contents)) == 50
    assert sum(map(len, rows.values())) == 150


def test_the_choice_does_not_depend_on_the_order_of_the_images():
    digests = _digests(100)
    first = assign_rows(digests, ["train"] * 100)
    second = assign_rows(digests[::-1], ["train"] * 100)
    assert set(first["test"]) == {99 - row for row in second["test"]}


def test_another_seed_holds_out_other_images():
    digests = _digests(100)
    first = assign_rows(digests, ["train"] * 100, seed=0)
    second = assign_rows(digests, ["train"] * 100, seed=1)
    assert set(first["test"]) != set(second["test"])


def test_given_splits_are_kept_and_validation_comes_from_training():
    given = ["train"] * 40 + ["test"] * 10
    rows = assign_rows(_digests(50), given, validation_fraction=0.25)
    assert rows["test"].tolist() == list(range(40, 50))
    assert len(rows["validation"]) == 10
    assert set(rows["validation"]) < set(range(40))


def test_training_images_which_are_also_held_out_are_left_out():
    digests = _digests(20)
    digests[0] = digests[19]
    given = ["train"] * 15 + ["validation"] * 2 + ["test"] * 3
    with pytest.warns(UserWarning, match="left out 1 images"):
        rows = assign_rows(digests, given)
    assert rows["train"].tolist() == list(range(1, 15))
    assert rows["test"].tolist() == [17, 18, 19]


def test_too_few_different_images_are_refused():
    with pytest.raises(ValueError, match="found 1"):
        assign_rows(_digests(1) * 10, ["train"] * 10)


def test_an_impossible_fraction_is_refused():
    with pytest.raises(ValueError, match="received validation_fraction=1.5"):
        assign_rows(_digests(9), ["train"] * 9, validation_fraction=1.5)
