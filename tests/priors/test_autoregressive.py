import functools
import itertools

import keras
import numpy as np
import pytest

from tests.helpers.case import Case, random_codes
from tests.helpers.raster_priors import KINDS, prior_of
from tests.helpers.steps import compiled
from vqzoo import priors
from vqzoo.priors import (
    GatedPixelCNN,
    PixelCNN,
    PixelRNN,
    PixelSNAIL,
    RotaryTransformer,
    Transformer,
)

CASES = [
    Case(
        "GatedPixelCNN",
        lambda: GatedPixelCNN(
            (2, 3),
            4,
            num_layers=2,
            num_channels=4,
            output_channels=6,
            first_kernel_size=3,
        ),
        (random_codes(2, 2, 3),),
    ),
    Case(
        "PixelCNN",
        lambda: PixelCNN((2, 3), 4, num_channels=4, first_kernel_size=3),
        (random_codes(2, 2, 3),),
    ),
    Case(
        "PixelRNN-row",
        lambda: PixelRNN((2, 3), 4, cell="row", num_layers=1, units=2),
        (random_codes(2, 2, 3),),
    ),
    Case(
        "PixelRNN-diagonal",
        lambda: PixelRNN((2, 3), 4, num_layers=1, units=2),
        (random_codes(2, 2, 3),),
    ),
    Case(
        "PixelSNAIL",
        lambda: PixelSNAIL(
            (2, 3),
            4,
            num_blocks=1,
            num_residual_blocks=1,
            num_channels=4,
            residual_channels=3,
            kernel_size=3,
            num_heads=2,
            seed=1,
        ),
        (random_codes(2, 2, 3),),
        random=True,
    ),
    Case(
        "RotaryTransformer",
        lambda: RotaryTransformer(
            (2, 3), 4, num_layers=1, num_channels=4, num_heads=1, seed=1
        ),
        (random_codes(2, 2, 3),),
        random=True,
    ),
    Case(
        "Transformer",
        lambda: Transformer(
            (2, 3), 4, num_layers=1, num_channels=4, num_heads=2, seed=1
        ),
        (random_codes(2, 2, 3),),
        random=True,
    ),
]

CONDITIONS = {
    "none": ({}, None),
    "class": ({"num_classes": 3}, {"label": [0, 2, 1]}),
    "all": (
        {"num_classes": 3, "context": [((2, 2), 5), ((4, 6), 7)]},
        {
            "label": [0, 1, 2],
            "context": [
                np.arange(12).reshape(3, 2, 2) % 5,
                np.arange(72).reshape(3, 4, 6) % 7,
            ],
        },
    ),
}


each_kind = pytest.mark.parametrize(
    "kind",
    [pytest.param(kind, marks=pytest.mark.xdist_group(kind)) for kind in KINDS],
)


@functools.cache
def conditioned(kind, name):
    """A prior and its condition; it is compiled once for all that draw from it."""
    options, condition = CONDITIONS[name]
    return prior_of(kind=kind, **options), condition


each_condition = pytest.mark.parametrize("name", CONDITIONS)


@each_condition
@each_kind
def test_cached_samples_are_those_of_the_whole_network(kind, name):
    prior, condition = conditioned(kind, name)
    cached = prior.sample(3, condition, seed=1)
    whole = prior.sample(3, condition, seed=1, cached=False)
    assert cached.dtype == np.int32 and cached.shape == (3, 4, 6)
    assert np.array_equal(cached, whole)
    assert len(np.unique(cached)) > 4
    other = prior.sample(3, condition, seed=2)
    assert not np.array_equal(cached, other)


@each_kind
def test_a_prior_in_bfloat16_samples_whatever_the_global_policy_is(kind):
    options, condition = CONDITIONS["class"]
    prior = prior_of(kind=kind, dtype="mixed_bfloat16", **options)
    assert keras.config.dtype_policy().name == "float32"
    drawn = prior.sample(3, condition, seed=1)
    assert drawn.shape == (3, 4, 6) and 0 <= drawn.min() and drawn.max() < 16


@each_condition
@each_kind
def test_cached_logits_are_those_of_the_whole_network(kind, name):
    prior, condition = conditioned(kind, name)
    codes = np.random.default_rng(0).integers(0, 16, (3, 4, 6)).astype("int32")
    arrays = codes
    if condition:
        arrays = {"codes": codes}
        arrays |= {k: np.asarray(v) for k, v in condition.items() if k == "label"}
        context = condition.get("context", ())
        arrays |= {f"context_{i}": c for i, c in enumerate(context)}
    expected = keras.ops.convert_to_numpy(prior(arrays))
    features = prior.conditions and prior.conditions(arrays)
    state = prior.start(3)
    for row in range(4):
        row_features = None
        if features is not None:
            row_features = features[:, row if features.shape[1] > 1 else 0]
        state = prior.begin_row(state, row_features)
        for column in range(6):
            logits, state = prior.logits_at(state, column)
            np.testing.assert_allclose(logits, expected[:, row, column], atol=1e-4)
            state = prior.put(state, codes[:, row, column], column)
        state = prior.end_row(state)


@each_kind
def test_a_place_depends_on_earlier_places_alone(kind):
    prior = prior_of(kind=kind)
    codes = np.random.default_rng(1).integers(0, 16, (1, 4, 6)).astype("int32")
    places = np.repeat(codes, 25, axis=0)
    for place in range(24):  # One grid for each place, another code there.
        row, column = divmod(place, 6)
        places[place, row, column] = (places[place, row, column] + 5) % 16
    logits = keras.ops.convert_to_numpy(prior(places)).reshape(25, 24, 16)
    changed = np.abs(logits[:24] - logits[24]).max(axis=2)
    later = np.triu(np.ones((24, 24), bool), 1)
    assert changed[~later].max() == 0
    beside = [(place, place + 1) for place in range(23) if place % 6 < 5]
    below = [(place, place + 6) for place in range(18)]
    assert min(changed[pair] for pair in beside + below) > 0
    if kind in ("pixelsnail", "transformer", "rotary_transformer", "diagonal_bilstm"):
        assert changed[0, -1] > 0


@each_kind
def test_the_probabilities_of_all_grids_sum_to_one(kind):
    prior = prior_of((2, 2), 3, kind=kind)
    grids = np.array(list(itertools.product(range(3), repeat=4))).reshape(-1, 2, 2)
    log_p = prior.log_prob(grids)
    assert np.exp(log_p).sum() == pytest.approx(1, abs=1e-5)
    assert np.ptp(log_p) > 0.5


def test_samples_follow_the_likelihood():
    prior = prior_of((1, 2), 3)
    grids = np.array(list(itertools.product(range(3), repeat=2))).reshape(-1, 1, 2)
    expected = np.exp(prior.log_prob(grids))
    drawn = prior.sample(4000, seed=0).reshape(-1, 2)
    counts = np.bincount(drawn @ [3, 1], minlength=9) / 4000
    np.testing.assert_allclose(counts, expected, atol=0.03)  # 4 standard deviations


@each_kind
def test_the_condition_changes_the_likelihood(kind):
    prior = prior_of(kind=kind, num_classes=3, context=[((2, 2), 5)])
    codes = np.zeros((2, 4, 6), int)
    above = np.array([np.zeros((2, 2), int), np.ones((2, 2), int)])
    same = {"label": 1, "context": [above[:1].repeat(2, 0)]}
    first, second = prior.log_prob(codes, same)
    assert first == pytest.approx(second)
    first, second = prior.log_prob(codes, {"label": 1, "context": [above]})
    assert abs(first - second) > 1e-2
    first, second = prior.log_prob(codes, {**same, "label": [0, 2]})
    assert abs(first - second) > 1e-2


def test_low_temperature_top_k_and_top_p_take_the_likeliest_code():
    prior = prior_of()
    greedy = prior.sample(2, temperature=1e-4, seed=0)
    assert np.array_equal(greedy, prior.sample(2, top_k=1, seed=1))
    assert np.array_equal(greedy, prior.sample(2, top_p=1e-6, seed=2))
    free = prior.sample(2, seed=3)
    assert np.array_equal(free, prior.sample(2, top_k=16, top_p=1.0, seed=3))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda p: p.log_prob(np.full((1, 4, 6), 16)), r"codes in \[0, 16\).* to 16"),
        (lambda p: p.log_prob(np.full((1, 4, 6), -1)), "received values from -1"),
        (lambda p: p.log_prob(np.zeros((1, 6, 4), int)), r"\(1, 4, 6\).*\(1, 6, 4\)"),
        (lambda p: p.log_prob(np.full((1, 4, 6), 3.7)), "integer type.*float64"),
        (lambda p: p(np.full((1, 4, 6), 3.7)), "integer type.*float64"),
        (lambda p: p(np.full((1, 4, 6), 16)), r"codes in \[0, 16\).* to 16"),
        (lambda p: p.sample(1, top_k=1.5), "an int top_k .* top_k=1.5"),
        (lambda p: p.sample(1, temperature=[1.0]), r"temperature=\[1.0\]"),
        (lambda p: p.sample(1.5), "grid, received shape=1.5"),
        (
            lambda p: prior_of(num_classes=2).sample(1, {"label": 1.9}),
            "label .*float64",
        ),
        (lambda p: p.sample((2, 6, 4)), r"grids of \(4, 6\).*\(2, 6, 4\)"),
        (lambda p: p.sample(0), "at least one grid"),
        (lambda p: p.sample(1, {"label": 1}), "no label for a prior of 0 classes"),
        (lambda p: p.sample(1, {"context": [[0]]}), "0 tiers above.*received 1"),
        (lambda p: p.sample(1, {"style": 1}), "label and context, received style"),
        (lambda p: p.sample(1, temperature=0.0), "above 0, received temperature=0.0"),
        (lambda p: p.sample(1, top_k=17), r"top_k in \[1, 16\], received top_k=17"),
        (lambda p: p.sample(1, top_p=0.0), r"top_p in \(0, 1\], received top_p=0.0"),
        (lambda p: prior_of(num_classes=2).sample(1), "a label .* received label=None"),
        (lambda p: prior_of(num_classes=2).sample(1, {"label": 2}), r"\[0, 2\).* 2"),
        (lambda p: prior_of((0, 4)), r"grid_shape=\(0, 4\)"),
        (lambda p: prior_of(num_embeddings=0), "num_embeddings=0"),
        (lambda p: prior_of(context=[((3, 3), 4)]), "grids above to divide"),
        (lambda p: prior_of(num_layers=0), "num_layers=0"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_value(call, message):
    with pytest.raises(ValueError, match=message):
        call(prior_of())


def test_numbers_of_numpy_are_numbers():
    prior = prior_of(np.array([4, 6]).tolist(), num_embeddings=np.int64(16))
    drawn = prior.sample(np.int64(2), top_k=np.int32(3), temperature=np.float32(1))
    assert drawn.shape == (2, 4, 6)
    np.testing.assert_array_equal(prior(drawn.astype("int64")), prior(drawn))


@each_kind
def test_a_saved_prior_loads_with_equal_likelihoods_and_samples(kind, tmp_path):
    prior, condition = conditioned(kind, "all")
    prior.save(tmp_path / "prior.keras")
    loaded = keras.saving.load_model(tmp_path / "prior.keras")
    codes = prior.sample(3, condition, seed=0)
    assert np.array_equal(codes, loaded.sample(3, condition, seed=0))
    expected = prior.log_prob(codes, condition)
    np.testing.assert_allclose(loaded.log_prob(codes, condition), expected, rtol=1e-6)


@pytest.mark.parametrize(
    "kind",
    [
        kind if kind == "pixelcnn" else pytest.param(kind, marks=pytest.mark.slow)
        for kind in KINDS
    ],
)
def test_fit_learns_a_pattern(kind):
    prior = prior_of((4, 4), 4, kind=kind)
    codes = np.tile(np.arange(16).reshape(1, 4, 4) % 4, (64, 1, 1))
    codes[::2] = 3 - codes[::2]
    before = prior.log_prob(codes).mean()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    compiled(prior, keras.optimizers.Adam(1e-2), loss)
    prior.fit(codes, codes, batch_size=16, epochs=30, verbose=0)
    # One bit, which of the two patterns it is, cannot be known: 0.69 nats.
    assert before < -20 and prior.log_prob(codes).mean() > -2


@pytest.mark.parametrize(
    ("make", "weights"),
    [
        (priors.gated_pixelcnn_8, 1_618_688),
        (priors.pixelcnn_8, 705_920),
        (priors.pixelrnn_row_8, 1_247_616),
        (priors.pixelrnn_diagonal_8, 1_183_104),
        pytest.param(priors.pixelsnail_top_32, 83_861_792, marks=pytest.mark.slow),
        pytest.param(priors.pixelsnail_bottom_64, 84_362_496, marks=pytest.mark.slow),
    ],
)
def test_a_named_model_has_its_weights(make, weights):
    assert make().count_params() == weights


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ("pixelcnn", {"num_blocks": 0}, "num_blocks=0"),
        ("row_lstm", {"cell": "column"}, "'diagonal'.*cell='column'"),
        ("row_lstm", {"num_layers": 0}, "num_layers=0"),
        ("pixelsnail", {"num_blocks": 0}, "num_blocks=0"),
        ("pixelsnail", {"num_heads": 3}, "half of the channels.*num_heads=3"),
        ("pixelsnail", {"dropout": 1.0}, "dropout=1.0"),
        ("transformer", {"num_layers": 0}, "num_layers=0"),
        ("transformer", {"num_heads": 3}, "divide the channels.*num_heads=3"),
        ("transformer", {"dropout": -0.1}, "dropout=-0.1"),
    ],
)
def test_an_impossible_size_is_refused_with_its_value(kind, options, message):
    with pytest.raises(ValueError, match=message):
        prior_of(kind=kind, **options)
