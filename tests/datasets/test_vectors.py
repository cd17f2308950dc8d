import numpy as np
import pytest

from vqzoo.datasets.vectors import describe, load_vectors

VECTORS = np.random.default_rng(0).normal(size=(40, 3)).astype("float32")


def load(path, **options):
    return load_vectors("arrays", data_dir=path, **options)


def saved(tmp_path, vectors=VECTORS, **others):
    path = tmp_path / "items.npz"
    np.savez(path, vectors=vectors, **others)
    return path


def parquet_of(path, **columns):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    parquet.write_table(pyarrow.table(columns), path)
    return path


def test_every_item_is_in_one_split_and_comes_by_its_name(tmp_path):
    splits = load(saved(tmp_path))
    rows = np.concatenate(list(splits.table.splits.values()))
    assert sorted(rows.tolist()) == list(range(40))
    assert [splits.train.size, splits.validation.size, splits.test.size] == [32, 4, 4]
    assert (splits.item, splits.image_shape) == ("vector", (3,))
    found, labels = splits.test.arrays()
    np.testing.assert_array_equal(found, VECTORS[splits.table.splits["test"]])
    assert labels is None
    assert splits.table.keys.tolist() == list(range(40))
    again = load(saved(tmp_path))
    assert again.fingerprint == splits.fingerprint
    assert load(saved(tmp_path), seed=1).fingerprint != splits.fingerprint


def test_npy_npz_and_parquet_give_the_same_items(tmp_path):
    np.save(tmp_path / "items.npy", VECTORS)
    keys = np.array([f"item {number}" for number in range(40)])
    first = load(tmp_path / "items.npy")
    second = load(saved(tmp_path, item_id=keys))
    lists = parquet_of(
        tmp_path / "items.parquet", sku=keys.tolist(), text_embedding=VECTORS.tolist()
    )
    third = load(lists, vectors="text_embedding", keys="sku")
    for other in (second, third):
        assert other.fingerprint == first.fingerprint
        np.testing.assert_array_equal(other.table.vectors, VECTORS)
        assert other.table.keys.tolist() == keys.tolist()


def test_a_parquet_column_of_fixed_size_lists_is_read(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    lists = pyarrow.FixedSizeListArray.from_arrays(VECTORS.ravel(), 3)
    splits = load(parquet_of(tmp_path / "a.parquet", embedding=lists))
    np.testing.assert_array_equal(splits.table.vectors, VECTORS)


def test_duplicates_stay_together_and_are_counted(tmp_path):
    vectors = np.concatenate([VECTORS, VECTORS[:20]])
    splits = load(saved(tmp_path, vectors))
    for rows in splits.table.splits.values():
        assert {row % 40 for row in rows if row >= 40} <= set(rows.tolist())
    assert splits.summary["duplicates"] == 20
    assert any("20 vectors equal an earlier one" in line for line in describe(splits))


def test_constant_columns_are_named(tmp_path):
    vectors = VECTORS.copy()
    vectors[:, 1] = 5
    splits = load(saved(tmp_path, vectors))
    assert splits.summary["constant_columns"] == [1]
    assert any(
        "Constant columns" in line and "1 (1)" in line for line in describe(splits)
    )


def with_nan():
    vectors = VECTORS.copy()
    vectors[[3, 7]] = np.nan
    return vectors


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"vectors": with_nan()}, "2 with NaN or infinity, of the keys 3, 7"),
        (
            {"vectors": with_nan(), "key": np.array(list("abcdefgh") * 5)},
            "different keys",
        ),
        ({"vectors": VECTORS[:, :, None]}, r"shape \(N, D\).*\(40, 3, 1\)"),
        ({"vectors": VECTORS.astype(str)}, "dtype=<U"),
        ({"vectors": VECTORS, "key": np.arange(39)}, "a key for each of the 40"),
        ({"vectors": np.ones((40, 3))}, "all are equal"),
        ({"images": VECTORS}, "expected one of vectors, .*found images"),
    ],
)
def test_what_cannot_be_items_is_refused(arrays, said, tmp_path):
    path = tmp_path / "items.npz"
    np.savez(path, **arrays)
    with pytest.raises(ValueError, match=said):
        load(path)


def test_vectors_of_several_widths_are_refused(tmp_path):
    path = parquet_of(tmp_path / "a.parquet", vector=[[1.0, 2.0], [1.0]])
    with pytest.raises(ValueError, match="one width in vector.*from 1 to 2"):
        load(path)
    path = parquet_of(tmp_path / "b.parquet", vector=["a", "b"])
    with pytest.raises(ValueError, match="lists of numbers in vector"):
        load(path)
    (tmp_path / "c.parquet").write_bytes(b"PAR1 and nothing more")
    with pytest.raises(ValueError, match="is no Parquet file"):
        load(tmp_path / "c.parquet")


def test_a_missing_file_names_its_flag():
    with pytest.raises(FileNotFoundError, match="--data_dir.*'nowhere.npy'"):
        load("nowhere.npy")
    with pytest.raises(ValueError, match="arrays or patches.*'photos'"):
        load_vectors("photos")


def test_patches_of_photographs_come_without_a_file():
    splits = load_vectors("patches")
    assert splits.image_shape == (192,)
    assert splits.table.vectors.min() >= -0.5 and splits.table.vectors.max() <= 0.5
