import keras
import numpy as np
import pytest

from tests.helpers.case import Case, random_floats
from vqzoo.priors import ProgressiveCritic, ProgressiveGAN
from vqzoo.priors.gan import scales

CASES = [
    Case(
        "ProgressiveGAN",
        lambda: ProgressiveGAN(
            (4, 4), 6, 2, channels=(8, 8), noise_dim=3, attention_size=4
        ),
        (random_floats(4, 3),),
        unmoved=("attention_", "latents_0"),
    ),
    Case(
        "ProgressiveCritic",
        lambda: ProgressiveCritic((4, 4), 6, 2, channels=(8, 8), attention_size=4),
        (random_floats(4, 4, 4, 2),),
        unmoved=("attention_", "latents_0"),
    ),
]

SMALL = {"channels": (16, 8, 8), "num_residual_layers": 1, "num_condition_layers": 1}
CONDITION = {"num_classes": 3, "context": [((4, 4), 5)]}


def gan_of(grid_shape=(8, 8), **options):
    keras.utils.set_random_seed(0)
    settings = {**SMALL, "noise_dim": 6, "attention_size": 8, **options}
    gan = ProgressiveGAN(grid_shape, 10, 4, **settings)
    gan.set_codebook(np.random.default_rng(1).normal(3, 2, (10, 4)))
    return gan


def critic_of(**options):
    keras.utils.set_random_seed(1)
    return ProgressiveCritic((8, 8), 10, 4, **{**SMALL, "attention_size": 8, **options})


def floats(*shape):
    return np.random.default_rng(0).normal(size=shape).astype("float32")


def test_samples_are_the_codes_nearest_to_the_latents():
    gan = gan_of()
    latents = gan.generate(3, seed=0)
    codes = gan.sample(3, seed=0)
    assert latents.shape == (3, 8, 8, 4) and codes.dtype == np.int32
    codebook = keras.ops.convert_to_numpy(gan.codebook.value)
    distances = np.square(latents[..., None, :] - codebook).sum(axis=-1)
    np.testing.assert_array_equal(codes, distances.argmin(axis=-1))
    expected = distances.min(axis=-1).mean() / 4
    assert gan.requantization_error(latents) == pytest.approx(expected, rel=1e-4)
    assert gan.requantization_error(gan.latents_of(codes)) < 1e-8
    assert len(np.unique(gan.sample(16, seed=1))) > 3


def test_the_codebook_has_mean_zero_and_a_root_mean_square_of_one():
    codebook = keras.ops.convert_to_numpy(gan_of().codebook.value)
    np.testing.assert_allclose(codebook.mean(axis=0), 0, atol=1e-5)
    assert np.sqrt(np.mean(codebook**2)) == pytest.approx(1, abs=1e-5)


def test_each_scale_has_its_grid_and_a_fade_mixes_it_with_the_one_below():
    generator = gan_of().generator
    inputs = {"noise": floats(2, 6)}
    for scale, side in enumerate((2, 4, 8)):
        assert generator(inputs, scale=scale).shape == (2, side, side, 4)
    below = scales.upsample(generator(inputs, scale=1, fade=1.0)).numpy()
    new = generator(inputs, scale=2, fade=1.0).numpy()
    np.testing.assert_allclose(
        generator(inputs, scale=2, fade=0.0).numpy(), below, atol=1e-5
    )
    np.testing.assert_allclose(
        generator(inputs, scale=2, fade=0.25).numpy(),
        0.75 * below + 0.25 * new,
        atol=1e-5,
    )
    np.testing.assert_allclose(gan_of()(inputs["noise"]), new, atol=1e-5)


def test_the_critic_fades_as_the_generator_does():
    critic = critic_of().critic
    latents = floats(4, 8, 8, 4)
    coarse = scales.downsample(latents)
    old = critic({"latents": coarse}, scale=1, fade=1.0).numpy()
    faded = critic({"latents": latents}, scale=2, fade=0.0).numpy()
    np.testing.assert_allclose(faded, old, atol=1e-4)
    whole = critic({"latents": latents}, scale=2, fade=1.0).numpy()
    assert np.abs(whole - old).max() > 1e-3


def test_real_latents_become_coarse_and_fade_as_the_networks_do():
    latents = floats(2, 8, 8, 4)
    means = latents.reshape(2, 4, 2, 4, 2, 4).mean(axis=(2, 4))
    np.testing.assert_allclose(scales.real_at(latents, 3, 1, 1.0), means, atol=1e-6)
    coarse = means.reshape(2, 2, 2, 2, 2, 4).mean(axis=(2, 4))
    blocks = coarse.repeat(2, axis=1).repeat(2, axis=2)
    half = scales.real_at(latents, 3, 1, 0.5).numpy()
    np.testing.assert_allclose(half, (means + blocks) / 2, atol=1e-6)
    np.testing.assert_allclose(scales.real_at(latents, 3, 0, 0.0), coarse, atol=1e-6)


def test_class_and_tier_above_change_generator_and_critic_at_every_scale():
    gan, critic = gan_of(**CONDITION), critic_of(**CONDITION)
    for layer in (gan.generator.label, critic.critic.label):
        layer.embeddings.assign(floats(*layer.embeddings.shape))
    labels, above = np.array([0, 0, 0, 0]), np.zeros((4, 4, 4), "int32")
    base = {"label": labels, "context_0": above}
    others = [{**base, "label": labels + 1}, {**base, "context_0": above + 3}]
    for scale, side in enumerate((2, 4, 8)):
        noise, latents = {"noise": floats(4, 6)}, {"latents": floats(4, side, side, 4)}
        for other in others:
            for network, inputs in ((gan.generator, noise), (critic.critic, latents)):
                first = network({**inputs, **base}, scale=scale).numpy()
                second = network({**inputs, **other}, scale=scale).numpy()
                assert np.abs(first - second).max() > 1e-4
    codes = gan.sample(2, {"label": 1, "context": [above[:2]]}, seed=0)
    assert codes.shape == (2, 8, 8)


def test_attention_stands_where_the_grid_has_its_size():
    gan = gan_of(attention_size=4)
    assert set(gan.generator.stacks.attentions) == {"1"}
    assert not gan_of(attention_size=32).generator.stacks.attentions


def test_a_saved_generator_draws_the_same(tmp_path):
    gan = gan_of(**CONDITION)
    gan.save(tmp_path / "gan.keras")
    loaded = keras.saving.load_model(tmp_path / "gan.keras")
    condition = {"label": [0, 2], "context": [np.ones((2, 4, 4), int)]}
    first, again = (g.generate(2, condition, seed=0) for g in (gan, loaded))
    np.testing.assert_allclose(first, again, atol=1e-6)


def test_truncated_noise_stays_within_its_bound():
    from vqzoo.priors.gan import gan_prior

    noise = gan_prior._noise(0, (1000, 8), 0.7)
    assert np.abs(noise).max() <= 0.7 and noise.std() > 0.3


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: gan_of(channels=(8,) * 5), r"divide by 16.*\(8, 8\)"),
        (lambda: gan_of(channels=(8, 4)), r"at least 8.*\(8, 4\)"),
        (lambda: gan_of(channels=()), r"channels=\(\)"),
        (lambda: ProgressiveGAN((8, 8), 10, 0), "embedding_dim=0"),
        (lambda: gan_of().sample(1, temperature=1.5), r"\(0, 1\].*temperature=1.5"),
        (lambda: gan_of().sample(1, top_k=3), "top_k=3"),
        (lambda: gan_of().sample((1, 4, 4)), r"grids of \(8, 8\)"),
        (lambda: gan_of().generate(0), "at least one grid, received shape=0"),
        (lambda: gan_of().generate(1, truncation=0.0), "truncation=0.0"),
        (lambda: gan_of().sample(1, {"label": 0}), "no label"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_value(call, message):
    with pytest.raises(ValueError, match=message):
        call()
