import keras
import numpy as np
import pytest

from tests.helpers.case import Case, random_images
from tests.helpers.steps import compiled
from vqzoo.layers.variational import gaussian
from vqzoo.models import HierarchicalVAE, hierarchical_vae_32
from vqzoo.models.likelihoods import EVALUATION_SEED

CASES = [
    Case(
        "HierarchicalVAE",
        lambda: HierarchicalVAE(
            image_shape=(8, 8, 3),
            groups_per_scale=(1, 2),
            num_channels=6,
            latent_dim=2,
            beta=0.01,
            warmup_steps=2,
            seed=1,
        ),
        (random_images(2, 8, 8, 3),),
        random=True,
    ),
]
REFUSED = [
    (lambda: HierarchicalVAE(stride=3), "power of 2, received stride=3"),
    (
        lambda: HierarchicalVAE(image_shape=(32, 34, 3)),
        r"divide by 4.*\(32, 34, 3\)",
    ),
    (lambda: HierarchicalVAE(scale=-1.0), "scale=-1.0"),
    (lambda: HierarchicalVAE(groups_per_scale=()), r"groups_per_scale=\(\)"),
    (lambda: HierarchicalVAE(latent_dim=0), "latent_dim=0"),
]


def tiny(**options):
    options = {
        "image_shape": (8, 8, 1),
        "groups_per_scale": (1, 2),
        "num_channels": 4,
        "latent_dim": 2,
        "seed": 1,
        **options,
    }
    return HierarchicalVAE(**options)


def toy_images(num_images):
    """A bar across, at one of four places, and a dot at one of four."""
    generator = np.random.default_rng(0)
    images = np.full((num_images, 8, 8, 1), -0.5, "float32")
    for image in images:
        row, dot_row, dot_column = 2 * generator.integers(4, size=3)
        image[row : row + 2] = 0.2
        image[dot_row : dot_row + 2, dot_column : dot_column + 2] = 0.5
    return images


BATCH = toy_images(16)


def test_the_evaluated_loss_is_the_negative_bound_whatever_the_warm_up():
    model = tiny(warmup_steps=100)
    model.compile("sgd", model.reconstruction_loss)
    loss = model.evaluate(BATCH, BATCH, batch_size=len(BATCH), verbose=0)
    bound = np.mean(model.elbo(BATCH, seed=EVALUATION_SEED)["elbo"])
    assert loss == pytest.approx(-bound, rel=1e-6, abs=1e-4)


@pytest.fixture(scope="module")
def trained():
    """A model after some steps, and its bound before them."""
    keras.utils.set_random_seed(1)
    model = tiny(scale=None, warmup_steps=20)
    compiled(model, keras.optimizers.Adam(0.01), model.reconstruction_loss)
    before = np.mean(model.elbo(BATCH, seed=1)["elbo"])
    for _ in range(40):
        model.train_on_batch(BATCH, BATCH)
    return model, before


def count(weights):
    return sum(int(np.prod(w.shape)) for w in weights)


def test_the_named_model_has_its_weights_and_groups():
    model = hierarchical_vae_32()
    assert count(model.trainable_weights) == 2_440_548
    # Means and variances of the normalizations, and the steps of the warm-up.
    assert count(model.non_trainable_weights) == 21_569
    latents = model.encode(np.zeros((1, 32, 32, 3), "float32"))
    sides = [z.shape[1] for z in latents]
    assert sides == [4] * 2 + [8] * 4 + [16] * 4
    assert {z.shape[-1] for z in latents} == {20}
    assert model.name == "hierarchical_vae_32"
    assert model.tier_names == () and model.quantizers == ()


def test_training_raises_the_bound_and_uses_every_group(trained):
    model, before = trained
    bound = {name: np.asarray(x) for name, x in model.elbo(BATCH, seed=1).items()}
    assert bound["elbo"].mean() > before + 10
    assert bound["group_kls"].shape == (16, 3)
    assert bound["group_kls"].mean(0).min() > 0.1
    assert float(model.hierarchy.steps.value) == 20


def test_the_bound_is_the_likelihood_less_the_divergences(trained):
    model, _ = trained
    bound = {name: np.asarray(x) for name, x in model.elbo(BATCH, seed=3).items()}
    np.testing.assert_allclose(bound["kl"], bound["group_kls"].sum(1), rtol=1e-5)
    np.testing.assert_allclose(
        bound["elbo"], bound["log_likelihood"] - bound["kl"], rtol=1e-5
    )
    other = np.asarray(model.elbo(BATCH, seed=4)["elbo"])
    assert np.abs(other - bound["elbo"]).min() > 0
    np.testing.assert_array_equal(model.elbo(BATCH, seed=3)["elbo"], bound["elbo"])


def test_the_bound_averages_over_the_draws(trained):
    model, _ = trained
    seeds, features = gaussian.seeds(7, None, 6), model.features(BATCH)
    draws = [model.hierarchy.infer(features, s)[1:] for s in (seeds[:3], seeds[3:])]
    errors = [model.reconstruction_loss(BATCH, model.decode(z)) for z, _ in draws]
    bound = model.elbo(BATCH, seed=7, num_samples=2)
    expected = -np.mean(errors, axis=0)
    np.testing.assert_allclose(bound["log_likelihood"], expected, rtol=1e-4)
    expected = np.mean([kls for _, kls in draws], axis=0)
    np.testing.assert_allclose(bound["group_kls"], expected, rtol=1e-4)
    assert np.abs(draws[0][1] - draws[1][1]).max() > 0


def test_decoding_the_latents_is_the_output_to_the_bit(trained):
    model, _ = trained
    outputs = np.asarray(model(BATCH))
    latents = model.encode(BATCH)
    np.testing.assert_array_equal(model.decode(latents), outputs)
    assert outputs.dtype == np.float32 and outputs.std() > 0.01
    with pytest.raises(ValueError, match="3 groups, received 1"):
        model.decode(latents[:1])


def test_the_decoder_sees_every_group(trained):
    model, _ = trained
    latents = [np.asarray(z) for z in model.encode(BATCH)]
    rebuilt = np.asarray(model.decode(latents))
    for group, group_latents in enumerate(latents):
        changed = list(latents)
        changed[group] = group_latents + 1
        assert np.abs(np.asarray(model.decode(changed)) - rebuilt).max() > 1e-3


def test_samples_at_temperature_0_are_one_image(trained):
    model, _ = trained
    still = np.asarray(model.sample(3, temperature=0.0))
    np.testing.assert_allclose(still, still[:1].repeat(3, axis=0), atol=1e-5)
    again = model.sample(3, temperature=0.0, seed=9)
    np.testing.assert_allclose(again, still, atol=1e-6)


def test_the_seed_decides_on_the_samples(trained):
    model, _ = trained
    first, again, other = (np.asarray(model.sample(3, seed=s)) for s in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert first.shape == (3, 8, 8, 1)
    assert np.abs(first - other).max() > 1e-3 and np.ptp(first, axis=0).max() > 1e-3


def test_samples_and_decoded_latents_use_no_image(trained):
    model, _ = trained
    model_weights = model.get_weights()
    before, latents = np.asarray(model.sample(2, seed=0)), model.encode(BATCH)
    rebuilt = np.asarray(model.decode(latents))
    for part in (model.stem, *model.encoder_cells, *model.downsamplings):
        part.set_weights([np.full_like(w, np.nan) for w in part.get_weights()])
    np.testing.assert_array_equal(model.sample(2, seed=0), before)
    np.testing.assert_array_equal(model.decode(latents), rebuilt)
    model.set_weights(model_weights)


@pytest.mark.parametrize("likelihood", ["gaussian", "bernoulli"])
def test_the_compiled_loss_is_the_error_and_the_divergences(likelihood):
    model = tiny(likelihood=likelihood, beta=0.5)
    model.compile("sgd", model.reconstruction_loss)
    loss = model.evaluate(BATCH, BATCH, batch_size=16, verbose=0)
    parts = model.elbo(BATCH, seed=EVALUATION_SEED)
    expected = 0.5 * parts["kl"] - parts["log_likelihood"]
    assert loss == pytest.approx(np.mean(expected), rel=1e-6)


def test_a_saved_model_goes_on_with_its_loss(trained, tmp_path, load_elsewhere):
    model, _ = trained
    expected = model.evaluate(BATCH, BATCH, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.evaluate(BATCH, BATCH, verbose=0) == pytest.approx(expected)
    assert int(loaded.optimizer.iterations) == 40
    np.savez(tmp_path / "model.inputs.npz", BATCH)
    elsewhere = load_elsewhere(tmp_path, keras.backend.backend())["model"]
    np.testing.assert_allclose(elsewhere["outputs"], model(BATCH), atol=1e-5)
    for group, latents in enumerate(model.encode(BATCH)):
        np.testing.assert_allclose(elsewhere[f"codes_{group}"], latents, atol=1e-5)
