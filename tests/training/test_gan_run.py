import csv
import dataclasses

import keras
import numpy as np
import pytest

import vqzoo.ops
from tests.helpers import stopped
from vqzoo import trained, training
from vqzoo.runs import files
from vqzoo.runs.folder import Run
from vqzoo.studies import side_by_side
from vqzoo.training import learned
from vqzoo.training.kinds import gan

pytestmark = pytest.mark.xdist_group("gan run")  # One run serves several tests.
TINY = training.GANRecipe(
    name="tiny_gan",
    prior_options=("attention_size=4",),
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


def trainer_of(recipe, data):
    """The trainer of the top tier of a recipe, and its codes."""
    model = learned.load(str(data / "model.keras"), False)
    codes = recipe.extract(model)
    return recipe._trainer(model, codes, "top"), codes, model.quantizers[0]


def numpy_of(variables):
    return [keras.ops.convert_to_numpy(variable) for variable in variables]


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
    assert 0 <= float(rows[-1]["critic_accuracy"]) <= 1
    assert (finished / "critic.png").exists()
    curves = gan.training_curves({"tiny": Run(finished)})
    # The top grid has no side of --prior_options=attention_size=4.
    assert [len(lines) for lines in curves.values()] == [2, 1, 1]
    steps, gates = curves["gate of attention, critic"]["tiny bottom"]
    assert steps == [4, 8] and gates[0] == 0 < gates[1]


def test_samples_and_critics_of_several_codebooks_stand_side_by_side(finished):
    runs = {"plain": Run(finished), "noisy": Run(finished)}
    figures = side_by_side._of_prior("gan", runs)
    assert set(figures) == {"samples_gan", "critic_gan"}
    # A row of samples for each codebook, one panel each for the critic and the gates.
    assert len(figures["samples_gan"].axes) == 2 * side_by_side.SAMPLES
    (accuracy, *gates) = figures["critic_gan"].axes
    assert len(accuracy.lines) == 4 and [len(g.lines) for g in gates] == [2, 2]


@pytest.mark.slow
def test_a_run_stopped_in_a_fade_ends_with_the_same_generators(
    data, finished, tmp_path, monkeypatch
):
    recipe, part = recipe_of(data, tmp_path), ("top", "scale_1")
    stopped.check_it_ends_the_same(recipe, finished, part, 1, monkeypatch)


def test_the_average_follows_the_generator_and_both_sides_learn(data, tmp_path):
    recipe = recipe_of(data, tmp_path, average_decay=0.5).shrunk()
    trainer, codes, _ = trainer_of(recipe, data)
    trainer.begin_scale(1, 4)
    trainer.step.assign(2)
    batch = {k: v[:8].astype("int32") for k, v in codes.arrays("train").items()}
    inputs = trainer.generator.training_pair(batch, ("top",))
    before = numpy_of(trainer.generator.trainable_weights)
    critic = numpy_of(trainer.critic.trainable_weights)
    logs = trainer._step(inputs)
    assert float(logs["fade"]) == 0.5 and float(trainer.fade()) == 0.75
    moved = [
        np.abs(now - old).max()
        for now, old in zip(numpy_of(trainer.critic.trainable_weights), critic)
    ]
    assert np.mean(np.array(moved) > 0) > 0.8
    for old, now, average in zip(
        before,
        numpy_of(trainer.generator.trainable_weights),
        numpy_of(trainer.average.trainable_weights),
    ):
        np.testing.assert_allclose(average, (old + now) / 2, atol=1e-6)


@pytest.mark.parametrize("space", ["indices", "sorted_indices"])
def test_a_map_of_indices_has_one_channel_and_is_rounded_to_codes(
    data, tmp_path, space
):
    recipe = recipe_of(data, tmp_path, gan_space=space).shrunk()
    trainer, codes, quantizer = trainer_of(recipe, data)
    prior, grids = trainer.generator, codes.arrays("train")["top"][:4].astype("int32")
    maps = keras.ops.convert_to_numpy(prior.latents_of(grids))
    assert maps.shape == (4, 2, 2, 1) and trainer.critic.embedding_dim == 1
    step = np.diff(np.sort(numpy_of([prior.codebook])[0][:, 0]))
    np.testing.assert_allclose(step, step[0], rtol=1e-3)
    noise = np.random.default_rng(0).uniform(-0.45, 0.45, maps.shape) * step[0]
    np.testing.assert_array_equal(prior.codes_of(maps + noise.astype("float32")), grids)
    order = np.argsort(numpy_of([prior.codebook])[0][:, 0])
    main = numpy_of([vqzoo.ops.main_axis_order(quantizer.codebooks[0])])[0]
    expected = {"indices": np.arange(len(main)), "sorted_indices": main}
    np.testing.assert_array_equal(order, expected[space])


def test_a_gan_that_diverges_stops_before_that_state_is_saved(data, tmp_path):
    recipe = recipe_of(data, tmp_path, divergence_limit=1e-6, save_steps=1)
    with pytest.raises(files.RunError, match="the GAN diverges: .* lower learning"):
        recipe.run()
    assert list(tmp_path.glob("runs/*/*/recipe.json"))
    assert not list(tmp_path.glob("runs/**/state.npz"))


def test_a_dcgan_runs_too(data, tmp_path):
    own = {"gan": "dcgan", "prior_options": (), "gan_space": "indices"}
    recipe = recipe_of(data, tmp_path, gan_loss="non_saturating", **own)
    run_dir = recipe.run()
    measures = Run(run_dir).metrics()["test"]
    assert measures["bottom_requantization"] > 0
    generator = trained.load(run_dir).pipeline.priors[1].generator
    assert np.abs(numpy_of([generator.norms[0].moving_mean])[0]).max() > 0
    assert generator.codebook_shape[1] == 1


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
        {"gan_space": "colors"},
        {"measure_steps": 0},
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
