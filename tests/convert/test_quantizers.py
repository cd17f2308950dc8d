"""Layers of vector-quantize-pytorch: their tensors in, their codes out."""

import numpy as np
import pytest

from vqzoo.convert import ConvertError
from vqzoo.convert.quantizers import quantizer

DIM, CODES = 8, 32
KINDS = {
    "VectorQuantize": ({"codebook_size": CODES}, {}),
    "VectorQuantize-cosine": (
        {"codebook_size": CODES, "use_cosine_sim": True, "codebook_dim": 4},
        {"cosine": True},
    ),
    "ResidualVQ": ({"codebook_size": CODES, "num_quantizers": 3}, {}),
    "FSQ": ({"levels": [4, 5, 3]}, {"levels": (4, 5, 3)}),
    "LFQ": ({"codebook_size": 64}, {}),
    "SimVQ": ({"codebook_size": CODES}, {}),
}


@pytest.mark.parametrize("name", KINDS)
def test_the_tensors_of_a_layer_give_its_codes_and_vectors(name):
    torch = pytest.importorskip("torch")
    twins = pytest.importorskip("vector_quantize_pytorch")
    theirs, ours = KINDS[name]
    kind = name.partition("-")[0]
    torch.manual_seed(0)
    layer = getattr(twins, kind)(dim=DIM, **theirs)
    latents = torch.randn(2, 40, DIM)
    if kind in ("VectorQuantize", "ResidualVQ"):
        layer(latents)  # moves the averages
    layer.eval()
    with torch.no_grad():
        quantized, codes = layer(latents)[:2]
    state = {k: v.numpy() for k, v in layer.state_dict().items()}
    made = quantizer(kind, state, **ours)
    found = np.asarray(made.encode(latents.numpy()))
    assert len(np.unique(found)) > 8
    np.testing.assert_array_equal(found, codes.numpy())
    vectors = np.asarray(made.decode(found))
    np.testing.assert_allclose(vectors, quantized.numpy(), atol=1e-5)


def test_tensors_of_another_layer_are_refused():
    with pytest.raises(ConvertError, match="tensor 'frozen_codebook' of SimVQ"):
        quantizer("SimVQ", {})
    with pytest.raises(ConvertError, match=r"FSQ alone, received too \['scale'\]"):
        quantizer("FSQ", {"scale": np.ones(2)}, levels=(4, 4))
    with pytest.raises(ConvertError, match="levels of FSQ"):
        quantizer("FSQ", {})
    with pytest.raises(ConvertError, match="VectorQuantize, .*'VQ'"):
        quantizer("VQ", {})
