import dataclasses

import numpy as np
import pytest

from tests.helpers import stopped
from tests.helpers.small_models import model_of
from vqzoo import measures, trained, training
from vqzoo.runs import files
from vqzoo.runs.folder import Run
from vqzoo.training.command import parse
from vqzoo.training.kinds import tiers

pytestmark = pytest.mark.xdist_group("prior run")  # One run serves several tests.
TINY = training.PriorRecipe(
    name="tiny_prior",
    prior="pixelcnn",
    epochs=2,
    max_steps_per_epoch=3,
    batch_size=4,
    precision="float32",
    strategy="none",
    tensorboard=False,
    smoke=True,
)


def recipe_of(data, tmp_path, **settings):
    own = {
        "model": str(data),
        "dataset": "folder",
        "data_dir": str(data / "images"),
        "runs_dir": str(tmp_path / "runs"),
    }
    return dataclasses.replace(TINY, **{**own, **settings})


@pytest.fixture(scope="module")
def finished(data, tmp_path_factory):
    return recipe_of(data, tmp_path_factory.mktemp("finished")).run()


def test_a_run_leaves_priors_figures_and_pictures(finished):
    measures = Run(finished).metrics()["test"]
    for tier, places, raw in (("top", 4, 3), ("bottom", 16, 4)):
        assert measures[f"{tier}_codes"] == places
        assert measures[f"{tier}_raw_bits_per_code"] == raw
        assert 0 < measures[f"{tier}_unigram_bits_per_code"] < raw + 1
        assert 0 < measures[f"{tier}_bits_per_code"] < 2 * raw
    total = 4 * measures["top_bits_per_code"] + 16 * measures["bottom_bits_per_code"]
    assert measures["bits_per_image"] == pytest.approx(total)
    assert measures["bits_per_pixel"] == pytest.approx(total / 256)
    for name in ("samples.png", "bits.png", "top/history.csv", "bottom/state.npz"):
        assert (finished / name).stat().st_size > 100


def test_the_bits_are_those_of_the_saved_pipeline(finished, data):
    drawn = trained.load(finished).pipeline
    assert drawn.class_names == ("cat", "dog")
    folder = next((finished.parents[1] / "codes").iterdir())
    codes = [np.load(folder / f"test_{t}.npy").astype("int32") for t in drawn.tiers]
    labels = np.load(folder / "test_label.npy")
    measures = Run(finished).metrics()["test"]
    bits = -drawn.log_prob(codes, labels).mean() / np.log(2)
    assert bits == pytest.approx(measures["bits_per_image"], rel=1e-4)


@pytest.mark.slow
def test_a_masked_prior_is_fitted_to_hidden_codes(data, tmp_path):
    run_dir = recipe_of(data, tmp_path, prior="maskgit").run()
    measures = Run(run_dir).metrics()["test"]
    assert 1 < measures["bottom_bits_per_code"] < 8
    pipeline = trained.load(run_dir).pipeline
    samples = pipeline.sample(2, 0, seed=0, num_steps=3)
    assert samples.images.shape == (2, 16, 16, 3)
    assert samples.log_prob.max() < 0
    # What it learned of its passes after training is in the file.
    assert pipeline.priors[-1].nats_by_hidden[-1][0] == 16


def test_a_run_of_one_tier_leaves_its_figures_and_no_pipeline(data, tmp_path):
    run_dir = recipe_of(data, tmp_path, tiers=("top",)).run()
    measures = Run(run_dir).metrics()["test"]
    assert measures["top_bits_per_code"] > 0
    assert not any(name.startswith("bottom") for name in measures)
    assert not (run_dir / "pipeline.json").exists()


@pytest.mark.slow
def test_a_stopped_run_goes_on_and_ends_with_the_same_priors(
    data, finished, tmp_path, monkeypatch
):
    recipe = recipe_of(data, tmp_path)
    stopped.check_it_ends_the_same(recipe, finished, ("bottom",), 3, monkeypatch)


def test_the_codes_of_chosen_classes_are_other_codes(data, tmp_path):
    recipe = recipe_of(data, tmp_path, smoke=False)
    whole = recipe.extract(model_of(0))
    recipe = dataclasses.replace(recipe, classes=("dog",))
    dogs = recipe.extract(model_of(0))
    assert dogs.class_names == ("dog",) and dogs.folder != whole.folder
    found, every = dogs.arrays("test"), whole.arrays("test")
    assert found["label"].tolist() == [0] * 4
    np.testing.assert_array_equal(found["top"], every["top"][every["label"] == 1])
    with pytest.raises(ValueError, match="--classes to be of cat, dog, received cow"):
        dataclasses.replace(recipe, classes=("cow",)).extract(model_of(0))


def test_held_out_codes_are_of_all_classes(data, tmp_path):
    recipe = recipe_of(data, tmp_path, smoke=False)
    codes = recipe.extract(model_of(0))
    every = codes.arrays("test")
    assert every["label"].tolist() == [0] * 4 + [1] * 4
    few = tiers.held_out(codes, "test", 4)
    assert few["label"].tolist() == [0, 0, 1, 1]
    np.testing.assert_array_equal(few["top"], every["top"][::2])
    whole = tiers.held_out(codes, "test")
    np.testing.assert_array_equal(whole["bottom"], every["bottom"])


def test_codes_of_another_model_are_refused(data, tmp_path):
    other = tmp_path / "other.keras"
    model_of(1).save(other)
    recipe = recipe_of(data, tmp_path, codes_dir=str(tmp_path / "codes"))
    recipe.extract(model_of(0))
    with pytest.raises(ValueError, match="codes of the same model"):
        recipe.extract(model_of(1))


def test_codes_of_mirrored_images_follow_those_of_the_images(data, tmp_path):
    plain, both = (
        recipe_of(data, tmp_path, flip=flip).extract(model_of(0))
        for flip in (False, True)
    )
    codes = {k: v.astype("int32") for k, v in both.arrays("train").items()}
    size = plain.train.size
    assert both.train.size == 2 * size and both.test.size == plain.test.size
    for name, array in plain.arrays("train").items():
        np.testing.assert_array_equal(codes[name][:size], array)
    np.testing.assert_array_equal(codes["label"][size:], codes["label"][:size])
    splits = measures.load_splits(model_of(0), recipe_of(data, tmp_path))
    images = splits.train.arrays()[0][:, :, ::-1]
    expected = model_of(0).encode(images)
    for name, array in zip(("top", "bottom"), expected):
        assert np.mean(codes[name][size:] == np.asarray(array)) > 0.99


def test_a_prior_learns_the_codes_of_a_collection(data, tmp_path, monkeypatch):
    pytest.importorskip("pyarrow")
    from tests.helpers import shards
    from tests.helpers.encoding import rows_of
    from vqzoo.encode import Job, run

    shards.tar(tmp_path / "in.tar", shards.records(0, 90, 16))
    encoded = tmp_path / "encoded"
    job = Job(model=str(data), pattern=f"{tmp_path}/in.tar", output=str(encoded))
    manifest = run(job)
    before = sorted(encoded.rglob("*"))
    monkeypatch.setattr(measures, "load_splits", None)  # No images are read.
    recipe = recipe_of(data, tmp_path, codes_dir=str(encoded), tiers=("top",))
    finished = Run(recipe.run())
    settings = finished.settings()
    assert settings["class_names"] == ["0", "1", "2"]
    assert settings["model_fingerprint"] == manifest["model"]
    assert finished.metrics()["test"]["top_bits_per_code"] > 0
    codes = recipe.extract(model_of(0))
    parts = [codes.arrays(name) for name in ("train", "validation", "test")]
    assert all(len(part["label"]) for part in parts)
    found = [
        (p["label"][i], *p["top"][i].ravel())
        for p in parts
        for i in range(len(p["label"]))
    ]
    rows = rows_of(encoded)
    expected = zip(rows["label"].astype(int), rows["top"].reshape(90, -1))
    assert sorted(found) == sorted((label, *grid) for label, grid in expected)
    assert sorted(encoded.rglob("*")) == before
    model_of(1).save(tmp_path / "other.keras")
    other = dataclasses.replace(recipe, model=str(tmp_path / "other.keras"))
    with pytest.raises(files.RunError, match="--codes_dir: .*codes of the model"):
        other.run()


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"model": "nowhere.keras"}, files.RunError, "--model.*nowhere.keras"),
        ({"model": "nowhere"}, files.RunError, "--model: .*the folder of a run"),
        ({"model": "model.h5"}, files.RunError, "--model: .*model.h5"),
        ({"batch_size": 400, "smoke": False}, ValueError, "--batch_size.*400"),
        ({"prior_options": ("middle.units=3",)}, ValueError, "--prior_options.*middle"),
        ({"tiers": ("middle",)}, ValueError, "--tiers .*middle"),
        ({"prior_options": ("heads=3",)}, ValueError, "--prior_options=heads=3.*heads"),
        ({"resume": True}, files.RunError, "--resume: no unfinished run"),
    ],
)
def test_what_does_not_fit_names_its_flag(data, tmp_path, settings, error, message):
    with pytest.raises(error, match=message):
        recipe_of(data, tmp_path, **settings).run()


@pytest.mark.parametrize(
    ("setting", "flag"),
    [
        ({"prior": "pixelgan"}, "--prior "),
        ({"model": "hf://owner/name"}, "--model .*vqzoo convert"),
        ({"prior_options": ("units",)}, "name=value"),
        ({"epochs": 0}, "--epochs "),
    ],
)
def test_an_impossible_setting_names_its_flag(setting, flag):
    with pytest.raises(ValueError, match=flag):
        training.PriorRecipe(**setting)


def test_options_are_of_all_tiers_or_of_one():
    recipe = parse(
        training.PriorRecipe(),
        ["recipe", "--prior_options=num_channels=16,bottom.num_heads=0,num_blocks=1"],
    )
    priors = [recipe.build_prior(tier, (4, 4), 8, 0, ()) for tier in ("top", "bottom")]
    assert [prior.num_channels for prior in priors] == [16, 16]
    assert [prior.num_heads for prior in priors] == [8, 0]
