import re

import keras
import numpy as np
import pytest

from tests.helpers.case import (
    FEW_CHANNELS,
    Case,
    random_images,
    small_ema,
    small_noisy,
)
from tests.helpers.steps import compiled
from vqzoo import models
from vqzoo.layers import (
    GroupedQuantizer,
    NoisyAssignment,
    ProjectedLatents,
    ResidualQuantizer,
    VectorQuantizer,
    VectorQuantizerEMA,
)
from vqzoo.models import VQVAE2

CASES = [
    Case(
        "VQVAE2-noisy",
        lambda: VQVAE2(
            [small_noisy(0), small_noisy(1)],
            image_shape=(8, 8, 3),
            bottom_stride=2,
            **FEW_CHANNELS,
        ),
        (random_images(2, 8, 8, 3),),
        random=True,
    ),
    Case(
        "VQVAE2-three-tiers",
        lambda: VQVAE2(
            [small_ema(0), small_ema(1), small_ema(2)],
            image_shape=(16, 16, 3),
            bottom_stride=2,
            **FEW_CHANNELS,
        ),
        (random_images(2, 16, 16, 3),),
        random=True,
    ),
]
REFUSED = [
    (lambda: VQVAE2([]), "at least one quantizer"),
    (
        lambda: VQVAE2([small_ema()] * 2, image_shape=(64, 68, 3)),
        r"divide by 8.*\(64, 68, 3\)",
    ),
    (
        lambda: VQVAE2([small_ema()] * 3, image_shape=(8, 8, 3)),
        r"divide by 16.*\(8, 8, 3\)",
    ),
]

TINY = {"num_channels": 6, "residual_channels": 4, "num_residual_blocks": 1}


def tiny(num_tiers, side=16, **options):
    """Tier i, from the top, has 16 + i codes of length 3 + i."""
    quantizers = [VectorQuantizerEMA(16 + i, 3 + i) for i in range(num_tiers)]
    options = {"image_shape": (side, 2 * side, 3), "bottom_stride": 2, **options}
    return VQVAE2(quantizers, **{**TINY, **options})


def images(*shape):
    return np.random.default_rng(0).uniform(-0.5, 0.5, shape).astype("float32")


def count(weights):
    return sum(int(np.prod(w.shape)) for w in weights)


NAMED = {
    "vqvae2_32": (1_055_875, 32, (8, 16)),
    "vqvae2_64": (1_388_867, 64, (8, 16)),
    "vqvae2_128": (1_388_867, 128, (16, 32)),
    "vqvae2_256": (2_256_643, 256, (32, 64)),
    "vqvae2_256_deep": (2_913_027, 256, (32, 64)),
    "vqvae2_256_public": (1_388_867, 256, (32, 64)),
    "vqvae2_three_tier_256": (2_705_091, 256, (8, 16, 32)),
}


def test_every_named_model_is_pinned():
    functions = {name for name in models.__all__ if name.startswith("vqvae2_")}
    assert functions == set(NAMED)


def convolutions(layer):
    """All convolutions within a layer."""
    kinds = keras.layers.Conv2D, keras.layers.Conv2DTranspose
    return [inner for inner in layer._flatten_layers() if isinstance(inner, kinds)]


@pytest.mark.parametrize(
    ("name", "counts"), [("vqvae2_256", (21, 8)), ("vqvae2_256_deep", (25, 12))]
)
def test_the_convolutions_of_table_6_2_up_to_the_codes_and_from_there(name, counts):
    # Small: the sizes change no count.
    model = getattr(models, name)(
        image_shape=(16, 16, 3), num_channels=4, residual_channels=2
    )
    encoding = [*model.encoders, *model.projections, *model.tier_decoders]
    decoding = [*model.tier_upsamplings, model.decoder]
    received = [sum(len(convolutions(x)) for x in xs) for xs in (encoding, decoding)]
    assert tuple(received) == counts
    assert len(convolutions(model)) == sum(counts)


@pytest.mark.parametrize("name", NAMED)
def test_a_named_model_has_its_weights_and_grids(name):
    weights, side, grids = NAMED[name]
    function = getattr(models, name)
    model = function()
    assert model.name == name
    assert count(model.trainable_weights) == weights
    assert f"{weights:,}" in " ".join(function.__doc__.split())
    codes = model.encode(images(1, side, side, 3))
    assert [tier.shape for tier in codes] == [(1, grid, grid) for grid in grids]
    assert all(len(np.unique(tier)) > 1 for tier in codes)
    assert all("int32" == tier.dtype for tier in codes)
    state = 2 * 512 * 64 + 512 + 1
    assert count(model.non_trainable_weights) == len(grids) * state


def test_a_named_model_takes_other_quantizers_and_overrides():
    made = []

    def quantizer(tier):
        made.append(tier)
        return VectorQuantizer(32, 8)

    model = models.vqvae2_32(quantizer, num_channels=16, name="small")
    assert made == [0, 1]
    assert [layer.num_embeddings for layer in model.quantizers] == [32, 32]
    assert (model.num_channels, model.residual_channels) == (16, 32)
    assert model.name == "small"


@pytest.mark.parametrize(
    ("num_tiers", "names"),
    [
        (1, ("bottom",)),
        (2, ("top", "bottom")),
        (3, ("top", "middle", "bottom")),
        (4, ("tier_0", "tier_1", "tier_2", "bottom")),
    ],
)
def test_any_number_of_tiers_decodes_its_codes_to_the_bit(num_tiers, names):
    model = tiny(num_tiers)
    assert model.tier_names == names
    batch = images(2, 16, 32, 3)
    model(batch, training=True)
    codes = model.encode(batch)
    sides = [8 // 2**i for i in range(num_tiers)][::-1]
    assert [c.shape for c in codes] == [(2, side, 2 * side) for side in sides]
    rebuilt = model(batch).numpy()
    np.testing.assert_array_equal(model.decode(codes), rebuilt)
    assert rebuilt.std() > 0 and rebuilt.dtype == np.float32


def test_each_tier_has_its_own_codebook_and_noise():
    noise = NoisyAssignment(2.0, seed=1)
    top = VectorQuantizerEMA(5, 2, assignment=noise, name="coarse")
    bottom = VectorQuantizer(40, 7, codebook_init="random_normal", name="fine")
    model = VQVAE2([top, bottom], image_shape=(32, 32, 3), bottom_stride=2, **TINY)
    batch = images(2, 32, 32, 3)
    model(batch, training=True)
    codes = [tier.numpy() for tier in model.encode(batch)]
    assert codes[0].max() < 5 and 5 <= codes[1].max() < 40
    assert [q.codebook.shape for q in model.quantizers] == [(5, 2), (40, 7)]
    trainable = [w.path for w in model.trainable_weights if "codebook" in w.path]
    assert trainable == ["fine/codebook"]


def test_codes_are_the_nearest_to_the_latents_of_their_tier():
    model = tiny(2)
    batch = images(2, 16, 32, 3)
    for layer, latents, codes in zip(
        model.quantizers, model.latents(batch), model.encode(batch), strict=True
    ):
        distances = np.square(
            latents.numpy()[..., None, :] - layer.codebook.numpy()
        ).sum(-1)
        assert codes.numpy().tolist() == distances.argmin(-1).tolist()


def test_lower_latents_depend_on_the_codes_above_and_not_the_reverse():
    model = tiny(2)
    batch = images(1, 16, 32, 3)
    top, bottom = (z.numpy() for z in model.latents(batch))
    upper, lower = model.quantizers
    lower.codebook.assign(lower.codebook + 1)
    after = [z.numpy() for z in model.latents(batch)]
    np.testing.assert_array_equal(after[0], top)
    np.testing.assert_array_equal(after[1], bottom)
    upper.codebook.assign(upper.codebook + 1)
    after = [z.numpy() for z in model.latents(batch)]
    np.testing.assert_array_equal(after[0], top)
    assert np.abs(after[1] - bottom).max() > 1e-3


def test_every_tier_reaches_the_image():
    model = tiny(3)
    codes = [np.asarray(c) for c in model.encode(images(1, 16, 32, 3))]
    whole = model.decode(codes).numpy()
    for tier in range(3):
        changed = list(codes)
        changed[tier] = (codes[tier] + 1) % 16
        assert np.abs(model.decode(changed).numpy() - whole).max() > 0


@pytest.mark.parametrize("missing", [(0,), (1,), (2,), (0, 1), (1, 2)])
@pytest.mark.parametrize("shape", [(2, 16, 32, 3), (1, 24, 40, 3)])
def test_a_tier_without_codes_is_decoded_as_its_mean_code(missing, shape):
    model = tiny(3)  # of images of 16 x 32, which takes others too
    batch = images(*shape)
    given, full = list(model.encode(batch)), []
    # The same model with one more code, the mean of the others, in each codebook.
    more = VQVAE2(
        [VectorQuantizerEMA(17 + i, 3 + i) for i in range(3)],
        image_shape=(16, 32, 3),
        bottom_stride=2,
        **TINY,
    )
    for ours, theirs in zip(model.trainable_weights, more.trainable_weights):
        theirs.assign(ours)
    for tier, (ours, theirs) in enumerate(zip(model.quantizers, more.quantizers)):
        codebook = ours.codebook.numpy()
        theirs.codebook.assign(np.vstack([codebook, codebook.mean(0)]))
        mean = np.full(given[tier].shape, 16 + tier)
        full.append(mean if tier in missing else given[tier])
    subset = [None if i in missing else tier for i, tier in enumerate(given)]
    partial = model.decode(subset).numpy()
    np.testing.assert_allclose(partial, more.decode(full), atol=1e-6)
    assert partial.shape == shape
    assert np.abs(partial - model.decode(given).numpy()).max() > 0


def test_tiers_of_several_codes_decode_and_have_a_mean_code():
    def stages():
        return ResidualQuantizer([VectorQuantizerEMA(8, 2) for _ in range(3)])

    model = VQVAE2(
        [stages(), GroupedQuantizer([stages(), stages()])],
        image_shape=(16, 16, 3),
        bottom_stride=2,
        **TINY,
    )
    inputs = images(2, 16, 16, 3)
    codes = model.encode(inputs)
    assert [tuple(c.shape) for c in codes] == [(2, 4, 4, 3), (2, 8, 8, 2, 3)]
    np.testing.assert_array_equal(model.decode(codes), model(inputs))
    mean = np.sum([np.mean(book, axis=0) for book in model.quantizers[0].codebooks], 0)
    found = model._mean_code(model.quantizers[0], 1, (4, 4))[0, 0, 0]
    np.testing.assert_allclose(found, mean, atol=1e-6)
    assert model.decode((None, codes[1])).shape == (2, 16, 16, 3)


def test_a_hybrid_tier_shows_the_tiers_below_what_the_decoder_sees():
    top = ProjectedLatents(VectorQuantizer(8, 3, codebook_init="random_normal"))
    model = VQVAE2(
        [top, VectorQuantizer(8, 3, codebook_init="random_normal")],
        image_shape=(16, 16, 3),
        bottom_stride=2,
        **TINY,
    )
    inputs = images(2, 16, 16, 3)
    seen = []
    bottom = model.quantizers[1]
    plain_call = bottom.call
    bottom.call = lambda latents, **options: (
        seen.append(np.asarray(latents)) or plain_call(latents, **options)
    )
    model(inputs)
    np.testing.assert_allclose(model.latents(inputs)[1], seen[0], atol=1e-6)
    np.testing.assert_array_equal(model.encode(inputs)[1], bottom.encode(seen[0]))


def test_the_maps_of_three_tiers_are_3072_768_and_192_times_smaller():
    grids = NAMED["vqvae2_three_tier_256"][2]
    assert [256 * 256 * 3 // side**2 for side in grids] == [3072, 768, 192]


def test_no_codes_or_too_few_tiers_are_refused():
    model = tiny(2)
    codes = np.zeros((1, 4, 8), "int32")
    message = re.escape("codes of 2 tiers, at least one of them not None, received ")
    with pytest.raises(ValueError, match=message + re.escape("[None, None]")):
        model.decode((None, None))
    with pytest.raises(ValueError, match=message + re.escape("[(1, 4, 8)]")):
        model.decode((codes,))


def test_training_learns_the_color_of_flat_images():
    model = tiny(2, num_channels=16)
    colors = images(16, 1, 1, 3)
    batch = np.broadcast_to(colors, (16, 16, 32, 3))
    compiled(model, keras.optimizers.Adam(0.005), "mse")
    for _ in range(90):
        model.train_on_batch(batch, batch)
    error = np.square(model(batch).numpy() - batch).mean()
    assert error < 0.5 * batch.var()


def test_the_loss_is_the_error_and_the_commitment_of_all_tiers():
    model = tiny(2)
    batch = images(4, 16, 32, 3)
    model.compile("sgd", "mse")
    model(batch, training=True)
    loss = model.evaluate(batch, batch, batch_size=4, verbose=0)
    error = np.square(model(batch).numpy() - batch).mean()
    commitments = [
        float(layer.loss_terms(latents)["commitment"])
        for layer, latents in zip(model.quantizers, model.latents(batch))
    ]
    assert min(commitments) > 0
    assert loss == pytest.approx(error + 0.25 * sum(commitments), rel=1e-5)
