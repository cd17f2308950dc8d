import keras
import numpy as np
import pytest

from tests.helpers.case import FEW_CHANNELS, Case, random_images
from tests.helpers.steps import compiled
from vqzoo.layers.variational import gaussian
from vqzoo.models import VAE, bernoulli_vae_32, beta_vae_32, vae_32, vae_64
from vqzoo.models.likelihoods import EVALUATION_SEED

CASES = [
    Case(
        "VAE",
        lambda: VAE(
            image_shape=(8, 8, 3),
            latent_dim=3,
            stride=4,
            beta=0.01,
            seed=1,
            **FEW_CHANNELS,
        ),
        (random_images(2, 8, 8, 3),),
        random=True,
    ),
    Case(
        "VAE-bernoulli",
        lambda: VAE(
            image_shape=(8, 8, 3),
            latent_dim=3,
            kl_target=2.0,
            likelihood="bernoulli",
            beta=0.01,
            stride=2,
            seed=1,
            **FEW_CHANNELS,
        ),
        (random_images(2, 8, 8, 3),),
        random=True,
    ),
]
REFUSED = [
    (lambda: VAE(image_shape=(30, 32, 3)), r"divide by 8.*\(30, 32, 3\)"),
    (lambda: VAE(latent_dim=0), "latent_dim=0"),
    (lambda: VAE(beta=-1.0), "beta=-1.0"),
    (lambda: VAE(likelihood="laplace"), "'bernoulli'.*likelihood='laplace'"),
    (lambda: VAE(scale=0.0), "None for a learned one, received scale=0.0"),
]


tensorflow_only = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="the oracle is TensorFlow's"
)


def tiny(**options):
    options = {
        "image_shape": (8, 12, 3),
        "latent_dim": 3,
        "stride": 4,
        "num_channels": 6,
        "residual_channels": 4,
        "num_residual_blocks": 1,
        "seed": 1,
        **options,
    }
    return VAE(**options)


def images(*shape):
    return np.random.default_rng(0).uniform(-0.5, 0.5, shape).astype("float32")


BATCH = images(4, 8, 12, 3)


def count(model):
    return sum(int(np.prod(w.shape)) for w in model.trainable_weights)


def divergence(model):
    return float(np.mean(model.elbo(BATCH)["kl"]))


@pytest.mark.parametrize(
    ("make", "weights", "beta", "channels"),
    [
        (vae_32, 2_041_476, 1.0, 3),
        (beta_vae_32, 1_451_459, 4.0, 3),
        (bernoulli_vae_32, 375_401, 1.0, 1),
        (vae_64, 545_540, 1.0, 3),
    ],
)
def test_the_named_models_have_their_weights(make, weights, beta, channels):
    model = make()
    assert count(model) == weights and model.name == make.__name__
    assert model.bottleneck.beta == beta
    size = int(model.name.rpartition("_")[2])
    assert model.image_shape == (size, size, channels)
    assert model.tier_names == () and model.quantizers == ()


def test_the_weights_of_a_tiny_network_by_hand():
    residual = (9 * 6 * 4 + 4) + (4 * 6 + 6)
    encoder = (16 * 3 * 3 + 3) + (16 * 3 * 6 + 6) + (9 * 6 * 6 + 6) + residual
    dense = (2 * 3 * 6 * 6 + 6) + (3 * 36 + 36)
    decoder = (9 * 6 * 6 + 6) + residual + (16 * 6 * 3 + 3) + (16 * 3 * 3 + 3)
    assert count(tiny()) == encoder + dense + decoder
    assert count(tiny(scale=None)) == encoder + dense + decoder + 1
    assert count(tiny(likelihood="bernoulli", scale=None)) == encoder + dense + decoder


@pytest.mark.parametrize("likelihood", ["gaussian", "bernoulli"])
def test_decoding_the_means_is_the_output_to_the_bit(likelihood):
    model = tiny(likelihood=likelihood)
    (latents,) = model.encode(BATCH)
    np.testing.assert_array_equal(latents, model.posterior(BATCH)[0])
    outputs = np.asarray(model(BATCH))
    np.testing.assert_array_equal(model.decode((latents,)), outputs)
    assert outputs.dtype == np.float32 and outputs.std() > 0
    with pytest.raises(ValueError, match="1 tensor of latents, received 2"):
        model.decode((latents, latents))


def test_noise_comes_with_training_alone():
    model = tiny()
    np.testing.assert_array_equal(model(BATCH), model(BATCH))
    first, second = (np.asarray(model(BATCH, training=True)) for _ in range(2))
    assert np.abs(first - second).max() > 1e-3


@tensorflow_only
@pytest.mark.parametrize("likelihood", ["gaussian", "bernoulli"])
def test_the_bound_is_that_of_tensorflow_probability(likelihood):
    import tensorflow_probability as tfp

    distributions = tfp.distributions
    model = tiny(likelihood=likelihood, scale=0.3)
    batch = np.sign(BATCH) / 2 if likelihood == "bernoulli" else BATCH
    (seed,) = gaussian.seeds(5, None, 1)
    mean, log_variance = model.posterior(batch)
    posterior = distributions.MultivariateNormalDiag(mean, np.exp(log_variance / 2))
    prior = distributions.MultivariateNormalDiag(np.zeros(3, "float32"))
    noise = keras.random.normal(mean.shape, seed=seed)
    latents = mean + noise * posterior.stddev()
    outputs = model.decode((latents,))
    if likelihood == "gaussian":
        observed = distributions.Normal(outputs, 0.3).log_prob(batch)
    else:
        observed = distributions.Bernoulli(probs=outputs + 0.5).log_prob(batch + 0.5)
    log_likelihood = observed.numpy().sum((1, 2, 3))
    kl = posterior.kl_divergence(prior)
    received = model.elbo(batch, seed=5)
    np.testing.assert_allclose(received["kl"], kl, rtol=1e-4)
    np.testing.assert_allclose(received["log_likelihood"], log_likelihood, rtol=1e-4)
    np.testing.assert_allclose(received["elbo"], log_likelihood - kl, rtol=1e-4)
    assert np.asarray(received["kl"]).min() > 0


def test_the_bound_averages_over_the_draws():
    model = tiny()
    mean, log_variance = (np.asarray(x) for x in model.posterior(BATCH))
    errors = []
    for seed in gaussian.seeds(7, None, 3):
        noise = np.asarray(keras.random.normal(mean.shape, seed=seed))
        outputs = model.decode((mean + np.exp(log_variance / 2) * noise,))
        errors.append(np.asarray(model.reconstruction_loss(BATCH, outputs)))
    received = model.elbo(BATCH, seed=7, num_samples=3)
    expected = -np.mean(errors, axis=0)
    np.testing.assert_allclose(received["log_likelihood"], expected, rtol=1e-5)
    assert np.std(errors, axis=0).min() > 0
    again = model.elbo(BATCH, seed=7, num_samples=3)
    np.testing.assert_array_equal(again["elbo"], received["elbo"])


@pytest.mark.parametrize("likelihood", ["gaussian", "bernoulli"])
def test_the_evaluated_loss_is_the_negative_bound(likelihood):
    model = tiny(likelihood=likelihood)
    model.compile("sgd", model.reconstruction_loss)
    loss = model.evaluate(BATCH, BATCH, batch_size=len(BATCH), verbose=0)
    bound = np.mean(model.elbo(BATCH, seed=EVALUATION_SEED)["elbo"])
    assert loss == pytest.approx(-bound, rel=1e-6, abs=1e-4)
    # Not the loss of the means, which bounds nothing.
    error = np.asarray(model.reconstruction_loss(BATCH, model(BATCH))).mean()
    assert abs(loss - error - divergence(model)) > 0.01


def test_beta_scales_the_divergence_alone():
    models = [tiny(beta=beta) for beta in (1.0, 4.0)]
    models[1].set_weights(models[0].get_weights())
    losses = []
    for model in models:
        model.compile("sgd", model.reconstruction_loss)
        losses.append(model.evaluate(BATCH, BATCH, batch_size=4, verbose=0))
    np.testing.assert_array_equal(models[0](BATCH), models[1](BATCH))
    assert losses[1] - losses[0] == pytest.approx(3 * divergence(models[0]), rel=1e-3)
    bounds = [model.elbo(BATCH, seed=1)["elbo"] for model in models]
    np.testing.assert_array_equal(*bounds)


def test_a_target_holds_the_divergence():
    model = tiny(kl_target=40.0, beta=2.0)
    model(BATCH)
    (loss,) = model.losses
    assert float(loss) == pytest.approx(2 * abs(divergence(model) - 40), rel=1e-5)
    compiled(model, keras.optimizers.Adam(0.02), model.reconstruction_loss)
    for _ in range(60):
        model.train_on_batch(BATCH, BATCH)
    assert divergence(model) == pytest.approx(40, abs=10)


@tensorflow_only
def test_the_best_scale_is_the_root_of_the_mean_squared_error():
    import tensorflow as tf

    model = tiny(scale=None)
    outputs = model(BATCH)
    assert float(model.log_scale) == pytest.approx(np.log(0.1))
    error = np.square(BATCH - outputs).mean()
    model.log_scale.assign(np.log(error) / 2)
    with tf.GradientTape() as tape:
        best = tf.reduce_mean(model.reconstruction_loss(BATCH, outputs))
    at_best = tape.gradient(best, model.log_scale.value)
    # The derivative is D (1 - error / scale ** 2), for D values of an image.
    assert abs(float(at_best)) < 1e-3 * 288
    model.log_scale.assign(np.log(error * 4) / 2)
    with tf.GradientTape() as tape:
        wide = tf.reduce_mean(model.reconstruction_loss(BATCH, outputs))
    to_wide = float(tape.gradient(wide, model.log_scale.value))
    assert to_wide == pytest.approx(288 * (1 - 1 / 4), rel=1e-4)


def test_training_raises_the_bound():
    model = tiny(scale=None, num_channels=16)
    batch = np.broadcast_to(images(16, 1, 1, 3), (16, 8, 12, 3))
    compiled(model, keras.optimizers.Adam(0.005), model.reconstruction_loss)
    before = np.mean(model.elbo(batch, seed=1)["elbo"])
    for _ in range(60):
        model.train_on_batch(batch, batch)
    bound = {name: np.mean(x) for name, x in model.elbo(batch, seed=1).items()}
    assert bound["elbo"] > before + 100 and bound["kl"] > 1
    assert np.square(model(batch) - batch).mean() < 0.7 * batch.var()


def test_samples_are_decoded_draws_of_the_prior():
    model = tiny()
    still = np.asarray(model.sample(2, temperature=0.0))
    origin = np.asarray(model.decode((np.zeros((1, 3), "float32"),)))
    np.testing.assert_allclose(still, np.repeat(origin, 2, axis=0), atol=1e-6)
    first, again, other = (np.asarray(model.sample(3, seed=s)) for s in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert first.shape == (3, 8, 12, 3) and np.abs(first - other).max() > 1e-4
    assert np.abs(np.asarray(model.sample(3)) - model.sample(3)).max() > 1e-4


def test_a_saved_model_goes_on_with_its_loss(tmp_path, load_elsewhere):
    model = tiny(scale=None)
    compiled(model, "adam", model.reconstruction_loss, metrics=["mse"])
    model.fit(BATCH, BATCH, verbose=0)
    expected = model.evaluate(BATCH, BATCH, verbose=0)
    model.save(tmp_path / "vae.keras")
    loaded = keras.saving.load_model(tmp_path / "vae.keras")
    assert loaded.evaluate(BATCH, BATCH, verbose=0) == pytest.approx(expected)
    loaded.fit(BATCH, BATCH, verbose=0)
    assert int(loaded.optimizer.iterations) == 2
    np.savez(tmp_path / "vae.inputs.npz", BATCH)
    elsewhere = load_elsewhere(tmp_path, keras.backend.backend())["vae"]
    np.testing.assert_allclose(elsewhere["outputs"], model(BATCH), atol=1e-6)


def test_a_model_compiled_with_another_loss_keeps_that(tmp_path):
    model = tiny()
    compiled(model, "adam", "mse")
    model.train_on_batch(BATCH, BATCH)
    model.save(tmp_path / "vae.keras")
    assert keras.saving.load_model(tmp_path / "vae.keras").loss == "mse"


@pytest.mark.parametrize("dtype", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_measures_in_float32(dtype):
    model, exact = tiny(dtype=dtype), tiny()
    exact.set_weights(model.get_weights())
    received = model.elbo(BATCH, seed=1)
    dtypes = {keras.backend.standardize_dtype(x.dtype) for x in received.values()}
    assert dtypes == {"float32"}
    expected = exact.elbo(BATCH, seed=1)["elbo"]
    np.testing.assert_allclose(received["elbo"], expected, rtol=0.05)
