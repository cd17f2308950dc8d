import keras
import numpy as np
import pytest

from tests.helpers.case import Case, random_floats
from tests.helpers.steps import compiled
from vqzoo.layers import FrequencyLatents, ProjectedLatents, VectorQuantizer
from vqzoo.models import VQVAE, VQVAE2
from vqzoo.priors import HybridTransformer, Transformer
from vqzoo.priors.pipeline import Pipeline

CASES = [
    Case(
        "HybridTransformer",
        lambda: HybridTransformer(
            (2, 3),
            4,
            2,
            num_layers=1,
            num_channels=4,
            num_heads=2,
            num_mixtures=2,
            seed=1,
        ),
        (random_floats(2, 2, 3, 3),),
        random=True,
    ),
]

SMALL = {
    "num_layers": 2,
    "num_channels": 8,
    "num_heads": 2,
    "num_mixtures": 3,
    "dropout": 0.0,
}


def prior_of(grid_shape=(2, 3), num_embeddings=5, num_values=2, **options):
    keras.utils.set_random_seed(0)
    settings = {**SMALL, **options}
    prior = HybridTransformer(grid_shape, num_embeddings, num_values, **settings)
    generator = np.random.default_rng(0)
    for weight in prior.trainable_variables:
        noise = generator.normal(0, 0.2, weight.shape)
        weight.assign(weight.value + noise.astype("float32"))
    return prior


def data_of(count, num_values=2, seed=0):
    generator = np.random.default_rng(seed)
    codes = generator.integers(0, 5, (count, 2, 3)).astype("int32")
    return codes, generator.normal(3, 2, (count, 2, 3, num_values)).astype("float32")


@pytest.mark.parametrize("num_classes", [0, 3])
def test_cached_samples_are_those_of_the_whole_network(num_classes):
    prior = prior_of(num_classes=num_classes)
    prior.adapt(*data_of(50), has_values=[True, False, True, True, False])
    condition = {"label": [0, 2, 1]} if num_classes else None
    codes, values = prior.sample(3, condition, seed=1)
    again = prior.sample(3, condition, seed=1, cached=False)
    np.testing.assert_array_equal(codes, again[0])
    np.testing.assert_allclose(values, again[1], atol=1e-3)
    assert (values[np.isin(codes, (1, 4))] == 0).all()
    assert np.abs(values[np.isin(codes, (0, 2, 3))]).min() > 0


def test_the_density_is_that_of_categories_and_mixtures():
    prior = prior_of((1, 1), 3, 1, num_mixtures=2)
    prior.adapt(np.array([[[0]], [[1]]]), np.array([[[[1.0]]], [[[5.0]]]]))
    codes, values = np.array([[[2]]]), np.array([[[[4.0]]]])
    outputs = np.asarray(prior(prior.pack(codes, values)))[0, 0, 0].astype(float)
    logits, (a, b, m0, m1, s0, s1) = outputs[:3], outputs[3:]
    of_code = logits[2] - np.log(np.exp(logits).sum())
    weights = np.exp([a, b]) / np.exp([a, b]).sum()
    value = (4 - 3) / 2  # mean 3, deviation 2
    densities = [
        np.exp(-0.5 * ((value - m) / np.exp(s)) ** 2) / np.sqrt(2 * np.pi) / np.exp(s)
        for m, s in ((m0, s0), (m1, s1))
    ]
    expected = of_code + np.log(weights @ densities) - np.log(2)
    assert prior.log_prob(codes, values)[0] == pytest.approx(expected, abs=1e-4)


def test_the_density_of_a_place_integrates_to_one():
    prior = prior_of((1, 1), 3, 1)
    grid = np.linspace(-60, 60, 6001)
    total = 0.0
    for code in range(3):
        codes = np.full((len(grid), 1, 1), code)
        log_p = prior.log_prob(codes, grid.reshape(-1, 1, 1, 1))
        total += np.trapezoid(np.exp(log_p), grid)
    assert total == pytest.approx(1, abs=1e-3)


def test_codes_without_values_count_by_their_probability_alone():
    prior = prior_of()
    codes, values = data_of(4)
    prior.adapt(codes, values, has_values=[True] * 4 + [False])
    codes[:] = 4
    np.testing.assert_allclose(
        prior.log_prob(codes, values), prior.log_prob(codes, 7 * values), rtol=1e-6
    )
    codes[:] = 3
    differ = prior.log_prob(codes, values) - prior.log_prob(codes, 7 * values)
    assert np.abs(differ).min() > 1


def test_a_place_depends_on_earlier_places_and_its_values_on_its_code():
    prior = prior_of()
    codes, values = data_of(1)
    base = np.asarray(prior(prior.pack(codes, values)))[0].reshape(6, -1)
    for place in range(6):
        other, moved = codes.copy(), values.copy()
        other.reshape(-1)[place] = (other.reshape(-1)[place] + 1) % 5
        moved.reshape(6, 2)[place] += 1
        of_code = np.asarray(prior(prior.pack(other, values)))[0].reshape(6, -1)
        of_value = np.asarray(prior(prior.pack(codes, moved)))[0].reshape(6, -1)
        assert np.array_equal(of_code[:place], base[:place])
        assert np.array_equal(of_value[: place + 1], base[: place + 1])
        assert np.array_equal(of_code[place, :5], base[place, :5])
        assert np.abs(of_code[place, 5:] - base[place, 5:]).max() > 1e-4
        if place < 5:
            assert np.abs(of_value[place + 1] - base[place + 1]).max() > 1e-5


@pytest.mark.slow
def test_fit_learns_values_that_follow_from_their_codes():
    generator = np.random.default_rng(0)
    codes = generator.integers(0, 5, (256, 2, 3)).astype("int32")
    values = (codes[..., None] - 2.0) + generator.normal(0, 0.1, (256, 2, 3, 1))
    prior = prior_of(num_values=1)
    prior.adapt(codes, values)
    packed = prior.pack(codes, values)
    before = prior.log_prob(codes, values).mean()
    compiled(prior, keras.optimizers.Adam(1e-2), prior.nats)
    prior.fit(packed, packed, batch_size=32, epochs=20, verbose=0)
    after = prior.log_prob(codes, values).mean()
    # The truth: 6 even choices of 5, and a Gaussian of deviation 0.1 each.
    truth = 6 * (-np.log(5) - 0.5 * np.log(2 * np.pi * np.e) - np.log(0.1))
    assert before < truth - 10 and truth - 3 < after < truth + 1
    drawn, numbers = prior.sample(200, seed=0)
    assert np.abs(numbers[..., 0] - (drawn - 2.0)).mean() < 0.3


@pytest.mark.parametrize("kind", ["projected", "frequency", "both"])
def test_models_with_hybrid_latents_give_and_take_codes_and_values(kind):
    keras.utils.set_random_seed(0)
    quantizer = VectorQuantizer(8, 4, codebook_init="random_normal")
    if kind == "projected":
        layer = ProjectedLatents(quantizer)
    else:
        layer = FrequencyLatents(quantizer, 3, projected=kind == "both")
    sizes = {"num_channels": 8, "residual_channels": 4, "num_residual_blocks": 1}
    model = VQVAE(layer, image_shape=(8, 8, 3), **sizes)
    images = np.random.default_rng(0).uniform(-0.5, 0.5, (16, 8, 8, 3))
    images = images.astype("float32")
    model(images, training=True)
    (codes,), (values,) = model.encode_hybrid(images)
    assert values.shape == (16, 2, 2, 4 if kind == "frequency" else 1)
    for rebuilt in (
        model.decode_hybrid((codes,), (values,)),
        model.from_grids(model.grids(images)),
    ):
        np.testing.assert_allclose(rebuilt, model(images), atol=1e-5)
    has_values = np.asarray(layer.has_values)
    assert has_values.sum() == (8 if kind == "projected" else 5)
    prior = prior_of((2, 2), 8, values.shape[-1])
    prior.adapt(np.asarray(codes), np.asarray(values), has_values)
    drawn = Pipeline(model, [prior]).sample(2, seed=0)
    assert drawn.codes[0].shape == (2, 2, 2) and np.isfinite(drawn.images).all()
    grids = prior.pack(drawn.codes[0], drawn.values[0])
    np.testing.assert_allclose(
        drawn.log_prob, prior.log_likelihood(grids), rtol=1e-5, atol=1e-4
    )
    np.testing.assert_allclose(drawn.images, model.from_grids([grids]), atol=1e-5)


def two_tiers():
    """A model of two hybrid tiers, and a prior for each."""
    keras.utils.set_random_seed(0)
    tiers = [
        ProjectedLatents(VectorQuantizer(8, 4, codebook_init="random_normal"))
        for _ in range(2)
    ]
    sizes = {"num_channels": 8, "residual_channels": 4, "num_residual_blocks": 1}
    model = VQVAE2(tiers, image_shape=(16, 16, 3), **sizes)
    top = prior_of((2, 2), 8, 1)
    return model, top, prior_of((4, 4), 8, 1, context=[((2, 2), 8, 1)])


def test_the_bottom_prior_of_two_tiers_sees_codes_and_numbers_of_the_top():
    model, top, bottom = two_tiers()
    images = np.random.default_rng(0).uniform(-0.5, 0.5, (6, 16, 16, 3))
    grids = [np.asarray(tier) for tier in model.grids(images.astype("float32"))]
    arrays = dict(zip(("top", "bottom"), grids))
    for prior, names in ((top, ["top"]), (bottom, ["top", "bottom"])):
        prior.adapt_to(arrays, names, model.quantizers[0])
    mean = bottom.conditions.units["0"].mean
    np.testing.assert_allclose(mean, grids[0][..., 1].mean(), rtol=1e-5)
    pipeline = Pipeline(model, [top, bottom])
    base = pipeline.log_prob(grids)
    for moved in (0, 1):  # the code, its number
        other = grids[0].copy()
        other[..., moved] = (other[..., moved] + 1) % 8
        alone = [
            p.log_likelihood(g, p.condition(None, [other]))
            for p, g in zip((top, bottom), (grids[0], grids[1]))
        ]
        assert np.abs(sum(alone) - base).min() > 1e-4
    samples = pipeline.sample(3, seed=0)
    assert set(samples.to_arrays(model.tier_names)) >= {"top_values", "bottom_values"}
    again = pipeline.sample(3, seed=0)
    np.testing.assert_array_equal(samples.values[1], again.values[1])
    drawn = bottom.condition(None, [top.pack(samples.codes[0], samples.values[0])])
    for cached in (True, False):
        codes, values = bottom.sample(3, drawn, seed=1, cached=cached)
        assert codes.shape == (3, 4, 4) and values.shape == (3, 4, 4, 1)
    with pytest.raises(ValueError, match="2, 2, 2.*1 numbers beside each"):
        bottom.log_likelihood(grids[1], {"context": [grids[0][..., 0]]})


def test_a_prior_of_codes_alone_is_refused_for_hybrid_latents():
    model, top, _ = two_tiers()
    plain = Transformer((4, 4), 8, num_layers=1, num_channels=8, num_heads=2)
    with pytest.raises(ValueError, match="1 real numbers beside.*num_values=0"):
        Pipeline(model, [top, plain])


def test_half_precision_keeps_every_code():
    prior = prior_of((2, 2), 600, 1, dtype="mixed_bfloat16")
    codes = np.array([[[511, 257], [259, 599]]])
    known, _ = prior.tokens.known_of(prior.pack(codes, np.zeros((1, 2, 2, 1))))
    assert np.array_equal(known, codes)
    # What the layer is called with is not rounded on the way to it.
    prior.tokens.known_of = lambda latents: (latents[..., 0], latents[..., 1:])
    grids = prior.pack(codes, codes[..., None])
    assert np.array_equal(prior.tokens(grids)[1], codes)


def test_half_precision_is_fitted_and_sampled():
    prior = prior_of(dtype="mixed_bfloat16", num_classes=2)
    codes, values = data_of(4)
    prior.adapt(codes, values)
    grids, condition = prior.pack(codes, values), {"label": [0, 1, 0, 1]}
    full = prior_of(num_classes=2)
    full.set_weights(prior.get_weights())
    np.testing.assert_allclose(
        prior.log_likelihood(grids, condition),
        full.log_likelihood(grids, condition),
        rtol=0.05,
    )
    compiled(prior, keras.optimizers.Adam(1e-2), prior.nats)
    inputs = {"latents": grids, "label": np.array([0, 1, 0, 1])}
    assert np.isfinite(prior.train_on_batch(inputs, grids))
    assert np.isfinite(prior.sample(4, condition, seed=0)[1]).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda p: prior_of(num_values=0), "num_values=0"),
        (lambda p: prior_of(num_mixtures=0), "num_mixtures=0"),
        (
            lambda p: p.log_prob(np.zeros((1, 2, 3), int), np.zeros((1, 2, 3, 1))),
            "1, 2, 3, 2",
        ),
        (
            lambda p: p.log_prob(np.full((1, 2, 3), 5), np.zeros((1, 2, 3, 2))),
            "codes in",
        ),
        (lambda p: p.sample(1, temperature=0.0), "temperature=0.0"),
        (lambda p: p.sample(1, {"label": 1}), "no label"),
        (lambda p: p.adapt(*data_of(2), has_values=[False] * 5), "received none"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_value(call, message):
    with pytest.raises(ValueError, match=message):
        call(prior_of())
