"""Every recipe, shrunk, from its data to its pictures."""

import dataclasses
import functools
import importlib
import json
import pathlib
import pkgutil

import keras
import numpy as np
import pytest

from tests.helpers.steps import compiled
from vqzoo import models, priors, recipes, trained, training
from vqzoo.export import export
from vqzoo.runs.folder import Run

NAMES = [module.name for module in pkgutil.iter_modules(recipes.__path__)]
PRIORS = {name for name in NAMES if name.endswith("_prior")} - {"video_prior"}
# Sweeps whose smoke runs go ways of their own, and those which go the way of another.
SWEEPS = {
    "codebook_study",
    "disentanglement_study",
    "hybrid_sweep",
    "moved_indices",
    "noise_controls",
    "prior_study",
    "rate_distortion",
    "sparse_study",
    "variational_bounds",
}
LIKE_ANOTHER = {
    "gan_space_study",
    "architecture_study",
    "literature_protocol",
    "noise_sweep",
    "perturbation_study",
    "quantizer_noise",
    "quantizer_study",
    "sonnet_study",
    "denoising_study",
    "separate_study",
    "space_study",
    "vqgan_study",
}
# These differ from one that is run whole by the quantizer or the model's options.
ONE_STEP = {
    "beta_vae",
    "denoising_autoencoder",
    "projected_latents",
    "soft_vqvae",
    "sparse_autoencoder",
    "vqvae2",
    "vqvae_batch_normalized",
    "vqvae_gradient",
}
FOR_GPUS = {"pixelsnail_256_prior", "progressive_gan_256_prior"}
# Of other models: see test_hybrid_run.py and test_tokens_run.py.
OF_OTHER_MODELS = {"hybrid_transformer_prior", "next_scale_prior"}
# Each has a test of its run.
NO_IMAGES = {
    "semantic_id_recommender",
    "semantic_ids",
    "sequence_vqvae",
    "video_prior",
    "world_controller",
    "world_experience",
    "world_memory",
    "world_model",
    "world_study",
}
NEEDS_CLASSES = {"pegasus"}  # The embedded images have none; see test_blend_run.
ARTIFACT = pathlib.Path(__file__).parents[2] / "export/vqvae2_noisy/model.keras"
WITHOUT_CODES = {
    "autoencoder",
    "beta_vae",
    "denoising_autoencoder",
    "hierarchical_vae",
    "sparse_autoencoder",
    "vae",
}
OF_CODES = {"codebook", "codebooks_over_training", "latents"}
WITH_SAMPLES = {"beta_vae", "hierarchical_vae", "vae"}


def recipe_of(name, tmp_path):
    module = importlib.import_module(f"vqzoo.recipes.{name}")
    changes = {"smoke": True, "runs_dir": str(tmp_path), "tensorboard": False}
    return dataclasses.replace(module.RECIPE, **changes)


def test_each_recipe_is_named_as_its_module_and_says_its_command(tmp_path):
    assert len(NAMES) >= 16
    for name in NAMES:
        module = importlib.import_module(f"vqzoo.recipes.{name}")
        assert module.RECIPE.name == name
        assert f"python -m vqzoo.recipes.{name}\n" in module.__doc__


def check_run(name, tmp_path):
    run_dir = recipe_of(name, tmp_path).run()
    pictures = {path.stem for path in run_dir.glob("*.png")}
    expected = {"reconstructions", "training"}
    expected |= {"samples"} if name in WITH_SAMPLES else set()
    expected |= set() if name in WITHOUT_CODES else OF_CODES
    assert pictures == expected
    measured = Run(run_dir).metrics()["test"]
    assert 5 < measured["psnr"] < 60
    assert all(np.isfinite(value) for value in measured.values())
    has_usage = any(key.endswith("_usage") for key in measured)
    assert has_usage == (name not in WITHOUT_CODES)
    model = keras.saving.load_model(run_dir / "model.keras")
    images = np.zeros((2, *model.image_shape), "float32")
    assert model.decode(model.encode(images)).shape == images.shape
    return run_dir


def test_a_recipe_without_codes_leaves_samples_and_is_not_exported(tmp_path):
    run_dir = check_run("vae", tmp_path / "runs")
    with pytest.raises(trained.TrainedError, match="expected a model with codes.*VAE"):
        export(run_dir, tmp_path / "export" / "vae")


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    sorted(
        set(NAMES)
        - {"vae"}
        - PRIORS
        - SWEEPS
        - LIKE_ANOTHER
        - NEEDS_CLASSES
        - NO_IMAGES
        - ONE_STEP
    ),
)
def test_every_recipe_runs(name, tmp_path):
    check_run(name, tmp_path)


@pytest.mark.parametrize("name", sorted(ONE_STEP))
def test_a_recipe_like_another_one_makes_a_step(name, tmp_path):
    recipe = recipe_of(name, tmp_path).shrunk()
    size = recipe.image_size or getattr(models, recipe.model)().image_shape[0]
    keras.utils.set_random_seed(recipe.seed)
    model = recipe.build_model((size, size, 3))
    optimizer = keras.optimizers.Adam(recipe.learning_rate)
    compiled(model, optimizer, model.training_loss())
    images = np.random.default_rng(0).uniform(-0.5, 0.5, (4, size, size, 3))
    images = images.astype("float32")
    weights = model.trainable_variables
    before = [weight.numpy() for weight in weights]
    assert np.isfinite(model.train_on_batch(images, images))
    moved = [np.any(a != w.numpy()) for a, w in zip(before, weights)]
    assert np.mean(moved) > 0.9
    rebuilt = model.decode(model.encode(images))
    assert rebuilt.shape == images.shape and np.isfinite(rebuilt).all()


STEPS_OF_AN_EPOCH = 128  # of the default data in batches of 32


def runs_with_schedules(folder):
    """Whole runs of recipes, and of conditions of sweeps, that have a schedule."""
    for name in sorted(set(NAMES) - PRIORS - NO_IMAGES):
        recipe, runs = recipe_of(name, folder), [recipe_of(name, folder)]
        if name in SWEEPS | LIKE_ANOTHER:
            of = functools.partial(recipe.run_of, seed=0, runs_dir=folder)
            runs = map(of, recipe.parsed())
        if name == "hqa":
            runs.append(dataclasses.replace(recipe, quantizer="gumbel"))
        for run in runs:
            is_annealed = getattr(run, "quantizer", None) == "gumbel"
            if is_annealed or run.model.startswith("hierarchical"):
                yield dataclasses.replace(run, smoke=False)


def test_schedules_end_within_the_run(tmp_path):
    runs = list(runs_with_schedules(tmp_path))
    assert len(runs) >= 5
    for run in runs:
        steps = run.epochs * (run.max_steps_per_epoch or STEPS_OF_AN_EPOCH)
        ends = [
            getattr(part, name)
            for part in run.build_model((32, 32, 3), steps)._flatten_layers()
            for name in ("annealing_steps", "warmup_steps")
            if hasattr(part, name)
        ]
        assert ends and all(0 < end < steps for end in ends), run.name


@pytest.mark.parametrize(
    "options",
    [
        {"quantizer": "gumbel", "quantizer_options": ("annealing_steps=11",)},
        {"model": "hierarchical_vae_32", "model_options": ("warmup_steps=11",)},
        {"model": "hqa_32", "model_options": ("tier_steps=4",)},
    ],
)
def test_a_schedule_longer_than_the_run_is_an_error(options):
    recipe = training.Recipe(**{"name": "run", "model": "vqvae_32", **options})
    with pytest.raises(ValueError, match="to end within the 10 steps of the run"):
        recipe.build_model((32, 32, 3), 10)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(PRIORS - FOR_GPUS - OF_OTHER_MODELS))
def test_every_recipe_of_a_prior_draws_images(name, tmp_path):
    recipe = dataclasses.replace(recipe_of(name, tmp_path), model=str(ARTIFACT))
    run_dir = recipe.run()
    measured = Run(run_dir).metrics()["test"]
    assert all(np.isfinite(value) for value in measured.values())
    samples = trained.load(run_dir).pipeline.sample(2, seed=0)
    assert samples.images.shape == (2, 32, 32, 3)
    assert (run_dir / "samples.png").stat().st_size > 1000


def test_the_table_of_pixelsnail_is_whole(tmp_path):
    recipe = recipe_of("pixelsnail_256_prior", tmp_path)
    top, bottom = (recipe.options_of(tier) for tier in ("top", "bottom"))
    sizes = {"num_channels": 256, "residual_channels": 256, "kernel_size": 5}
    sizes |= {"num_blocks": 4, "num_residual_blocks": 4, "dropout": 0.1}
    assert top == {**sizes, "num_condition_blocks": 3}  # nothing is above it
    assert bottom == {**top, "num_heads": 0}
    assert recipe.learning_rate == 3e-4
    above = [((32, 32), 512)]
    prior = priors.PixelSNAIL((32, 32), 512, **top)
    assert prior.num_heads > 0
    priors.PixelSNAIL((64, 64), 512, context=above, **bottom)


def test_the_table_of_progressive_gans_is_whole(tmp_path):
    recipe = dataclasses.replace(
        recipe_of("progressive_gan_256_prior", tmp_path), smoke=False
    )
    table = {
        "top": [(48_000, 256), (96_000, 256), (96_000, 128), (200_000, 20)],
        "bottom": [
            (48_000, 256),
            (48_000, 256),
            (96_000, 128),
            (96_000, 15),
            (200_000, 15),
        ],
    }
    channels = (512, 256, 64, 32, 16)
    for tier, rows in table.items():
        options = recipe.options_of(tier)
        assert options["channels"] == channels[: len(rows)]
        assert options["noise_dim"] == 512 and options["num_residual_layers"] == 4
        for scale, (steps, size) in enumerate(rows):
            epochs, steps_of_epoch, batch_size = recipe.of_scale(tier, scale)
            assert (epochs * steps_of_epoch, batch_size) == (steps, size)
    assert (recipe.learning_rate, recipe.critic_learning_rate) == (1e-4, 4e-4)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(SWEEPS))
def test_every_sweep_measures_what_it_shows(name, tmp_path, no_pictures):
    recipe = recipe_of(name, tmp_path)
    folder = recipe.run()
    rows = json.loads((folder / "sweep.json").read_text())
    expected = [row.name for row, _ in recipe.shrunk().jobs()]
    assert [row["condition"] for row in rows] == expected and len(rows) > 1
    for number in recipe.shown:
        found = [row["metrics"].get(number) for row in rows]
        assert any(value is not None and np.isfinite(value) for value in found), number
    lines = (folder / "table.md").read_text().splitlines()
    assert [line.split(" | ")[0] for line in lines[2 : 2 + len(rows)]] == [
        f"| {name}" for name in expected
    ]
    assert any(folder.glob("*.png"))


@pytest.mark.parametrize("name", sorted(LIKE_ANOTHER))
def test_the_models_of_every_sweep_are_made(name, tmp_path):
    recipe = recipe_of(name, tmp_path)
    for condition in recipe.shrunk().parsed():
        run = recipe.run_of(condition, seed=0, runs_dir=tmp_path)
        model = run.shrunk().build_model((32, 32, 3))
        images = np.zeros((2, 32, 32, 3), "float32")
        assert model.decode(model.encode(images)).shape == images.shape
