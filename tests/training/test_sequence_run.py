import dataclasses
import json

import numpy as np
import pytest

import vqzoo
from vqzoo import evaluate, verify
from vqzoo.app import loading
from vqzoo.export import artifact
from vqzoo.recipes.sequence_vqvae import RECIPE


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The folder of a run of two codes a step."""
    recipe = dataclasses.replace(
        RECIPE,
        quantizer="residual",
        quantizer_options=("num_stages=2",),
        runs_dir=str(tmp_path_factory.mktemp("signals")),
        tensorboard=False,
        strategy="none",
        smoke=True,
    )
    return recipe.run()


def test_a_run_leaves_a_model_a_prior_and_what_a_probe_reads(run):
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
    codes = found.encode(signals)
    assert codes[0].shape == (1, 3, 2)
    np.testing.assert_array_equal(found.decode(codes), found.model.decode(codes))


def test_evaluate_says_how_signals_come_back(run, tmp_path):
    argv = ["vqzoo evaluate", str(run), "--dataset=generated", "--quick"]
    assert evaluate.main([*argv, f"--out={tmp_path}"]) == 0
    found = json.loads((tmp_path / "metrics.json").read_text())
    assert {"signals", "codebook"} <= set(found["metrics"])
    assert 0 < found["metrics"]["signals"]["relative_error"] < 3
    assert "None" not in found["facts"]["data"]


def test_what_is_of_images_alone_names_the_model(run):
    with pytest.raises(ValueError, match="model of images.*SequenceVQVAE"):
        loading.load(str(run), "")


@pytest.mark.slow
def test_an_export_answers_for_sequences_of_any_length(run, tmp_path):
    import tensorflow as tf

    target, version = artifact.export(run, tmp_path / "signals")
    calls = tf.saved_model.load(target / "saved_model" / str(version)).signatures
    signals = np.random.default_rng(0).normal(size=(2, 21, 3)).astype("float32")
    codes = calls["encode"](sequences=tf.constant(signals))["bottom_codes"]
    np.testing.assert_array_equal(codes, vqzoo.load(target).encode(signals)[0])
    rebuilt = calls["serving_default"](sequences=tf.constant(signals))
    assert rebuilt["reconstructions"].shape == signals.shape
    decoded = calls["decode"](bottom_codes=codes)["sequences"]
    np.testing.assert_allclose(decoded[:, :21], rebuilt["reconstructions"], atol=1e-4)
    manifest = json.loads((target / "manifest.json").read_text())
    assert manifest["sequences"] == {"shape": [None, 3], "dtype": "float32"}
    assert "steps of 3 channels" in (target / "README.md").read_text()
    assert verify.differences(target)[0] == []


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
