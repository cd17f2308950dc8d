"""The same codes and pixels as the definitions in PyTorch that packages hold."""

import numpy as np
import pytest

from benchmarks import originals
from tests.helpers.case import random_images
from tests.helpers.checkpoints import network, shares
from vqzoo import conversion, convert
from vqzoo.layers import VectorQuantizerEMA

pytest.importorskip("torch")
PACKAGES = {"diffusers": "diffusers", "Janus": "transformers", "DALL-E": "dall_e"}


@pytest.mark.parametrize("name", originals.CASES)
def test_a_converted_model_has_the_codes_and_pixels_of_the_original(name, tmp_path):
    pytest.importorskip(PACKAGES.get(name.partition(",")[0], "taming"))
    found = originals.compare(name, tmp_path)
    assert found["clear"] == 1 and found["codes"] > 0.99
    assert found["codes_used"] > 8
    assert found["latents"] < originals.PIXELS
    assert found["pixels"] < originals.PIXELS


def test_the_scales_of_var_are_those_of_its_images(tmp_path):
    pytest.importorskip("taming")
    make, options = originals.CASES["VAR"]
    source = make(tmp_path, **options).source
    with pytest.raises(ValueError, match="grids that end in the latent grid .12, 12."):
        convert.convert(source, image_size=24)
    source.with_name("config.json").unlink()
    with pytest.raises(ValueError, match="images of 32 and 64 pixels.*received 48"):
        convert.convert(source, image_size=48)
    model = convert.convert(source, image_size=64).model
    assert model.quantizers[0].scales.full == (32, 32)
    assert len(model.quantizers[0].scales.grids) == 10


def test_diffusers_loads_what_was_trained_here(tmp_path):
    diffusers, torch = map(pytest.importorskip, ("diffusers", "torch"))
    model = network(quantizer=VectorQuantizerEMA(16, 3))
    model.save(tmp_path / "model.keras")
    target = tmp_path / "theirs" / "diffusion_pytorch_model.safetensors"
    command = ["convert", str(tmp_path / "model.keras"), str(target), "--to=diffusers"]
    assert conversion.main(command) == 0
    assert conversion.main(command) == 1  # It is there already.
    theirs = diffusers.VQModel.from_pretrained(target.parent)
    images = random_images(2, 8, 12, 3)
    codes, rebuilt = shares(model, images)
    with torch.no_grad():
        latents = theirs.encode(torch.tensor(2 * images.transpose(0, 3, 1, 2))).latents
        found = theirs.quantize(latents)[2][2].reshape(codes.shape)
        pixels = theirs.decode(latents).sample.numpy().transpose(0, 2, 3, 1) / 2
    np.testing.assert_array_equal(found, codes)
    np.testing.assert_allclose(pixels, rebuilt, atol=1e-4)
