import csv
import dataclasses

import numpy as np
import pytest

from tests.helpers import stopped
from vqzoo import trained, training
from vqzoo.runs import files
from vqzoo.runs.folder import Run
from vqzoo.training.kinds import tiers

pytestmark = pytest.mark.xdist_group("gan run")  # One run serves several tests.
TINY = training.GANRecipe(
    name="tiny_gan", precision="float32", strategy="none", tensorboard=False, smoke=True
)


def recipe_of(data, tmp_path, **settings):
    own = {
        "model": str(data / "model.keras"),
        "dataset": "folder",
        "data_dir": str(data / "images"),
        "runs_dir": str(tmp_path / "runs"),
    }
    return dataclasses.replace(TINY, **{**own, **settings})


@pytest.fixture(scope="module")
def finished(data, tmp_path_factory):
    return recipe_of(data, tmp_path_factory.mktemp("finished")).run()


def test_a_run_leaves_generators_that_draw_images(finished):
    measures = Run(finished).metrics()["test"]
    for tier in ("top", "bottom"):
        assert 0 < measures[f"{tier}_requantization"] < 20
        assert measures[f"{tier}_diversity"] > 0
        assert 0 < measures[f"{tier}_codes_used"] <= 1
    drawn = trained.load(finished).pipeline
    samples = drawn.sample(3, 1, seed=0)
    assert samples.images.shape == (3, 16, 16, 3)
    assert np.isnan(samples.log_prob).all()
    with open(finished / "top" / "scale_1" / "history.csv") as file:
        rows = list(csv.DictReader(file))
    assert float(rows[-1]["critic_penalty"]) > 0
    assert float(rows[-1]["val_sliced_wasserstein"]) > 0


@pytest.mark.slow
def test_a_run_stopped_in_a_fade_ends_with_the_same_generators(
    data, finished, tmp_path, monkeypatch
):
    recipe, part = recipe_of(data, tmp_path), ("top", "scale_1")
    stopped.check_it_ends_the_same(recipe, finished, part, 1, monkeypatch)


def test_the_average_follows_the_generator_and_both_sides_learn(data, tmp_path):
    recipe = recipe_of(data, tmp_path, average_decay=0.5).shrunk()
    model = tiers._load_model(recipe.model)
    codes = recipe.extract(model)
    trainer = recipe._trainer(model, codes, "top")
    trainer.begin_scale(1, 4)
    trainer.step.assign(2)
    batch = {k: v[:8].astype("int32") for k, v in codes.arrays("train").items()}
    inputs = trainer.generator.training_pair(batch, ("top",))
    before = [w.numpy() for w in trainer.generator.trainable_weights]
    critic = [w.numpy() for w in trainer.critic.trainable_weights]
    logs = trainer.train_step(inputs)
    assert float(logs["fade"]) == 0.5 and float(trainer.fade()) == 0.75
    moved = [
        np.abs(w.numpy() - old).max()
        for w, old in zip(trainer.critic.trainable_weights, critic)
    ]
    assert np.mean(np.array(moved) > 0) > 0.8
    for old, now, average in zip(
        before, trainer.generator.trainable_weights, trainer.average.trainable_weights
    ):
        np.testing.assert_allclose(average.numpy(), (old + now.numpy()) / 2, atol=1e-6)


def test_a_gan_that_diverges_stops_before_that_state_is_saved(data, tmp_path):
    recipe = recipe_of(data, tmp_path, divergence_limit=1e-6, save_steps=1)
    with pytest.raises(files.RunError, match="the GAN diverges: .* lower learning"):
        recipe.run()
    assert list(tmp_path.glob("runs/*/*/recipe.json"))
    assert not list(tmp_path.glob("runs/**/state.npz"))


def test_a_dcgan_runs_too(data, tmp_path):
    recipe = recipe_of(data, tmp_path, gan="dcgan", gan_loss="non_saturating")
    run_dir = recipe.run()
    measures = Run(run_dir).metrics()["test"]
    assert measures["bottom_requantization"] > 0
    generator = trained.load(run_dir).pipeline.priors[1].generator
    assert np.abs(generator.norms[0].moving_mean.numpy()).max() > 0


def test_a_tier_may_have_steps_of_its_own():
    recipe = training.GANRecipe(
        scale_steps=(10, 20), tier_scale_steps=("bottom=(30,40,5000)",)
    )
    total = {
        (tier, scale): epochs * steps
        for tier, scale in (("top", 1), ("top", 2), ("bottom", 0), ("bottom", 2))
        for epochs, steps, _ in [recipe.of_scale(tier, scale)]
    }
    assert total == {
        ("top", 1): 20,
        ("top", 2): 20,
        ("bottom", 0): 30,
        ("bottom", 2): 5000,
    }
    with pytest.raises(ValueError, match="--tier_scale_steps .* of tiers .'top',"):
        recipe.check_tiers(("top",))


@pytest.mark.parametrize(
    "setting",
    [
        {"gan": "biggan"},
        {"gan_loss": "hinge"},
        {"scale_steps": ()},
        {"scale_batch_sizes": (0,)},
        {"tier_scale_steps": ("bottom",)},
        {"tier_scale_batch_sizes": ("bottom=(8,0)",)},
        {"tier_scale_steps": ("bottom=(2000,0)",)},
        {"tier_scale_steps": ("bottom=2000",)},
        {"fade_share": 1.5},
        {"average_decay": 1.0},
        {"gradient_penalty": -1.0},
        {"critic_learning_rate": 0.0},
    ],
    ids=str,
)
def test_an_impossible_setting_names_its_flag(setting):
    (name,) = setting
    with pytest.raises(ValueError, match=f"--{name} "):
        training.GANRecipe(**setting)
