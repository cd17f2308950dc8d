import keras
import numpy as np
import pytest
from keras import ops

from tests.helpers.case import FEW_CHANNELS, Case, random_images
from tests.helpers.steps import compiled
from vqzoo import models
from vqzoo.layers import GaussianCorruption, MaskingCorruption
from vqzoo.layers.autoencoding.corruption import masking_corruption
from vqzoo.models import Autoencoder

CASES = [
    Case(
        "Autoencoder-denoising",
        lambda: Autoencoder(
            image_shape=(8, 8, 3),
            latent_dim=4,
            corruption=MaskingCorruption(0.5, seed=1),
            stride=4,
            **FEW_CHANNELS,
        ),
        (random_images(2, 8, 8, 3),),
        random=True,
    ),
    Case(
        "Autoencoder-sparse",
        lambda: Autoencoder(
            image_shape=(8, 8, 3), latent_dim=4, num_active=3, stride=4, **FEW_CHANNELS
        ),
        (random_images(8, 8, 8, 3),),
    ),
]
REFUSED = [
    (lambda: Autoencoder(latent_dim=0), "positive int, received latent_dim=0"),
    (
        lambda: Autoencoder(latent_dim=4, num_active=5),
        r"\[1, latent_dim=4\], received num_active=5",
    ),
    (lambda: Autoencoder(latent_dim=4, num_active=0), "num_active=0"),
    (lambda: Autoencoder(image_shape=(20, 24, 3)), r"divide by 8.*\(20, 24, 3\)"),
]


def tiny(**options):
    options = {
        "image_shape": (8, 12, 3),
        "latent_dim": 5,
        "stride": 4,
        "num_channels": 6,
        "residual_channels": 4,
        "num_residual_blocks": 1,
        **options,
    }
    return Autoencoder(**options)


def images(*shape):
    return np.random.default_rng(0).uniform(-0.5, 0.5, shape).astype("float32")


def count(weights):
    return sum(int(np.prod(w.shape)) for w in weights)


@pytest.mark.parametrize(
    ("name", "weights", "latent_dim"),
    [
        ("autoencoder_32", 1_779_203, 128),
        ("denoising_autoencoder_32", 1_779_203, 128),
        ("sparse_autoencoder_32", 5_351_787, 1000),
    ],
)
def test_a_named_model_has_its_weights_and_its_vector(name, weights, latent_dim):
    function = getattr(models, name)
    model = function()
    assert model.name == name and model.tier_names == ("bottom",)
    assert count(model.trainable_weights) == weights
    assert f"{weights:,}" in " ".join(function.__doc__.split())
    (latents,) = model.encode(images(2, 32, 32, 3))
    active = 25 if name.startswith("sparse") else latent_dim
    assert latents.shape == (2, latent_dim) and latents.dtype == "float32"
    assert np.count_nonzero(latents, axis=1).tolist() == [active] * 2


def test_named_models_take_overrides():
    model = models.denoising_autoencoder_32(
        corruption=GaussianCorruption(0.3), latent_dim=7, name="small"
    )
    assert (model.corruption.stddev, model.latent_dim, model.name) == (0.3, 7, "small")
    assert models.denoising_autoencoder_32().corruption.rate == 0.25
    assert models.autoencoder_32().corruption is None


def test_the_weights_of_a_tiny_network_by_hand():
    residual = (9 * 6 * 4 + 4) + (4 * 6 + 6)
    encoder = (16 * 3 * 3 + 3) + (16 * 3 * 6 + 6) + (9 * 6 * 6 + 6) + residual
    vector = (2 * 3 * 6 * 5 + 5) + (5 * 2 * 3 * 6 + 2 * 3 * 6)
    decoder = (9 * 6 * 6 + 6) + residual + (16 * 6 * 3 + 3) + (16 * 3 * 3 + 3)
    assert count(tiny().weights) == encoder + vector + decoder


@pytest.mark.parametrize(
    "options",
    [{}, {"num_active": 2}, {"num_active": 2, "inference_factor": 2.0}],
    ids=str,
)
def test_decoding_the_latents_is_the_reconstruction_to_the_bit(options):
    model = tiny(corruption=MaskingCorruption(0.5), **options)
    batch = images(3, 8, 12, 3)
    rebuilt = ops.convert_to_numpy(model(batch))
    np.testing.assert_array_equal(model.decode(model.encode(batch)), rebuilt)
    assert rebuilt.std() > 0 and rebuilt.dtype == np.float32
    assert model.quantizers == ()


def test_a_sparse_vector_has_exactly_its_units_and_more_at_inference_if_asked():
    model = tiny(latent_dim=20, num_active=3)
    batch = images(6, 8, 12, 3)
    (latents,) = model.encode(batch)
    assert np.count_nonzero(latents, axis=1).tolist() == [3] * 6
    model = tiny(latent_dim=20, num_active=3, inference_factor=2.0)
    (latents,) = model.encode(batch)
    assert np.count_nonzero(latents, axis=1).tolist() == [6] * 6
    bottleneck = keras.Model(model.input, model.sparsity.output)
    in_training = ops.convert_to_numpy(bottleneck(batch, training=True))
    assert np.count_nonzero(in_training, axis=1).tolist() == [3] * 6


def test_training_sees_corrupted_images_and_inference_clean_ones():
    model = tiny(corruption=MaskingCorruption(1.0))
    batch = images(2, 8, 12, 3)
    black = np.zeros_like(batch)
    np.testing.assert_allclose(model(batch, training=True), model(black), atol=1e-6)
    assert np.abs(model(batch) - model(black)).max() > 1e-3


def test_the_loss_is_the_error_against_the_clean_image():
    model = tiny(corruption=MaskingCorruption(1.0))
    batch = images(2, 8, 12, 3)
    model.compile("sgd", "mse")
    rebuilt = ops.convert_to_numpy(model(np.zeros_like(batch)))
    loss = model.train_on_batch(batch, batch)
    assert float(loss) == pytest.approx(np.square(rebuilt - batch).mean(), rel=1e-5)
    assert model.losses == []


def stripes(number, seed):
    """Images 8 x 8 of one vertical edge each: its place and the tones beside it."""
    generator = np.random.default_rng(seed)
    places = generator.integers(1, 8, (number, 1, 1, 1))
    tones = generator.uniform(-0.5, 0.5, (2, number, 1, 1, 1))
    columns = np.arange(8)[:, None]
    edges = np.where(columns < places, *tones)
    return np.broadcast_to(edges, (number, 8, 8, 1)).astype("float32")


def test_a_denoising_autoencoder_rebuilds_corrupted_images_better():
    train, test = stripes(256, seed=0), stripes(128, seed=1)
    corrupted = masking_corruption(test, 0.5, seed=2)
    errors = []
    for corruption in (None, MaskingCorruption(0.5, seed=1)):
        keras.utils.set_random_seed(3)
        model = tiny(
            image_shape=(8, 8, 1),
            latent_dim=8,
            stride=2,
            num_channels=8,
            corruption=corruption,
        )
        compiled(model, keras.optimizers.Adam(0.01), "mse", jit_compile=False)
        model.fit(train, train, batch_size=32, epochs=10, verbose=0)
        rebuilt = ops.convert_to_numpy(model(corrupted))
        errors.append(np.square(rebuilt - test).mean())
    plain, denoising = errors
    assert denoising < 0.7 * plain
    assert denoising < 0.25 * test.var()


def test_latents_of_another_number_of_tiers_are_refused():
    latents = np.zeros((1, 5), "float32")
    with pytest.raises(ValueError, match="latents of 1 tier, received 2"):
        tiny().decode((latents, latents))
