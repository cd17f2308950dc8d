import dataclasses
import json

import keras
import numpy as np
import pytest

from vqzoo import cli, trained, training
from vqzoo.datasets import codes
from vqzoo.layers import ProjectedLatents, VectorQuantizer
from vqzoo.models import VQVAE2
from vqzoo.runs import files
from vqzoo.runs.folder import Run

RECIPE = training.PriorRecipe(
    name="hybrid",
    prior="hybrid_transformer",
    epochs=1,
    batch_size=4,
    precision="float32",
    strategy="none",
    dataset="folder",
    tensorboard=False,
    smoke=True,
)


@pytest.fixture(scope="module")
def recipe(data, tmp_path_factory):
    """Of two tiers, each with a number beside every code."""
    keras.utils.set_random_seed(0)
    folder = tmp_path_factory.mktemp("hybrid")
    tiers = [
        ProjectedLatents(VectorQuantizer(8, 4, codebook_init="random_normal"))
        for _ in range(2)
    ]
    sizes = {"num_channels": 8, "residual_channels": 4, "num_residual_blocks": 1}
    VQVAE2(tiers, image_shape=(16, 16, 3), **sizes).save(folder / "model.keras")
    paths = {"model": str(folder / "model.keras"), "runs_dir": str(folder / "runs")}
    return dataclasses.replace(RECIPE, data_dir=str(data / "images"), **paths)


@pytest.fixture(scope="module")
def finished(recipe):
    return recipe.run()


def test_a_run_over_hybrid_latents_of_two_tiers_is_whole(recipe, finished):
    figures = Run(finished).metrics()["test"]
    assert {"top_nats_per_place", "nats_per_image"} <= set(figures)
    assert "bits_per_pixel" not in figures  # a density has none
    total = 4 * figures["top_nats_per_place"] + 16 * figures["bottom_nats_per_place"]
    assert figures["nats_per_image"] == pytest.approx(total)
    (folder,) = (finished.parents[1] / "codes").iterdir()
    stored = codes.load(folder)
    assert stored.num_values == {"top": 1, "bottom": 1}
    loaded = trained.load(finished)
    arrays = stored.arrays("test")
    bottom = np.unique(arrays["bottom_values"])
    assert len(bottom) > 4 and np.isfinite(bottom).all()
    samples = loaded.pipeline.sample(3, seed=0)
    assert [v.shape for v in samples.values] == [(3, 2, 2, 1), (3, 4, 4, 1)]
    again = loaded.model.decode_hybrid(samples.codes, samples.values)
    np.testing.assert_allclose(samples.images, again, atol=1e-5)


def test_it_is_sampled_and_evaluated_from_the_command_line(
    recipe, finished, tmp_path, capsys
):
    out = str(tmp_path / "samples.png")
    command = ["vqzoo", "sample", f"--prior={finished}", "--n=2", f"--out={out}"]
    assert cli.main([*command, f"--codes={tmp_path}/s.npz"]) == 0
    assert "nats each under the priors" in capsys.readouterr().out
    with np.load(tmp_path / "s.npz") as drawn:
        assert drawn["top_values"].shape == (2, 2, 2, 1)
    only = "--only=likelihood,hybrid_rate,reconstruction"
    data = ["--dataset=folder", f"--data_dir={recipe.data_dir}", "--quick"]
    command = ["vqzoo", "evaluate", str(finished), *data, only]
    assert cli.main([*command, f"--out={tmp_path}/page"]) == 0
    numbers = json.loads((tmp_path / "page" / "metrics.json").read_text())["metrics"]
    rates = numbers["hybrid_rate"]
    # Half a step is a bit more for each of the 20 numbers of 256 pixels.
    finer = rates["step_0.25_bits_per_pixel"] - rates["step_0.5_bits_per_pixel"]
    assert finer == pytest.approx(20 / 256, rel=1e-3)
    limit = numbers["reconstruction"]["psnr"]
    assert rates["step_0.125_psnr"] == pytest.approx(limit, abs=0.3)
    assert numbers["likelihood"]["bottom_test_nats_per_place"] != 0


def test_priors_and_models_that_do_not_belong_together_are_refused(recipe, data):
    plain = dataclasses.replace(recipe, prior="transformer")
    with pytest.raises(files.RunError, match="codes alone.*--prior=hybrid_transformer"):
        plain.run()
    other = dataclasses.replace(recipe, model=str(data / "model.keras"))
    with pytest.raises(files.RunError, match="hybrid latents for these priors"):
        other.run()
