import re

import keras
import numpy as np
import pytest
from keras import ops

from tests.helpers.case import FEW_CHANNELS, Case, random_images, small_ema, small_noisy
from tests.helpers.steps import compiled
from vqzoo import models
from vqzoo.layers import VectorQuantizer, VectorQuantizerEMA
from vqzoo.models import VQVAE, SeparateVQVAEs

CASES = [
    Case(
        "SeparateVQVAEs",
        lambda: SeparateVQVAEs(
            [small_noisy(0), small_ema(1)],
            image_shape=(8, 8, 3),
            strides=(4, 2),
            **FEW_CHANNELS,
        ),
        (random_images(2, 8, 8, 3),),
        random=True,
    ),
    Case(
        "SeparateVQVAEs combined",
        lambda: SeparateVQVAEs(
            [small_noisy(0), small_ema(1)],
            image_shape=(8, 8, 3),
            strides=(4, 2),
            combined=True,
            **FEW_CHANNELS,
        ),
        (random_images(2, 8, 8, 3),),
        random=True,
    ),
]
REFUSED = [
    (lambda: SeparateVQVAEs([]), "at least one quantizer"),
    (
        lambda: SeparateVQVAEs([VectorQuantizer(4, 2)]),
        r"expected 1 strides.*strides=\(8, 4\)",
    ),
    (
        lambda: SeparateVQVAEs(
            [VectorQuantizer(4, 2), VectorQuantizer(4, 2)], strides=(4, 4)
        ),
        r"fall from the top down.*strides=\(4, 4\)",
    ),
    (
        lambda: SeparateVQVAEs(
            [VectorQuantizer(4, 2)], image_shape=(32, 32, 3), strides=(6,)
        ),
        r"divide by 6.*\(32, 32, 3\)",
    ),
]

TINY = {"num_channels": 6, "residual_channels": 4, "num_residual_blocks": 1}
SHAPE = (16, 16, 3)


def quantizers():
    return [
        VectorQuantizer(5, 3, codebook_init="random_normal", name="coarse"),
        VectorQuantizerEMA(16, 4, seed=1, name="fine"),
    ]


def tiny():
    return SeparateVQVAEs(quantizers(), image_shape=SHAPE, strides=(8, 2), **TINY)


def images(*shape):
    return np.random.default_rng(0).uniform(-0.5, 0.5, shape).astype("float32")


def count(weights):
    return sum(int(np.prod(w.shape)) for w in weights)


def values(variables):
    return [np.array(ops.convert_to_numpy(v)) for v in variables]


def test_the_named_model_has_its_weights_and_the_grids_of_vqvae2_64():
    model = models.separate_vqvaes_64()
    assert count(model.trainable_weights) == 1_849_990
    assert "1,849,990" in models.separate_vqvaes_64.__doc__
    assert count(model.non_trainable_weights) == 2 * (2 * 512 * 64 + 512 + 1)
    batch = images(1, 64, 64, 3)
    grids = [codes.shape for codes in model.encode(batch)]
    assert grids == [(1, 8, 8), (1, 16, 16)]
    assert grids == [codes.shape for codes in models.vqvae2_64().encode(batch)]
    assert model.name == "separate_vqvaes_64"
    assert model.tier_names == ("top", "bottom")


def test_the_named_model_takes_other_quantizers_and_overrides():
    model = models.separate_vqvaes_64(
        lambda tier: VectorQuantizer(32 + tier, 8), strides=(16, 4), num_channels=16
    )
    assert [layer.num_embeddings for layer in model.quantizers] == [32, 33]
    assert (model.strides, model.num_channels) == ((16, 4), 16)


def test_training_all_at_once_is_training_each_alone():
    together = tiny()
    alone = [
        VQVAE(quantizer, image_shape=SHAPE, stride=stride, **TINY)
        for quantizer, stride in zip(quantizers(), (8, 2))
    ]
    for one, part in zip(alone, together.vqvaes):
        one.set_weights(part.get_weights())
    batches = images(6, 4, *SHAPE)
    losses = []
    for model in (together, *alone):
        compiled(
            model, keras.optimizers.SGD(0.5, momentum=0.5), "mse", jit_compile=False
        )
        losses.append([float(model.train_on_batch(x, x)) for x in batches])
    # Metrics are means over the steps so far: those of a sum are sums of those.
    np.testing.assert_allclose(losses[0], np.add(*losses[1:]), rtol=1e-5)
    for one, part in zip(alone, together.vqvaes):
        moved = values(part.weights)
        for mine, theirs in zip(moved, values(one.weights), strict=True):
            np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("changed", [0, 1])
def test_nothing_in_one_tier_moves_another(changed):
    first, second = tiny(), tiny()
    second.set_weights(first.get_weights())
    for weight in second.vqvaes[changed].trainable_weights:
        weight.assign(weight + 0.1)
    batch = images(4, *SHAPE)
    for model in (first, second):
        compiled(model, keras.optimizers.SGD(0.5), "mse", jit_compile=False)
        model.train_on_batch(batch, batch)
    kept, other = (values(m.vqvaes[1 - changed].weights) for m in (first, second))
    for expected, received in zip(kept, other, strict=True):
        np.testing.assert_array_equal(received, expected)


def test_the_model_gives_the_finest_reconstruction():
    model = tiny()
    batch = images(2, *SHAPE)
    model(batch, training=True)
    coarse, fine = model.reconstructions(batch)
    np.testing.assert_array_equal(model(batch), fine)
    np.testing.assert_array_equal(model.decode(model.encode(batch)), fine)
    assert np.abs(coarse - fine).max() > 0


def test_each_tier_decodes_alone_and_the_finest_given_decides():
    model = tiny()
    batch = images(2, *SHAPE)
    coarse, fine = model.encode(batch)
    expected = model.reconstructions(batch)
    np.testing.assert_array_equal(model.decode((coarse, None)), expected[0])
    np.testing.assert_array_equal(model.decode((None, fine)), expected[1])
    other = np.zeros_like(coarse)
    np.testing.assert_array_equal(model.decode((other, fine)), expected[1])
    for vqvae, rebuilt in zip(model.vqvaes, expected):
        np.testing.assert_array_equal(vqvae(batch), rebuilt)


def test_codes_are_the_nearest_to_the_latents_of_their_tier():
    model = tiny()
    batch = images(2, *SHAPE)
    for layer, latents, codes in zip(
        model.quantizers, model.latents(batch), model.encode(batch), strict=True
    ):
        codebook = ops.convert_to_numpy(layer.codebook)
        latents = ops.convert_to_numpy(latents)[..., None, :]
        distances = np.square(latents - codebook).sum(-1)
        assert np.array(codes).tolist() == distances.argmin(-1).tolist()


def test_the_loss_is_the_errors_and_the_terms_of_all_tiers():
    model = tiny()
    batch = images(4, *SHAPE)
    model.compile("sgd", "mse", jit_compile=False)
    model(batch, training=True)
    loss = model.evaluate(batch, batch, batch_size=4, verbose=0)
    rebuilt = [ops.convert_to_numpy(x) for x in model.reconstructions(batch)]
    errors = [np.square(x - batch).mean() for x in rebuilt]
    coarse, fine = (
        {name: float(term) for name, term in layer.loss_terms(latents).items()}
        for layer, latents in zip(model.quantizers, model.latents(batch))
    )
    terms = coarse["codebook"] + 0.25 * coarse["commitment"]
    terms += 0.25 * fine["commitment"]
    assert loss == pytest.approx(sum(errors) + terms, rel=1e-5)


def test_each_tier_learns_the_color_of_flat_images():
    model = SeparateVQVAEs(
        [VectorQuantizerEMA(16, 4, seed=i) for i in range(2)],
        image_shape=(8, 8, 3),
        strides=(4, 2),
        **{**TINY, "num_channels": 16},
    )
    batch = np.broadcast_to(images(16, 1, 1, 3), (16, 8, 8, 3))
    compiled(model, keras.optimizers.Adam(0.005), "mse", jit_compile=False)
    for _ in range(60):
        model.train_on_batch(batch, batch)
    for rebuilt in model.reconstructions(batch):
        error = np.square(ops.convert_to_numpy(rebuilt) - batch).mean()
        assert error < 0.5 * batch.var()


def test_codes_of_another_number_of_tiers_are_refused():
    with pytest.raises(ValueError, match=re.escape("codes of 2 tiers")):
        tiny().decode((np.zeros((1, 2, 2), "int32"),))


def test_combined_tiers_are_those_of_separate_ones_with_a_decoder_of_all():
    def fitted(**options):
        keras.utils.set_random_seed(0)
        model = SeparateVQVAEs(
            quantizers(), image_shape=SHAPE, strides=(8, 2), **options, **TINY
        )
        # The optimizer takes each weight alone, whatever others there are.
        compiled(model, keras.optimizers.SGD(0.1), "mse")
        model.fit(images(4, *SHAPE), epochs=3, shuffle=False, verbose=0)
        return model

    plain, combined = fitted(), fitted(combined=True)
    for one, other in zip(plain.vqvaes, combined.vqvaes):
        for a, b in zip(one.weights, other.weights):
            np.testing.assert_allclose(a, b, atol=1e-6, err_msg=a.path)
    codes = combined.encode(images(2, *SHAPE))
    assert combined.decoded_tiers == ("top", "bottom")
    whole, bottom = combined.decode(codes), combined.decode((None, codes[1]))
    np.testing.assert_allclose(whole, combined(images(2, *SHAPE)), atol=1e-5)
    np.testing.assert_allclose(bottom, plain.decode(codes), atol=1e-5)
    other = combined.decode(((codes[0] + 1) % 5, codes[1]))
    assert np.abs(np.asarray(whole) - np.asarray(other)).max() > 1e-6
