import keras
import numpy as np
import pytest

from tests.helpers.case import FEW_CHANNELS, Case, random_images, small_ema
from tests.helpers.steps import compiled
from vqzoo.layers import NoisyAssignment, VectorQuantizer, VectorQuantizerEMA
from vqzoo.models import VQVAE, vqvae_32, vqvae_64, vqvae_128, vqvae_var_32
from vqzoo.runs import fingerprint

CASES = [
    Case(
        "VQVAE",
        lambda: VQVAE(small_ema(), image_shape=(8, 8, 3), **FEW_CHANNELS),
        (random_images(2, 8, 8, 3),),
        random=True,
    ),
    Case(
        "VQVAE-gradient",
        lambda: VQVAE(
            VectorQuantizer(4, 2),
            image_shape=(8, 8, 3),
            encoder_kernel_size=3,
            **FEW_CHANNELS,
        ),
        (random_images(2, 8, 8, 3),),
    ),
    Case(
        "VQVAE-attention",
        lambda: VQVAE(
            VectorQuantizer(4, 2),
            image_shape=(8, 8, 3),
            activation="silu",
            normalization="batch",
            attention=True,
            **FEW_CHANNELS,
        ),
        (random_images(2, 8, 8, 3),),
        # Of attention the scale alone moves: it starts at 0.
        unmoved=("queries", "keys", "values", "outputs"),
    ),
]
REFUSED = [
    (
        lambda: VQVAE(small_ema(), image_shape=(30, 32, 3)),
        r"divide by 4.*\(30, 32, 3\)",
    ),
    (lambda: VQVAE(small_ema(), image_shape=(32, 32, 0)), r"\(32, 32, 0\)"),
    (lambda: VQVAE(small_ema(), image_shape=(24, 24, 3), stride=6), "stride=6"),
    (lambda: VQVAE(small_ema(), image_shape=(8, 8, 3), stride=1), "stride=1"),
    (
        lambda: VQVAE(small_ema(), image_shape=(None, None, 3), attention=True),
        "image_shape of numbers",
    ),
    (
        lambda: VQVAE(small_ema(), image_shape=(8, 8, 3), normalization="layer"),
        "normalization='layer'",
    ),
]


def tiny(quantizer=None, **options):
    options = {
        "image_shape": (8, 12, 3),
        "num_channels": 6,
        "residual_channels": 4,
        "num_residual_blocks": 1,
        **options,
    }
    return VQVAE(quantizer or VectorQuantizerEMA(16, 4), **options)


def images(*shape):
    return np.random.default_rng(0).uniform(-0.5, 0.5, shape).astype("float32")


def count(weights):
    return sum(int(np.prod(w.shape)) for w in weights)


def test_the_network_of_the_cifar_example_has_its_weights_and_grid():
    model = vqvae_32()
    assert count(model.trainable_weights) == 662_723
    # Codebook, EMA sums, EMA counts and whether the codebook was started.
    assert count(model.non_trainable_weights) == 2 * 512 * 64 + 512 + 1
    (codes,) = model.encode(images(2, 32, 32, 3))
    assert codes.shape == (2, 8, 8) and codes.dtype == "int32"
    assert len(np.unique(codes)) > 1
    assert model.name == "vqvae_32" and model.tier_names == ("bottom",)


def test_the_model_of_the_slides_has_as_many_weights_and_more_codes():
    model = vqvae_128()
    assert count(model.trainable_weights) == 662_723
    assert model.quantizer.num_embeddings == 8192
    assert model.encode(images(1, 128, 128, 3))[0].shape == (1, 32, 32)


def test_the_eye_of_a_world_model_has_its_weights_and_grid():
    model = vqvae_64()
    assert count(model.trainable_weights) == 360_259
    assert model.encode(images(1, 64, 64, 3))[0].shape == (1, 8, 8)


def test_the_tokenizer_of_next_scale_priors_has_its_weights_and_scales():
    model = vqvae_var_32()
    # Four convolutions of 3 x 3 x 32 x 32 in the place of half of the code's length.
    less = 32 * 129 + 32 * 9 * 128
    more = 4 * (9 * 32 * 32 + 32)
    assert count(model.trainable_weights) == 662_723 - less + more
    (codes,) = model.encode(images(2, 32, 32, 3))
    assert codes.shape == (2, 1, 1 + 4 + 9 + 16 + 36 + 64)
    assert model.layouts == ("scales",)


def test_options_of_the_blocks_that_came_later_leave_fingerprints_alone():
    config = fingerprint._nameless(tiny().get_config())
    assert "activation" not in config and "attention" not in config
    assert "activation" in fingerprint._nameless(tiny(activation="gelu").get_config())


def test_a_codebook_learned_by_gradient_is_trainable():
    model = vqvae_32(lambda tier: VectorQuantizer(256, 16))
    # A projection to 16 instead of 64, and 3 x 3 x 128 weights for each of those.
    less = 48 * 129 + 48 * 9 * 128
    assert count(model.trainable_weights) == 662_723 - less + 256 * 16


def test_the_weights_of_a_tiny_network_by_hand():
    model = tiny()
    residual = (9 * 6 * 4 + 4) + (4 * 6 + 6)
    encoder = (16 * 3 * 3 + 3) + (16 * 3 * 6 + 6) + (9 * 6 * 6 + 6) + residual
    projection = 6 * 4 + 4
    decoder = (9 * 4 * 6 + 6) + residual + (16 * 6 * 3 + 3) + (16 * 3 * 3 + 3)
    assert count(model.trainable_weights) == encoder + projection + decoder


@pytest.mark.parametrize("make", [VectorQuantizer, VectorQuantizerEMA])
def test_decoding_the_codes_is_the_reconstruction_to_the_bit(make):
    model = tiny(make(16, 4, assignment=NoisyAssignment(2.0)))
    batch = images(3, 8, 12, 3)
    model(batch, training=True)
    rebuilt = model(batch).numpy()
    np.testing.assert_array_equal(model.decode(model.encode(batch)), rebuilt)
    assert rebuilt.std() > 0 and rebuilt.dtype == np.float32


@pytest.mark.parametrize(("stride", "grid"), [(2, (8, 16)), (4, (4, 8)), (8, (2, 4))])
def test_the_stride_sets_the_grid(stride, grid):
    model = tiny(image_shape=(16, 32, 1), stride=stride)
    batch = images(2, 16, 32, 1)
    (codes,) = model.encode(batch)
    assert codes.shape == (2, *grid)
    np.testing.assert_array_equal(model.decode([codes]), model(batch))


def test_codes_are_the_nearest_to_the_latents():
    model = tiny()
    batch = images(2, 8, 12, 3)
    (latents,), (codes,) = model.latents(batch), model.encode(batch)
    codebook = model.quantizer.codebook.numpy()
    distances = np.square(latents.numpy()[..., None, :] - codebook).sum(-1)
    assert codes.numpy().tolist() == distances.argmin(-1).tolist()
    assert model.quantizers == (model.quantizer,)


def test_each_image_is_coded_on_its_own():
    model = tiny()
    batch = images(3, 8, 12, 3)
    (together,) = model.encode(batch)
    alone = [model.encode(batch[i : i + 1])[0].numpy()[0] for i in range(3)]
    assert together.numpy().tolist() == np.stack(alone).tolist()


def test_a_change_of_one_code_changes_the_image_near_it_alone():
    model = tiny(image_shape=(64, 64, 1))
    codes = np.zeros((1, 16, 16), "int32")
    changed = codes.copy()
    changed[0, 2, 3] = 1
    difference = (model.decode((codes,)) - model.decode((changed,))).numpy()[0, ..., 0]
    rows, columns = np.nonzero(difference)
    assert rows.min() <= 8 <= rows.max() < 24
    assert columns.min() <= 12 <= columns.max() < 28


def test_training_learns_the_color_of_flat_images():
    model = tiny(num_channels=16)
    colors = images(16, 1, 1, 3)
    batch = np.broadcast_to(colors, (16, 8, 12, 3))
    compiled(model, keras.optimizers.Adam(0.005), "mse")
    for _ in range(90):
        model.train_on_batch(batch, batch)
    error = np.square(model(batch).numpy() - batch).mean()
    assert error < 0.5 * batch.var()


def test_the_loss_is_the_error_and_the_commitment():
    model = tiny(VectorQuantizerEMA(16, 4, commitment_cost=0.5))
    batch = images(4, 8, 12, 3)
    model.compile("sgd", "mse")
    model(batch, training=True)
    loss = model.evaluate(batch, batch, batch_size=4, verbose=0)
    error = np.square(model(batch).numpy() - batch).mean()
    terms = model.quantizer.loss_terms(model.latents(batch)[0])
    expected = error + 0.5 * float(terms["commitment"])
    assert loss == pytest.approx(expected, rel=1e-5)
    assert float(terms["commitment"]) > 0


def test_codes_of_another_number_of_tiers_are_refused():
    codes = np.zeros((1, 2, 3), "int32")
    with pytest.raises(
        ValueError, match=r"codes of 1 tier, .*\[\(1, 2, 3\), \(1, 2, 3\)\]"
    ):
        tiny().decode((codes, codes))
