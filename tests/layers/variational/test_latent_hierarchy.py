import numpy as np
import pytest
from keras import ops

from tests.helpers.case import Case, random_floats
from vqzoo.layers import LatentHierarchy

CASES = [
    Case(
        "LatentHierarchy",
        lambda: LatentHierarchy((3,), 2, beta=0.01, warmup_steps=4, seed=1),
        (random_floats(3, 2, 3, 2),),
        random=True,
    ),
]
REFUSED = [
    (lambda: LatentHierarchy((), 2), r"groups_per_scale=\(\)"),
    (lambda: LatentHierarchy((2, 0), 2), r"groups_per_scale=\(2, 0\)"),
    (lambda: LatentHierarchy((2,), 0), "latent_dim=0"),
    (lambda: LatentHierarchy((2,), 2, beta=-1.0), "beta=-1.0"),
    (lambda: LatentHierarchy((2,), 2, warmup_steps=-1), "warmup_steps=-1"),
    (
        lambda: LatentHierarchy((1, 1), 2)(np.zeros((1, 4, 4, 3), "float32")),
        r"sides double.*\(1, 1\).*\(1, 4, 4, 3\)",
    ),
]

SIDES = (2, 4, 4)


def features(batch=3):
    generator = np.random.default_rng(batch)
    shapes = [(batch, side, side, 6) for side in SIDES]
    return [generator.normal(size=shape).astype("float32") for shape in shapes]


def hierarchy(**options):
    layer = LatentHierarchy((1, 2), 2, **{"seed": 1, **options})
    layer.build([(None, side, side, 6) for side in SIDES])
    return layer


def silu(x):
    return x / (1 + np.exp(-x))


def first_posterior(layer, inputs):
    """Mean and log scale of the first group, from the definition."""
    start = np.broadcast_to(np.asarray(layer.start), inputs[0].shape)
    both = silu(np.concatenate([inputs[0], start], -1))
    moments = 5 * np.tanh(np.asarray(layer.posteriors[0](both)) / 5)
    return np.split(moments, 2, -1)


def test_the_state_at_inference_is_generated_by_the_posterior_means():
    layer, inputs = hierarchy(), features()
    state = np.asarray(layer(inputs))
    inferred, latents, kls = layer.infer(inputs)
    np.testing.assert_array_equal(inferred, state)
    np.testing.assert_array_equal(layer.generate(latents), state)
    assert [z.shape for z in latents] == [(3, side, side, 2) for side in SIDES]
    assert kls.shape == (3, 3) and np.asarray(kls).min() > 0 and state.std() > 0


def test_the_loss_is_the_sum_of_the_divergences_of_all_groups():
    layer, inputs = hierarchy(beta=0.5, warmup_steps=7), features()
    layer(inputs)
    (loss,) = layer.losses
    expected = 0.5 * np.asarray(layer.infer(inputs)[2]).sum(1).mean()
    assert float(loss) == pytest.approx(expected, rel=1e-5)


def test_the_first_posterior_changes_the_standard_normal():
    layer, inputs = hierarchy(), features()
    _, latents, kls = layer.infer(inputs)
    mean, log_scale = first_posterior(layer, inputs)
    np.testing.assert_allclose(latents[0], mean, rtol=1e-5, atol=1e-6)
    kl = 0.5 * (mean**2 + np.exp(2 * log_scale) - 1 - 2 * log_scale)
    np.testing.assert_allclose(np.asarray(kls)[:, 0], kl.sum((1, 2, 3)), rtol=1e-4)


def test_posteriors_that_change_nothing_are_the_priors():
    layer, inputs = hierarchy(), features()
    for posterior in layer.posteriors:
        posterior.kernel.assign(np.zeros(posterior.kernel.shape))
    state, means, kls = layer.infer(inputs)
    assert not np.asarray(kls).any()
    assert not np.asarray(means[0]).any() and np.asarray(means[1]).all()
    np.testing.assert_array_equal(layer.sample(3, 0.0, [1, 2, 3]), state)
    drawn, _, _ = layer.infer(inputs, [1, 2, 3])
    np.testing.assert_allclose(layer.sample(3, 1.0, [1, 2, 3]), drawn, atol=1e-5)


def test_the_latents_above_decide_on_the_prior_below():
    layer = hierarchy()
    latents = [np.zeros((1, side, side, 2), "float32") for side in SIDES]
    changed = [np.ones_like(latents[0]), *latents[1:]]
    still, moved = (np.asarray(layer.generate(z)) for z in (latents, changed))
    assert np.abs(still - moved).min(-1).max() > 1e-3


def test_the_warm_up_raises_the_weight_step_by_step():
    layer = LatentHierarchy((1,), 2, beta=2.0, warmup_steps=4)
    inputs = features()[0]
    layer(inputs)
    full = float(layer.losses[0])
    shares = []
    for _ in range(6):
        layer(inputs, training=True)
        shares.append(float(layer.losses[0]) / full)
        layer(inputs)
        assert float(layer.losses[0]) == pytest.approx(full, rel=1e-6)
    np.testing.assert_allclose(shares, [0.25, 0.5, 0.75, 1, 1, 1], rtol=1e-5)
    assert float(layer.steps.value) == 4


def test_balancing_weighs_groups_by_their_divergence_per_latent():
    # Sizes 8, 32 and 32: divergences per latent 1/2, 1/4 and 0, weights 2, 1 and 0.
    kls = ops.convert_to_tensor(np.array([4.0, 8.0, 0.0], "float32"))
    layer = hierarchy(warmup_steps=2)
    assert float(layer._loss(kls, False)) == 12
    assert float(layer._loss(kls, True)) == pytest.approx(0.5 * (2 * 4 + 1 * 8))
    # The warm-up is over.
    assert float(layer._loss(kls, True)) == 12
    assert float(hierarchy(warmup_steps=2, kl_balancing=False)._loss(kls, True)) == 6


def test_balancing_without_any_divergence_gives_no_nan():
    assert float(hierarchy(warmup_steps=2)._loss(ops.zeros(3), True)) == 0


def test_training_draws_and_inference_does_not():
    layer, inputs = hierarchy(), features()
    np.testing.assert_array_equal(layer(inputs), layer(inputs))
    first, second = layer(inputs, training=True), layer(inputs, training=True)
    assert np.abs(np.asarray(first) - np.asarray(second)).max() > 0.01
    drawn = [layer.infer(inputs, [5, 6, 7])[1] for _ in range(2)]
    np.testing.assert_array_equal(drawn[0][2], drawn[1][2])


def test_draws_spread_as_the_posterior_says():
    layer = hierarchy()
    inputs = [np.repeat(x, 2000, axis=0) for x in features(1)]
    _, drawn, _ = layer.infer(inputs, [5, 6, 7])
    mean, log_scale = first_posterior(layer, [inputs[0][:1]])
    noise = (np.asarray(drawn[0]) - mean) / np.exp(log_scale)
    assert np.abs(noise.mean(0)).max() < 0.08
    np.testing.assert_allclose(noise.std(0), 1, atol=0.06)


def test_the_temperature_scales_the_deviation_of_every_prior():
    layer = hierarchy()
    still = np.asarray(layer.sample(4, 0.0, [1, 2, 3]))
    np.testing.assert_allclose(still, still[:1].repeat(4, axis=0), atol=1e-6)
    # Near temperature 0 the state is linear in the noise.
    steps = [np.asarray(layer.sample(4, t, [1, 2, 3])) - still for t in (0.01, 0.02)]
    np.testing.assert_allclose(steps[1], 2 * steps[0], atol=0.05 * steps[1].std())
    # A temperature that left any group alone would leave noise in the state.
    assert 0 < steps[0].std() < 0.05 * still.std()


def test_features_and_latents_of_another_hierarchy_are_refused():
    inputs = features()
    with pytest.raises(ValueError, match="of 3 groups, received 2"):
        hierarchy().generate([np.zeros((1, 2, 2, 2))] * 2)
    with pytest.raises(ValueError, match=r"features of 3 groups.*\(1, 2\)"):
        LatentHierarchy((1, 2), 2)(inputs[:2])
    with pytest.raises(ValueError, match=r"double.*\(3, 2, 2, 6\), \(3, 2, 2, 6\)"):
        LatentHierarchy((1, 2), 2)([inputs[0], inputs[0], inputs[2]])
