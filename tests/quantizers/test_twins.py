"""Quantizers beside those of vector-quantize-pytorch, with the same weights."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.helpers.case import random_floats
from vqzoo.layers import (
    BinaryMapper,
    FiniteScalarPerturbation,
    ImplicitNeuralQuantizer,
    LookupFreeQuantizer,
    MultiScaleResidualQuantizer,
    ResidualQuantizer,
    TransformedQuantizer,
    VectorQuantizer,
)
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
            scales.up(down), expected.permute(0, 2, 3, 1).numpy(), atol=1e-5
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


def test_finite_scalar_perturbation():
    latents = random_floats(50, 3)
    twin = twins.FSP([5, 4, 3]).eval()
    outputs, codes, loss, _ = twin(torch.tensor(latents))
    layer = FiniteScalarPerturbation((5, 4, 3))
    np.testing.assert_array_equal(layer.encode(latents), codes.numpy())
    np.testing.assert_allclose(layer(latents), outputs.numpy(), atol=1e-5)
    # Theirs is the unbiased variance.
    wide = np.concatenate([latents] * 200)
    loss = float(twin(torch.tensor(wide))[2])
    terms = layer.loss_terms(wide)
    ours = 0.1 * float(terms["mean"]) + 0.07 * float(terms["variance"])
    assert ours == pytest.approx(loss, rel=1e-2)


def test_implicit_neural_codebooks():
    torch.manual_seed(0)
    twin = twins.ResidualVQ(
        dim=3,
        num_quantizers=3,
        codebook_size=8,
        implicit_neural_codebook=True,
        mlp_kwargs={"depth": 2},
        kmeans_init=False,
    ).eval()
    layer = ImplicitNeuralQuantizer(8, 3, num_stages=3, depth=2)
    latents = random_floats(4, 20, 3)
    layer.build(latents.shape)
    for stage, table in enumerate(layer.tables):
        table.assign(twin.layers[stage]._codebook.embed[0].detach().numpy())
    for mlp, network in zip(twin.mlps, layer.networks):
        linear = [mlp.proj_in]
        for block in mlp.layers:
            linear += [block[0], block[2]]
        for theirs, (kernel, bias) in zip(linear, network, strict=True):
            kernel.assign(theirs.weight.detach().numpy().T)
            bias.assign(theirs.bias.detach().numpy())
        # Ours adds the codes, as the paper does.
        first = network[0][0]
        first.assign(first.numpy() - np.eye(6, 3, -3))
    with torch.no_grad():
        outputs, codes, _ = twin(torch.tensor(latents))
    np.testing.assert_array_equal(layer.encode(latents), codes.numpy())
    np.testing.assert_allclose(layer(latents), outputs.numpy(), atol=1e-4)


def test_residual_lookup_free_stages():
    latents = random_floats(4, 20, 5)
    twin = twins.ResidualLFQ(dim=5, codebook_size=32, num_quantizers=3).eval()

    def stage(index):
        before, after = (keras.layers.Rescaling(x**index) for x in (2.0, 0.5))
        layer = LookupFreeQuantizer(5)
        return TransformedQuantizer(layer, 5, before=before, after=after)

    layer = ResidualQuantizer([stage(index) for index in range(3)])
    with torch.no_grad():
        outputs, codes, _ = twin(torch.tensor(latents))
    ours = layer.decode(layer.encode(latents)).numpy()
    np.testing.assert_allclose(ours, outputs.numpy(), atol=1e-5)
    assert codes.shape == layer.encode(latents).shape


def test_binary_mapper():
    logits = random_floats(40, 4, scale=3.0)
    twin = twins.BinaryMapper(4, deterministic_on_eval=True).eval()
    _, codes, loss = twin(torch.tensor(logits), return_indices=True, calc_aux_loss=True)
    layer = BinaryMapper(4, 4)
    layer.build(logits.shape)
    layer.kernel.assign(np.eye(4))
    np.testing.assert_array_equal(layer.encode(logits), codes.numpy())
    terms = layer.loss_terms(logits)
    assert float(terms["divergence"]) == pytest.approx(float(loss), rel=1e-4)
