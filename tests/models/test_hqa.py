import re

import keras
import numpy as np
import pytest
from keras import ops

from tests.helpers.case import FEW_CHANNELS, Case, random_images, small_ema, small_noisy
from tests.helpers.steps import compiled
from vqzoo import models
from vqzoo.layers import (
    GumbelVectorQuantizer,
    NoisyAssignment,
    VectorQuantizer,
    VectorQuantizerEMA,
)
from vqzoo.models import HQA, VQVAE

CASES = [
    Case(
        "HQA",
        lambda: HQA(
            [small_ema(0), small_noisy(1)],
            image_shape=(8, 8, 3),
            bottom_stride=2,
            **FEW_CHANNELS,
        ),
        (random_images(2, 8, 8, 3),),
        random=True,
    ),
    Case(
        "HQA-scheduled",
        lambda: HQA(
            [small_ema()], image_shape=(8, 8, 3), tier_steps=100, **FEW_CHANNELS
        ),
        (random_images(2, 8, 8, 3),),
        random=True,
    ),
]
REFUSED = [
    (lambda: HQA([]), "at least one quantizer"),
    (
        lambda: HQA(
            [VectorQuantizer(4, 2), VectorQuantizer(4, 2)], image_shape=(12, 8, 3)
        ),
        r"divide by 8.*\(12, 8, 3\)",
    ),
    (
        lambda: HQA([VectorQuantizer(4, 2)], tier_steps=0),
        "or None, received tier_steps=0",
    ),
    (lambda: HQA([VectorQuantizer(4, 2)], tier_steps=2.5), "tier_steps=2.5"),
]

TINY = {"num_channels": 6, "residual_channels": 4, "num_residual_blocks": 1}
SHAPE = (8, 16, 3)


def quantizers(num_tiers):
    """Tier i, from the top, has 8 + i codes of length 3 + i; the top is noisy."""
    return [
        VectorQuantizerEMA(
            8 + i, 3 + i, seed=i, assignment=None if i else NoisyAssignment(1.0, seed=7)
        )
        for i in range(num_tiers)
    ]


def tiny(num_tiers=2, **options):
    options = {"image_shape": SHAPE, "bottom_stride": 2, **TINY, **options}
    return HQA(quantizers(num_tiers), **options)


def images(*shape):
    return np.random.default_rng(0).uniform(-0.5, 0.5, shape).astype("float32")


def count(weights):
    return sum(int(np.prod(w.shape)) for w in weights)


def values(variables):
    return [np.array(ops.convert_to_numpy(v)) for v in variables]


def tier_values(model):
    """Copies of all weights of each tier, top first, trainable and not."""
    return [
        values(w for layer in model._tier_layers(tier) for w in layer.weights)
        for tier in range(len(model.quantizers))
    ]


def ready(model, optimizer=None):
    optimizer = optimizer or keras.optimizers.SGD(0.3)
    # On TensorFlow, XLA takes longer to compile these tests than they take to run.
    jit_compile = keras.backend.backend() == "jax"
    return compiled(model, optimizer, "mse", jit_compile=jit_compile)


def equal(first, second):
    return all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def test_the_named_model_has_its_weights_and_grids():
    model = models.hqa_32()
    assert count(model.trainable_weights) == 1_746_243
    assert "1,746,243" in models.hqa_32.__doc__
    codes = model.encode(images(1, 32, 32, 3))
    assert [tier.shape for tier in codes] == [(1, side, side) for side in (2, 4, 8)]
    assert all("int32" == tier.dtype for tier in codes)
    assert {type(layer) for layer in model.quantizers} == {GumbelVectorQuantizer}
    sizes = {(q.num_embeddings, q.embedding_dim) for q in model.quantizers}
    assert sizes == {(256, 64)}
    assert model.name == "hqa_32" and model.tier_names == ("top", "middle", "bottom")


def test_the_named_model_takes_other_quantizers_and_overrides():
    model = models.hqa_32(
        lambda tier: VectorQuantizer(32 + tier, 8), tier_steps=5, num_channels=16
    )
    assert [layer.num_embeddings for layer in model.quantizers] == [32, 33, 34]
    assert (model.tier_steps, model.num_channels) == (5, 16)


def test_a_tier_encodes_the_normalized_continuous_latents_of_the_one_below():
    model = tiny()
    batch = images(3, *SHAPE)
    model(batch, training=True)
    top, bottom = model.latents(batch)
    norm = model.normalizations[0]
    bottom = ops.convert_to_numpy(bottom)
    np.testing.assert_allclose(norm.mean, bottom.mean((0, 1, 2)), atol=1e-6)
    np.testing.assert_allclose(norm.variance, bottom.var((0, 1, 2)), rtol=1e-4)
    stddev = np.sqrt(np.array(norm.variance) + norm.epsilon)
    normalized = (bottom - np.array(norm.mean)) / stddev
    again = model.projections[0](model.encoders[0](normalized))
    np.testing.assert_allclose(top, again, atol=1e-5)
    assert [codes.shape for codes in model.encode(batch)] == [(3, 2, 4), (3, 4, 8)]


def test_the_loss_is_the_error_of_every_tier_and_the_terms_of_its_quantizer():
    model = ready(tiny())
    batch = images(4, *SHAPE)
    model(batch, training=True)
    loss = model.evaluate(batch, batch, batch_size=4, verbose=0)
    below = ops.convert_to_numpy(model.latents(batch)[1])
    target = ops.convert_to_numpy(model.normalizations[0](below))
    quantized = model.quantizers[0].decode(model.encode(batch)[0])
    rebuilt = ops.convert_to_numpy(model.decoders[0](quantized))
    expected = np.square(rebuilt - target).mean()
    expected += np.square(ops.convert_to_numpy(model(batch)) - batch).mean()
    for layer, latents in zip(model.quantizers, model.latents(batch)):
        expected += 0.25 * float(layer.loss_terms(latents)["commitment"])
    assert loss == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("changed", ["top", "bottom decoder"])
def test_no_gradient_crosses_tiers(changed):
    first, second = tiny(), tiny()
    second.set_weights(first.get_weights())
    if changed == "top":
        layers, kept = second._tier_layers(0), 1
    else:
        layers, kept = [second.decoders[1]], 0
    for layer in layers:
        for weight in layer.trainable_weights:
            weight.assign(weight + 0.1)
    batch = images(4, *SHAPE)
    before = tier_values(first)[kept]
    for model in (first, second):
        ready(model).train_on_batch(batch, batch)
    expected, received = tier_values(first)[kept], tier_values(second)[kept]
    assert equal(expected, received)
    assert not any(np.array_equal(a, b) for a, b in zip(before, expected))


def test_the_model_gives_the_bottoms_reconstruction():
    model = tiny(3)
    batch = images(2, *SHAPE)
    model(batch, training=True)
    codes = model.encode(batch)
    rebuilt = ops.convert_to_numpy(model(batch))
    np.testing.assert_array_equal(model.decode(codes), rebuilt)
    np.testing.assert_array_equal(model.decode((None, None, codes[2])), rebuilt)
    np.testing.assert_array_equal(model.reconstructions(batch)[2], rebuilt)
    assert rebuilt.std() > 0 and rebuilt.dtype == np.float32


def test_a_tier_alone_goes_down_through_the_codes_of_all_tiers_below():
    model = tiny(3)
    batch = images(2, *SHAPE)
    for _ in range(3):
        model(batch, training=True)
    codes = model.encode(batch)
    image = model.quantizers[0].decode(codes[0])
    for tier in (1, 2):
        image = ops.convert_to_numpy(model.decoders[tier - 1](image))
        norm = model.normalizations[tier - 1]
        stddev = np.sqrt(np.array(norm.variance) + norm.epsilon)
        latents = image * stddev + np.array(norm.mean)
        codebook = ops.convert_to_numpy(model.quantizers[tier].codebook)
        distances = np.square(latents[..., None, :] - codebook).sum(-1)
        image = codebook[distances.argmin(-1)]
    image = ops.convert_to_numpy(model.decoders[2](image))
    top = model.decode((codes[0], None, None))
    np.testing.assert_allclose(top, image, atol=1e-5)
    np.testing.assert_array_equal(model.reconstructions(batch)[0], top)
    assert np.abs(top - model(batch)).max() > 0


def flat_images(number):
    return np.broadcast_to(images(number, 1, 1, 3), (number, *SHAPE))


@pytest.mark.parametrize("tier_steps", [None, 60])
def test_each_tier_alone_rebuilds_the_color_of_flat_images(tier_steps):
    batch = flat_images(16)
    layers = [VectorQuantizerEMA(16, 4, seed=i) for i in range(2)]
    model = HQA(
        layers,
        image_shape=SHAPE,
        bottom_stride=2,
        tier_steps=tier_steps,
        **{**TINY, "num_channels": 16},
    )
    ready(model, keras.optimizers.Adam(0.005))
    for _ in range(120):
        model.train_on_batch(batch, batch)
    for rebuilt in model.reconstructions(batch):
        error = np.square(ops.convert_to_numpy(rebuilt) - batch).mean()
        assert error < 0.5 * batch.var()


OPTIMIZERS = {
    "sgd-momentum": lambda: keras.optimizers.SGD(0.1, momentum=0.9),
    "adamw": lambda: keras.optimizers.AdamW(0.01, weight_decay=0.1),
}


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_tier_learns_in_its_period_and_stays_to_the_bit_in_others(optimizer):
    model = ready(tiny(tier_steps=2), OPTIMIZERS[optimizer]())
    batches = images(6, 4, *SHAPE)
    before = tier_values(model)
    moved = []
    for batch in batches:
        model.train_on_batch(batch, batch)
        after = tier_values(model)
        moved.append([not equal(*pair) for pair in zip(before, after)])
        before = after
    top, bottom, none = [True, False], [False, True], [False, False]
    assert moved == [bottom, bottom, top, top, none, none]
    assert float(model.schedule.steps) == 6


def test_fit_follows_the_schedule_over_epochs_and_calls():
    model = ready(tiny(tier_steps=3))
    batches = images(8, *SHAPE)
    before = tier_values(model)
    model.fit(batches, batches, batch_size=4, epochs=1, verbose=0)
    model.evaluate(batches, batches, verbose=0)
    middle = tier_values(model)
    assert equal(before[0], middle[0]) and not equal(before[1], middle[1])
    model.fit(batches, batches, batch_size=4, epochs=1, verbose=0)
    assert float(model.schedule.steps) == 4
    assert not equal(middle[0], tier_values(model)[0])


def test_in_its_period_the_bottom_learns_as_a_vqvae_does():
    stack = ready(tiny(tier_steps=4), keras.optimizers.Adam(0.01))
    alone = VQVAE(quantizers(2)[1], image_shape=SHAPE, stride=2, **TINY)
    parts = (alone.encoder, alone.projection, alone.quantizer, alone.decoder)
    for part, theirs in zip(parts, stack._tier_layers(1), strict=True):
        part.set_weights(theirs.get_weights())
    ready(alone, keras.optimizers.Adam(0.01))
    for batch in images(6, 4, *SHAPE):
        stack.train_on_batch(batch, batch)
        if float(stack.schedule.steps) <= 4:
            alone.train_on_batch(batch, batch)
    for part, theirs in zip(parts, stack._tier_layers(1)):
        pairs = zip(values(part.weights), values(theirs.weights), strict=True)
        for mine, other in pairs:
            np.testing.assert_allclose(mine, other, rtol=1e-4, atol=1e-5)


def test_a_codebook_starts_on_the_latents_of_its_own_period():
    model = ready(tiny(tier_steps=1))
    top, bottom = model.quantizers
    for started in ([0, 0], [0, 1], [1, 1]):
        assert [float(top.started), float(bottom.started)] == started
        assert float(model.normalizations[0].batches) == started[0]
        batch = images(4, *SHAPE)
        model.train_on_batch(batch, batch)


def test_losses_of_tiers_at_rest_are_zero_in_training_and_evaluation():
    model = tiny(tier_steps=2)
    batch = images(2, *SHAPE)
    for steps, active in (
        (0, "bottom"),
        (1, "bottom"),
        (2, "top"),
        (3, "top"),
        (4, ""),
    ):
        model.schedule.steps.assign(steps)
        for training in (True, False):
            model(batch, training=training)
            top = [float(loss) for loss in model.losses[:2]]
            bottom = [float(loss) for loss in model.losses[2:]]
            assert len(top) == 2 and len(bottom) == 1
            assert all((loss > 0) == (active == "top") for loss in top)
            assert (bottom[0] > 0) == (active == "bottom")


def test_it_is_whole_once_its_last_tier_learns():
    model = tiny(num_tiers=3, tier_steps=2)
    whole = []
    for steps in range(7):
        model.schedule.steps.assign(steps)
        whole.append(model.is_whole)
    assert whole == [False] * 5 + [True] * 2
    assert tiny().is_whole


def test_compiling_again_does_not_start_the_schedule_again():
    model = tiny(tier_steps=1)
    batch = images(4, *SHAPE)
    ready(model).train_on_batch(batch, batch)
    before = tier_values(model)
    ready(model).train_on_batch(batch, batch)
    after = tier_values(model)
    assert equal(before[1], after[1]) and not equal(before[0], after[0])


def test_codes_of_another_number_of_tiers_are_refused():
    with pytest.raises(ValueError, match=re.escape("codes of 2 tiers")):
        tiny().decode((np.zeros((1, 2, 2), "int32"),))
