import dataclasses

import keras
import numpy as np
import pytest

from vqzoo import trained, training
from vqzoo.runs.folder import Run
from vqzoo.training.kinds import blend

TINY = training.BlendRecipe(
    name="tiny_blend",
    prior="pixelcnn",
    parents=("cat", "dog"),
    class_conditional=False,
    precision="float32",
    strategy="none",
    tensorboard=False,
    smoke=True,
)


def recipe_of(data, tmp_path, **settings):
    own = {
        "model": str(data / "model.keras"),
        "dataset": "folder",
        "data_dir": str(data / "images"),
        "runs_dir": str(tmp_path / "runs"),
    }
    return dataclasses.replace(TINY, **{**own, **settings})


@pytest.mark.slow
def test_a_run_leaves_a_prior_over_blends_and_figures_of_its_samples(data, tmp_path):
    run_dir = recipe_of(data, tmp_path).run()
    measures = Run(run_dir).metrics()
    assert measures["test"]["top_bits_per_code"] > 0
    for name in ("samples", "blends"):
        found = measures[name]
        assert 0 <= found["white"] <= 1 and 0 <= found["nearer_first"] <= 1
        assert found["nearest_first"] > 0 and found["diversity"] > 0
    for name in ("parents", "blends", "samples"):
        assert (run_dir / f"{name}.png").stat().st_size > 1000
    assert trained.load(run_dir).pipeline.num_classes == 0


def test_blends_lie_between_their_parents(data, tmp_path):
    recipe = recipe_of(data, tmp_path, blend_range=(0.0, 0.0)).shrunk()
    model = keras.saving.load_model(data / "model.keras")
    found = blend.parents(recipe._splits(model), recipe.parents, recipe.num_parents)
    encode = recipe._encoder(model, found)
    (first, _), _ = recipe._pairs()
    expected = model.encode(found[0][first[:5]])
    for received, codes in zip(encode(np.arange(5)), expected):
        np.testing.assert_array_equal(received, codes)
    other = dataclasses.replace(recipe, blend_range=(1.0, 1.0))
    (_, second), _ = other._pairs()
    expected = model.encode(found[1][second[:5]])
    encode = other._encoder(model, found)
    np.testing.assert_array_equal(encode(np.arange(5))[0], expected[0])


def test_parents_are_the_whitest_of_their_class(data, tmp_path):
    recipe = recipe_of(data, tmp_path).shrunk()
    model = keras.saving.load_model(data / "model.keras")
    splits = recipe._splits(model)
    images, labels = splits.train.arrays()
    cats, _ = blend.parents(splits, recipe.parents, recipe.num_parents)
    values = np.sort(blend.whiteness(images[labels == 0]))[::-1]
    np.testing.assert_allclose(blend.whiteness(cats), values[:10], rtol=1e-6)


def test_whiteness_of_white_black_red_and_of_a_white_frame():
    white, black, red = (np.full((1, 8, 8, 3), value) for value in (0.5, -0.5, 0.5))
    red[..., 1:] = -0.5
    frame = white.copy()
    frame[:, 2:6, 2:6] = -0.5
    images = np.concatenate([white, black, red, frame])
    np.testing.assert_allclose(blend.whiteness(images), [1, 0, 0, 0])


def test_figures_of_the_parents_themselves_and_of_one_image():
    generator = np.random.default_rng(0)
    first, second = generator.uniform(-0.5, 0.5, (2, 20, 8, 8, 3))
    found = blend.figures(first, first, second)
    assert found["nearest_first"] == pytest.approx(0, abs=1e-6)
    assert found["nearer_first"] == 1 and found["nearest_second"] > 0.1
    assert found["diversity"] == pytest.approx(1, abs=0.1)
    same = np.repeat(first[:1], 10, axis=0)
    found = blend.figures(same, first, second)
    assert found["diversity"] == 0 and found["nearest_other"] < 1e-6
    repeated = np.concatenate([first[:2], second[:2]] * 10)  # of 40 different ones
    found = blend.figures(repeated, first, second)
    assert found["diversity"] > 0.7 and found["nearest_other"] < 1e-6


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"parents": ("cat", "horse")}, "--parents.*cat.*dog.*received cat, horse"),
        ({"num_parents": 50, "smoke": False}, "--num_parents of at most"),
    ],
)
def test_parents_that_are_not_there_name_the_flag(data, tmp_path, settings, message):
    with pytest.raises(ValueError, match=message):
        recipe_of(data, tmp_path, **settings).run()


@pytest.mark.parametrize(
    "setting",
    [
        {"parents": ("bird",)},
        {"num_parents": 5},
        {"blend_range": (0.8, 0.2)},
        {"num_samples": 1},
        {"class_conditional": True},
    ],
    ids=str,
)
def test_an_impossible_setting_names_its_flag(setting):
    (name,) = setting
    with pytest.raises(ValueError, match=f"--{name} "):
        training.BlendRecipe(**setting)
