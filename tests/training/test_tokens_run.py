"""Runs of priors whose codes are sequences: scales and tokens."""

import dataclasses

import keras
import numpy as np
import pytest

from vqzoo import trained
from vqzoo.layers import MultiScaleResidualQuantizer, VectorQuantizer
from vqzoo.models import VQVAE
from vqzoo.recipes import next_scale_prior
from vqzoo.runs.folder import Run

SMALL = {"num_channels": 8, "residual_channels": 4, "num_residual_blocks": 1}


def scales():
    inner = VectorQuantizer(8, 4, codebook_init="random_normal")
    quantizer = MultiScaleResidualQuantizer(inner, (1, 2, 4))
    return VQVAE(quantizer, image_shape=(16, 16, 3), **SMALL)


@pytest.fixture(scope="module")
def recipe(data, tmp_path_factory):
    keras.utils.set_random_seed(0)
    folder = tmp_path_factory.mktemp("tokens")
    scales().save(folder / "model.keras")
    return dataclasses.replace(
        next_scale_prior.RECIPE,
        model=str(folder / "model.keras"),
        dataset="folder",
        data_dir=str(data / "images"),
        runs_dir=str(folder / "runs"),
        prior_options=("num_heads=2", "label_dropout=0.1"),
        precision="float32",
        strategy="none",
        tensorboard=False,
        smoke=True,
    )


def test_a_next_scale_prior_of_a_recipe_draws_guided_images(recipe, no_pictures):
    finished = recipe.run()
    figures = Run(finished).metrics()["test"]
    assert figures["bottom_codes"] == 21
    total = 21 * figures["bottom_bits_per_code"]
    assert figures["bits_per_image"] == pytest.approx(total)
    pipeline = trained.load(finished).pipeline
    assert pipeline.priors[0].grids == ((1, 1), (2, 2), (4, 4))
    samples = pipeline.sample(2, 1, guidance=2.0, seed=0)
    assert (
        samples.images.shape == (2, 16, 16, 3) and np.isfinite(samples.log_prob).all()
    )


def test_a_recipe_with_label_dropout_takes_data_without_classes(recipe, capsys):
    sizes = {"grids": ((1, 1), (2, 2), (4, 4)), "context": ()}
    prior = recipe.build_prior("bottom", (1, 21), 8, num_classes=0, **sizes)
    assert prior.label_dropout == 0
    assert "no label_dropout: there are no classes" in capsys.readouterr().out
    known = recipe.build_prior("bottom", (1, 21), 8, num_classes=2, **sizes)
    assert known.label_dropout == 0.1


def test_priors_that_are_not_of_such_codes_are_refused_before_the_codes_are(recipe):
    message = "--prior: expected a prior of scales.*PixelSNAIL.*next_scale, transformer"
    pixels = dataclasses.replace(recipe, prior="pixelsnail", prior_options=())
    with pytest.raises(ValueError, match=message):
        pixels.run()
