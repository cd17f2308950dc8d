import types

import numpy as np
import pytest
from PIL import Image

from vqzoo.datasets import factors
from vqzoo.measures import data


def model_of(*image_shape):
    return types.SimpleNamespace(
        image_shape=image_shape, item_shape=image_shape, item="image"
    )


def settings_of(dataset="photos", **changes):
    usual = {"data_dir": "", "classes": [], "quick": True, "max_bytes": None}
    usual |= {"representation": "vectors"}
    return types.SimpleNamespace(dataset=dataset, **{**usual, **changes})


@pytest.mark.parametrize("shape", [(16, 16, 1), (48, 48, 3)])
def test_sprites_have_the_shape_of_the_model(shape):
    options = data.options(model_of(*shape), settings_of(), "sprites")
    sample_factors, images_of = options["factors"]
    images = images_of(sample_factors(3, np.random.default_rng(0)))
    assert images.shape == (3, *shape)
    assert set(np.unique(images)) == {-0.5, 0.5}


def test_sprites_for_images_that_are_not_square_are_refused():
    with pytest.raises(ValueError, match="factors of sprites, .* 32 x 64"):
        data.options(model_of(32, 64, 3), settings_of(), "sprites")
    options = data.options(model_of(32, 64, 3), settings_of())
    assert options == {"quick": True, "representation": "vectors"}


@pytest.mark.parametrize(
    ("dataset", "expected"), [("folder", None), ("shapes3d", "there")]
)
def test_factors_are_not_looked_for_in_a_folder_of_images(
    dataset, expected, monkeypatch
):
    monkeypatch.setattr(factors, "load", lambda *arguments: arguments)
    settings = settings_of(dataset, data_dir="there")
    options = data.options(model_of(32, 32, 3), settings, "shapes3d")
    assert options["factors"] == ("shapes3d", (32, 32, 3), expected)


def test_large_images_are_no_more_than_memory_holds():
    assert data.sizes_of(model_of(32, 32, 3)).images == 10_000
    assert data.sizes_of(model_of(256, 256, 3)).images == 2543
    assert data.sizes_of(model_of(256, 256, 3), quick=True) == data.QUICK
    assert data.sizes_of(model_of(2**15, 2**15, 3)).images == 1


def test_a_protocol_may_take_more_training_images_than_usual(monkeypatch):
    images = np.zeros((8, 4, 4, 1), "float32")
    split = types.SimpleNamespace(
        batches=lambda *_, **__: types.SimpleNamespace(
            as_numpy_iterator=lambda: iter([{"image": images}])
        ),
        item="image",
        size=8,
    )
    splits = types.SimpleNamespace(
        train=split,
        test=split,
        image_shape=(4, 4, 1),
        class_names=(),
        name="gray",
        fingerprint="",
        table=None,
    )
    few = data.Sizes(train_bytes=3 * 4 * 4 * 4)
    assert len(data.Data.of(splits, few).train_images) == 3
    assert len(data.Data.of(splits, data.Sizes(train_bytes=1e15)).train_images) == 8


def test_data_of_another_shape_is_refused():
    with pytest.raises(ValueError, match=r"\(32, 64, 3\).*\(32, 32, 3\) from --data"):
        data.load_splits(model_of(32, 64, 3), settings_of("sprites"))
    splits = data.load_splits(model_of(32, 32, 3), settings_of("sprites"))
    assert splits.image_shape == (32, 32, 3)


def test_the_data_are_of_the_chosen_classes(tmp_path):
    for number in range(60):
        path = tmp_path / "abc"[number % 3] / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        Image.new("RGB", (8, 8), (number, 0, 0)).save(path)
    settings = settings_of("folder", data_dir=str(tmp_path), classes=["a", "c"])
    splits = data.load_splits(model_of(8, 8, 3), settings)
    assert splits.class_names == ("a", "c")
    assert sum(s.size for s in (splits.train, splits.validation, splits.test)) == 40
