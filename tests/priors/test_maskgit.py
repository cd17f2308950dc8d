import itertools
import json

import keras
import numpy as np
import pytest

from tests.helpers.case import Case, random_codes
from tests.helpers.steps import compiled
from vqzoo.datasets.masking import hide
from vqzoo.priors import MaskGIT

CASES = [
    Case(
        "MaskGIT",
        lambda: MaskGIT((2, 3), 4, num_layers=1, num_channels=4, num_heads=2, seed=1),
        (random_codes(2, 2, 3),),
        random=True,
    ),
    Case(
        "MaskGIT-rotary",
        lambda: MaskGIT(
            (2, 3),
            4,
            num_layers=1,
            num_channels=4,
            num_heads=1,
            block="rotary",
            seed=1,
        ),
        (random_codes(2, 2, 3),),
        random=True,
    ),
]

SMALL = {"num_layers": 2, "num_channels": 16, "num_heads": 2, "dropout": 0.0}


def prior_of(grid_shape=(3, 4), num_embeddings=8, **options):
    keras.utils.set_random_seed(0)
    prior = MaskGIT(grid_shape, num_embeddings, **{**SMALL, **options})
    generator = np.random.default_rng(0)
    for weight in prior.trainable_variables:
        noise = generator.normal(0, 0.2, weight.shape)
        weight.assign(weight.value + noise.astype("float32"))
    return prior


def test_samples_are_codes_and_follow_the_seed():
    prior = prior_of()
    codes = prior.sample(5, seed=0, num_steps=4)
    assert codes.dtype == np.int32 and codes.shape == (5, 3, 4)
    assert 0 <= codes.min() and codes.max() < 8
    assert np.array_equal(codes, prior.sample(5, seed=0, num_steps=4))
    assert not np.array_equal(codes, prior.sample(5, seed=1, num_steps=4))


def test_one_step_draws_from_what_the_network_says_of_a_hidden_grid():
    prior = prior_of((1, 2), 4)
    hidden = np.full((1, 1, 2), 4, "int32")
    logits = keras.ops.convert_to_numpy(prior(hidden))[0, 0]
    expected = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    drawn = prior.sample(4000, seed=0, num_steps=1)[:, 0]
    for place in range(2):
        counts = np.bincount(drawn[:, place], minlength=4) / 4000
        np.testing.assert_allclose(counts, expected[place], atol=0.03)


def test_each_step_keeps_what_was_drawn_before():
    prior = prior_of()
    seen = []
    call = prior.call

    def watch(inputs, training=None, mask=None):
        codes = inputs["codes"] if isinstance(inputs, dict) else inputs
        seen.append(np.asarray(codes))
        return call(inputs, training=training)

    from vqzoo.priors import maskgit

    sampler = maskgit._Sampler(prior, None, None, None, 4, 1.0)
    generator = np.random.default_rng(0)
    inputs = {
        "uniform": generator.random((2, 4, 12), "float32"),
        "gumbel": generator.gumbel(size=(2, 4, 12)).astype("float32"),
        "temperature": np.ones(2, "float32"),
    }
    prior.call = watch
    final = np.asarray(sampler(inputs))
    counts = [(codes == 8).sum(axis=(1, 2)).tolist() for codes in seen]
    # 12 places, and floor(12 cos(pi/8)), floor(12 cos(pi/4)), floor(12 cos(3 pi/8)).
    assert counts == [[12, 12], [11, 11], [8, 8], [4, 4]]
    for codes, later in itertools.pairwise([*seen, final]):
        known = codes < 8
        assert np.array_equal(codes[known], later[known])


def test_the_learned_schedule_is_the_best_of_all():
    nats = {1: 0.5, 2: 1.5, 3: 1.6, 4: 3.0, 5: 3.2}
    prior = MaskGIT(
        (1, 5),
        8,
        num_layers=1,
        num_channels=4,
        num_heads=1,
        nats_by_hidden=list(nats.items()),
    )

    def cost(hidden):
        befores = (5, *hidden[:-1])
        return sum((b - a) * nats[b] for b, a in zip(befores, hidden) if b > a)

    for num_steps in (1, 2, 3, 5, 7):
        ways = itertools.product(range(6), repeat=num_steps - 1)
        ways = [(*way, 0) for way in ways if sorted(way, reverse=True) == [*way]]
        found = prior.schedule(num_steps)
        assert cost(found) == pytest.approx(min(map(cost, ways)))
        assert len(found) == num_steps and found[-1] == 0
    assert prior.schedule(2) == (3, 0)
    again = MaskGIT.from_config(json.loads(json.dumps(prior.get_config())))
    assert again.schedule(3) == prior.schedule(3)


def test_a_settled_prior_knows_its_loss_and_draws_by_its_schedule():
    prior = prior_of(num_classes=2, context=[((3, 2), 5)])
    generator = np.random.default_rng(0)
    arrays = {
        "top": generator.integers(5, size=(16, 3, 2)).astype("int32"),
        "bottom": generator.integers(8, size=(16, 3, 4)).astype("int32"),
        "label": np.arange(16, dtype="int32") % 2,
    }
    condition = {"label": 1, "context": [arrays["top"][:2]]}
    assert prior.schedule(4) == (11, 8, 4, 0)
    prior.sample(2, condition, seed=0, num_steps=4)
    assert prior.settle(arrays, ["top", "bottom"])
    counts, nats = zip(*prior.nats_by_hidden)
    assert counts == tuple(range(1, 13))
    # With all hidden the loss is that of a hidden grid.
    hidden = {"codes": np.full((16, 3, 4), 8, "int32"), "context_0": arrays["top"]}
    logits = prior({**hidden, "label": arrays["label"]})
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    expected = float(loss(arrays["bottom"], logits))
    assert nats[-1] == pytest.approx(expected, abs=1e-3)
    codes = prior.sample(2, condition, seed=0, num_steps=4)
    assert codes.min() >= 0 and codes.max() < 8


def test_the_bound_is_exact_for_one_place_and_for_independent_places():
    prior = prior_of((1, 1), 4)
    logits = keras.ops.convert_to_numpy(prior(np.full((1, 1, 1), 4, "int32")))
    log_p = logits[0, 0, 0] - np.log(np.exp(logits).sum())
    bound = prior.log_prob_bound(np.arange(4).reshape(4, 1, 1))
    np.testing.assert_allclose(bound, log_p, atol=1e-5)


@pytest.mark.slow
def test_the_bound_is_below_the_entropy_of_a_fitted_pattern_and_near_it():
    codes = np.tile(np.arange(12).reshape(1, 3, 4) % 8, (64, 1, 1)).astype("int32")
    codes[::2] = 7 - codes[::2]
    prior = prior_of()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    compiled(prior, keras.optimizers.Adam(3e-3), loss)
    before = prior.log_prob_bound(codes).mean()
    for step in range(150):
        hidden, weights = hide(codes, (0, step), 8)
        prior.train_on_batch(hidden, codes, weights)
    after = prior.log_prob_bound(codes, num_draws=16).mean()
    # One bit, which of the two patterns it is, cannot be known: 0.69 nats.
    assert before < -20 and -2 < after < -0.5
    drawn = prior.sample(32, seed=0, num_steps=6)
    matches = [(drawn == pattern).mean(axis=(1, 2)) for pattern in codes[:2]]
    assert np.mean(np.max(matches, axis=0)) > 0.9


def test_a_config_of_before_is_one_of_plain_blocks():
    config = prior_of().get_config()
    assert config.pop("block") == "plain"
    assert MaskGIT.from_config(config).blocks[0].name == "block_0"
    names = [weight.path for weight in MaskGIT.from_config(config).weights]
    assert names == [weight.path for weight in prior_of().weights]


def test_conditions_act_on_rotary_blocks_by_their_norms_and_all_weights_learn():
    prior = prior_of(num_classes=3, context=[((3, 2), 5)], block="rotary")
    prior.modulations.kernel.assign(0 * prior.modulations.kernel)
    inputs = {
        "codes": np.full((2, 3, 4), 8, "int32"),
        "label": np.array([0, 2], "int32"),
        "context_0": np.arange(12).reshape(2, 3, 2).astype("int32") % 5,
    }
    unmoved = keras.ops.convert_to_numpy(prior(inputs))
    np.testing.assert_allclose(unmoved[0], unmoved[1], atol=1e-6)
    assert np.ptp(unmoved, axis=(1, 2)).min() > 0.01  # positions differ all the same
    generator = np.random.default_rng(1)
    kernel = prior.modulations.kernel
    kernel.assign(generator.normal(0, 0.2, kernel.shape).astype("float32"))
    moved = keras.ops.convert_to_numpy(prior(inputs))
    assert np.abs(moved[0] - moved[1]).max() > 0.01
    compiled(
        prior,
        keras.optimizers.Adam(1e-3, epsilon=1e-20),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    before = prior.get_weights()
    codes = generator.integers(8, size=(2, 3, 4)).astype("int32")
    prior.train_on_batch(
        {**inputs, "codes": np.where(codes < 4, codes, 8).astype("int32")}, codes
    )
    still = [
        weight.path
        for weight, old in zip(prior.weights, before)
        if weight.trainable and np.array_equal(old, weight.numpy())
    ]
    assert still == []


@pytest.mark.parametrize("block", ["plain", "rotary"])
def test_the_condition_changes_the_samples(block):
    prior = prior_of(num_classes=3, context=[((3, 2), 5)], block=block)
    above = np.zeros((2, 3, 2), int)
    first = prior.sample(2, {"label": 0, "context": [above]}, seed=0)
    second = prior.sample(2, {"label": 2, "context": [above]}, seed=0)
    third = prior.sample(2, {"label": 0, "context": [above + 4]}, seed=0)
    assert not np.array_equal(first, second) and not np.array_equal(first, third)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda p: p.sample(1, num_steps=0), "num_steps=0"),
        (lambda p: p.sample(1, choice_temperature=-1.0), "choice_temperature=-1.0"),
        (lambda p: p.sample(1, temperature=0.0), "temperature=0.0"),
        (lambda p: p.sample(1, top_k=9), "top_k=9"),
        (lambda p: p.sample((1, 4, 3)), r"grids of \(3, 4\)"),
        (lambda p: p.sample(1, {"label": 0}), "no label"),
        (lambda p: p.log_prob_bound(np.full((1, 3, 4), 8)), r"codes in \[0, 8\)"),
        (lambda p: prior_of(num_layers=0), "num_layers=0"),
        (lambda p: prior_of(num_heads=3), "num_heads=3"),
        (lambda p: prior_of(block="new"), "'plain', 'rotary'.*block='new'"),
        (
            lambda p: prior_of(block="rotary", num_heads=8),
            "heads of a multiple of 4 channels, received num_heads=8",
        ),
    ],
)
def test_what_does_not_fit_is_refused_with_its_value(call, message):
    with pytest.raises(ValueError, match=message):
        call(prior_of())
