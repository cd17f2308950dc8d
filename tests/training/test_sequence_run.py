import dataclasses

import numpy as np
import pytest

import vqzoo
from vqzoo.recipes.sequence_vqvae import RECIPE


def test_a_run_leaves_a_model_a_prior_and_what_a_probe_reads(tmp_path):
    recipe = dataclasses.replace(
        RECIPE,
        quantizer="residual",
        quantizer_options=("num_stages=2",),
        runs_dir=str(tmp_path),
        tensorboard=False,
        strategy="none",
        smoke=True,
    )
    run = recipe.run()
    found = vqzoo.load(run)
    measured = found.metrics["test"]
    assert 0 < measured["relative_error"] < 3
    assert 0 < measured["bits_per_code"] < 8
    assert 0 <= measured["tokens_accuracy"] <= 1
    samples = found.pipeline.sample(2, seed=1)
    assert samples.codes[0].shape == (2, 4, 2) and samples.images.shape == (2, 32, 3)
    assert samples.images.std() > 0
    pictures = {path.stem for path in run.glob("*.png")}
    assert pictures >= {"reconstructions", "samples"}
    signals = np.zeros((1, 20, 3), "float32")
    assert found.model.encode(signals)[0].shape == (1, 3, 2)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data_dir": "a.npz"}, "--data_dir is not used by --dataset=generated"),
        ({"model_options": ("stride",)}, "name=value"),
        ({"prior_epochs": -1}, "--prior_epochs"),
    ],
)
def test_settings_that_cannot_work_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(RECIPE, **changes)


def test_an_option_that_no_model_has_names_its_flag():
    with pytest.raises(ValueError, match="--model_options=depth=3"):
        dataclasses.replace(RECIPE, model_options=("depth=3",)).build_model((64, 3))
