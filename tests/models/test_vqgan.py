import keras
import numpy as np
import pytest
from keras import ops

from tests.helpers.case import Case, random_images, small_ema
from vqzoo import models
from vqzoo.layers import (
    FiniteScalarQuantizer,
    LookupFreeQuantizer,
    ResidualQuantizer,
    VectorQuantizer,
)
from vqzoo.models import VQGAN, cloning

TINY = {
    "image_shape": (8, 8, 3),
    "num_channels": 4,
    "channel_multipliers": (1, 2, 2),
    "num_residual_blocks": 1,
    "attention_levels": (2,),
    "latent_channels": 5,
    "num_groups": 2,
}
FEW_LEVELS = {"channel_multipliers": (1, 2), "attention_levels": (1,)}


def tiny(quantizer=None, **options):
    quantizer = quantizer or VectorQuantizer(16, 3, codebook_init="random_normal")
    return VQGAN(quantizer, **{**TINY, **options})


CASES = [
    Case(
        "VQGAN",
        lambda: tiny(small_ema(), **FEW_LEVELS),
        (random_images(2, 8, 8, 3),),
        random=True,
        unmoved=("key/bias",),
    ),
    Case(
        "VQGAN-gradient",
        lambda: tiny(
            channel_multipliers=(1, 1), attention_levels=(), middle_attention=False
        ),
        (random_images(2, 8, 8, 3),),
    ),
]
REFUSED = [
    (lambda: tiny(image_shape=(8, 10, 3)), r"divide by 4.*\(8, 10, 3\)"),
    (lambda: tiny(attention_levels=(3,)), r"attention_levels in \[0, 3\).*\(3,\)"),
    (lambda: tiny(num_groups=3), "num_groups=3"),
    (lambda: tiny(channel_multipliers=()), "num_levels=0"),
    (lambda: tiny(num_residual_blocks=0), "num_residual_blocks=0"),
]

# Trainable weights, arrays, side of images, of codes.
NAMED = {
    "vqgan_32": (1_079_971, 186, 32, 8),
    "vqgan_64": (3_117_283, 218, 64, 8),
    "vqgan_f16_1024": (72_141_699, 343, 256, 16),
    "vqgan_f16_16384": (76_073_859, 343, 256, 16),
    "ldm_vq_f4": (55_322_782, 205, 256, 64),
    "ldm_vq_f8": (67_717_295, 299, 256, 32),
    "ldm_vq_f16": (69_593_371, 343, 256, 16),
    "llamagen_ds8": (70_109_835, 299, 256, 32),
    "llamagen_ds16": (71_883_403, 343, 256, 16),
    "janus": (71_883_403, 343, 384, 24),
    "chameleon": (68_718_467, 293, 512, 32),
}


@pytest.mark.parametrize("name", NAMED)
def test_a_named_model_has_its_weights_and_grid(name):
    num_weights, num_arrays, side, grid = NAMED[name]
    function = getattr(models, name)
    # Shapes of weights without their values, which would take seconds.
    with keras.StatelessScope(initialize_variables=False):
        model = function()
    assert model.name == name
    counted = sum(int(np.prod(w.shape)) for w in model.trainable_weights)
    assert (counted, len(model.weights)) == (num_weights, num_arrays)
    assert f"{num_weights:,}" in " ".join(function.__doc__.split())
    assert model.image_shape == (side, side, 3) and side // model.stride == grid


@pytest.mark.parametrize(
    "quantizer",
    [
        lambda: FiniteScalarQuantizer((4, 4, 3)),
        lambda: LookupFreeQuantizer(6),
        lambda: ResidualQuantizer([VectorQuantizer(8, 3) for _ in range(2)]),
    ],
)
def test_any_quantizer_stands_in_the_middle(quantizer):
    model = tiny(quantizer())
    batch = random_images(2, 8, 8, 3)
    (codes,) = model.encode(batch)
    assert codes.shape[:3] == (2, 2, 2)
    decoded = ops.convert_to_numpy(model.decode(codes))
    np.testing.assert_array_equal(decoded, ops.convert_to_numpy(model(batch)))
    assert decoded.std() > 0


@pytest.mark.parametrize("sides", [(8, 16), (20, 12)])
def test_it_encodes_and_decodes_images_of_other_sides(sides):
    model, batch = tiny(), random_images(1, *sides, 3)
    (codes,) = model.encode(batch)
    assert codes.shape == (1, *(side // 4 for side in sides))
    any_size = tiny(image_shape=(None, None, 3))
    any_size.set_weights(model.get_weights())
    np.testing.assert_allclose(
        ops.convert_to_numpy(model.decode(codes)),
        ops.convert_to_numpy(any_size(batch)),
        atol=1e-6,
    )


def test_levels_blocks_and_attention_stand_where_they_are_asked_for():
    model = tiny(num_residual_blocks=2, attention_levels=(0, 2), middle_attention=False)
    names = [layer.name for layer in model.encoder.layers]
    assert names == [
        *("conv_in", "down_0_block_0", "down_0_attention_0"),
        *("down_0_block_1", "down_0_attention_1", "down_0_halving"),
        *("down_1_block_0", "down_1_block_1", "down_1_halving"),
        *("down_2_block_0", "down_2_attention_0"),
        *("down_2_block_1", "down_2_attention_1"),
        *("middle_block_0", "middle_block_1", "norm_out", "conv_out"),
    ]
    names = [layer.name for layer in model.decoder.layers]
    assert names[:4] == ["expansion", "conv_in", "middle_block_0", "middle_block_1"]
    assert names[4:11] == [
        *("up_0_block_0", "up_0_attention_0", "up_0_block_1", "up_0_attention_1"),
        *("up_0_block_2", "up_0_attention_2", "up_0_doubling"),
    ]
    assert names[11:15] == [f"up_1_block_{i}" for i in range(3)] + ["up_1_doubling"]
    assert model.encoder.get_layer("down_2_block_0").channels == 8


def test_a_copy_in_bfloat16_gives_nearly_the_same_images():
    model, codes = tiny(), np.arange(4).reshape(1, 2, 2)
    copy = cloning.clone(model, "bfloat16")
    images, rounded = (ops.convert_to_numpy(m.decode(codes)) for m in (model, copy))
    assert copy.decoder.get_layer("conv_in").kernel.dtype == "bfloat16"
    assert 0 < np.abs(images - rounded).max() < 0.1 * np.ptp(images)


def test_janus_hands_the_decoder_its_codes_at_length_1():
    model = models.janus(**{**TINY, "attention_levels": ()})
    codebook = ops.convert_to_numpy(model.quantizer.codebooks[0])
    vectors = ops.convert_to_numpy(model.quantizer.decode(np.arange(4)[None, None]))
    expected = codebook[:4] / np.linalg.norm(codebook[:4], axis=1, keepdims=True)
    np.testing.assert_allclose(vectors[0, 0], expected, rtol=1e-4)
    latents = 3 * codebook[:4]  # of which none is nearest to the code of its direction
    distances = np.square(latents[:, None] - codebook).sum(-1)
    found = ops.convert_to_numpy(model.quantizer.encode(latents[None]))[0]
    assert found.tolist() == distances.argmin(1).tolist()
