"""The same codes and pixels as the definitions in PyTorch that packages hold."""

import pytest

from benchmarks import originals

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
