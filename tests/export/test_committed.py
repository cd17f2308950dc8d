"""The artifacts of the project itself: as their manifests say, and alive."""

import hashlib
import json
import pathlib

import keras
import numpy as np
import pytest

from vqzoo import datasets, trained
from vqzoo.export import wire
from vqzoo.images import to_images
from vqzoo.models.cloning import clone

FOLDER = pathlib.Path(__file__).parents[2] / "export"
ARTIFACTS = sorted(path.parent for path in FOLDER.glob("*/manifest.json"))
each_artifact = pytest.mark.parametrize("folder", ARTIFACTS, ids=lambda f: f.name)


def test_there_is_an_artifact():
    assert [folder.name for folder in ARTIFACTS] != []


@each_artifact
def test_every_file_is_the_one_of_the_manifest(folder):
    known = json.loads((folder / "manifest.json").read_text())["files"]
    files = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    assert files == {*known, "manifest.json"}
    for name, facts in known.items():
        data = (folder / name).read_bytes()
        assert len(data) == facts["bytes"]
        assert hashlib.sha256(data).hexdigest() == facts["sha256"]


@each_artifact
def test_what_it_may_be_used_for_stands_in_its_papers(folder):
    terms = json.loads((folder / "manifest.json").read_text())["training"]["terms"]
    assert f"\nIt may be used for {terms}.\n" in (folder / "README.md").read_text()
    page = (FOLDER.parent / "docs/guide/licences.md").read_text("utf-8")
    assert f"`{folder.name}`" in page


@each_artifact
def test_the_keras_file_loads_in_safe_mode_and_gives_the_codes_it_names(folder):
    model = keras.saving.load_model(folder / "model.keras")
    facts = json.loads((folder / "manifest.json").read_text())
    images = known_images(folder, model)
    codes = model.encode(images)
    for tier, of_tier in zip(facts["tiers"], codes):
        assert list(of_tier.shape[1:]) == tier["grid"]
        assert len(np.unique(of_tier)) > 8
    error = np.square(np.asarray(model.decode(codes)) - images).mean()
    assert error < 0.01 < np.var(images) / 5


def known_images(folder, model):
    """Images of the kind that a model learned: photographs, or what its prior draws."""
    if model.image_shape[2] == 1:
        return trained.load(folder).pipeline.sample(64, seed=0).images
    photos = datasets.load("photos", image_size=model.image_shape[0])
    return photos.test.arrays(limit=64)[0]


@pytest.mark.parametrize(
    "folder",
    [each for each in ARTIFACTS if "fashion_mnist" not in each.name],
    ids=lambda f: f.name,
)
def test_images_of_one_color_and_a_ramp_come_back(folder):
    model = keras.saving.load_model(folder / "model.keras")
    plain = wire.make_images(model.image_shape)[:3]  # black, white, a ramp
    plain = plain.astype("float32") / 255 - 0.5
    error = np.square(np.asarray(model.decode(model.encode(plain))) - plain).mean()
    assert error < 0.002


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_every_artifact_gives_equal_codes_on_every_backend(
    backend, tmp_path, load_elsewhere
):
    expected = {}
    for folder in ARTIFACTS:
        path = tmp_path / f"{folder.name}.keras"
        # In float32, as its SavedModel: each backend rounds bfloat16 in its own way.
        model = clone(keras.saving.load_model(folder / "model.keras"))
        model.save(path)
        images = to_images(wire.make_images(model.image_shape))
        np.savez(path.with_suffix(".inputs.npz"), images)
        expected[folder.name] = [np.asarray(codes) for codes in model.encode(images)]
    received = load_elsewhere(tmp_path, backend)
    for name, tiers in expected.items():
        for tier, codes in enumerate(tiers):
            np.testing.assert_array_equal(received[name][f"codes_{tier}"], codes, name)
