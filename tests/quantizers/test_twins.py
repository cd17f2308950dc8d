"""Quantizers beside those of vector-quantize-pytorch, with the same weights."""

import numpy as np
import pytest
import tensorflow as tf

from tests.helpers.case import random_floats
from vqzoo.layers import MultiScaleResidualQuantizer, VectorQuantizer
from vqzoo.quantizers.scales import Scales

torch = pytest.importorskip("torch")
twins = pytest.importorskip("vector_quantize_pytorch")


def test_resampling_is_that_of_pytorch():
    scales = Scales((1, 3, 5, 8))
    full = random_floats(2, 8, 8, 3)
    for index, (side, _) in enumerate(scales.grids):
        channels_first = torch.tensor(full).permute(0, 3, 1, 2)
        expected = torch.nn.functional.interpolate(channels_first, side, mode="area")
        down = scales.down(tf.constant(full), index)
        np.testing.assert_allclose(
            down, expected.permute(0, 2, 3, 1).numpy(), atol=1e-5
        )
        expected = torch.nn.functional.interpolate(expected, 8, mode="bicubic")
        np.testing.assert_allclose(
            scales.up(down, index), expected.permute(0, 2, 3, 1).numpy(), atol=1e-5
        )


def test_the_residual_part_is_that_of_the_pytorch_standard():
    # It brings grids back bilinearly: grids of 1 and the full one need neither.
    codebook, latents = random_floats(16, 3), random_floats(4, 4, 4, 3)
    twin = twins.HierarchicalVQ(
        dim=3,
        codebook_size=16,
        scales=(1, 4),
        kmeans_init=False,
        accept_image_fmap=True,
        channel_first=False,
        share_quant_resi=2,
    ).eval()
    twin.vq._codebook.embed.data.copy_(torch.tensor(codebook)[None])
    layer = MultiScaleResidualQuantizer(
        VectorQuantizer(16, 3), (1, 4), num_convolutions=2
    )
    layer.build(latents.shape)
    layer.quantizer.codebook.assign(codebook)
    layer.kernels.assign(
        np.stack(
            [
                phi.conv.weight.detach().permute(2, 3, 1, 0).numpy()
                for phi in twin.phi_levels
            ]
        )
    )
    layer.offsets.assign(
        np.stack([phi.conv.bias.detach().numpy() for phi in twin.phi_levels])
    )
    with torch.no_grad():
        outputs, codes, _ = twin(torch.tensor(latents))
    flat = np.concatenate([c.numpy().reshape(4, 1, -1) for c in codes], axis=-1)
    np.testing.assert_array_equal(layer.encode(latents), flat)
    np.testing.assert_allclose(layer(latents), outputs.numpy(), atol=1e-5)
