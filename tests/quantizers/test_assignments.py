import keras
import numpy as np
import pytest
from keras import ops
from scipy import stats

from tests.helpers.case import Case, random_codes, random_floats
from vqzoo.layers import BalancedAssignment, NoisyAssignment, StochasticAssignment

CASES = [
    Case(
        "NoisyAssignment",
        lambda: NoisyAssignment(1.0, boundary="wrap", seed=1),
        (random_codes(3, 2, 3),),
        {"num_embeddings": 4},
        random=True,
    ),
    Case(
        "StochasticAssignment",
        lambda: StochasticAssignment(0.5, seed=1),
        (random_codes(18),),
        {"latents": random_floats(18, 2), "codebook": random_floats(4, 2)},
        random=True,
    ),
]
CASES.append(
    Case(
        "BalancedAssignment",
        lambda: BalancedAssignment(),
        (random_codes(18),),
        {"latents": random_floats(18, 2), "codebook": random_floats(4, 2)},
    )
)
REFUSED = [
    (lambda: BalancedAssignment(0.0), "above 0, received epsilon=0.0"),
    (lambda: BalancedAssignment(num_iterations=0), "num_iterations=0"),
    (lambda: NoisyAssignment(-1.0), "at least 0, received stddev=-1.0"),
    (lambda: NoisyAssignment(float("nan")), "received stddev=nan"),
    (lambda: NoisyAssignment(boundary="mirror"), "'clip'.*boundary='mirror'"),
    (lambda: StochasticAssignment(0.0), "above 0, received temperature=0.0"),
]

MIDDLE, MANY = 500, 1001


def offsets(stddev, seed=0, shape=(50, 20, 20)):
    """Steps that the noise takes where no end of the index range is near."""
    noise = NoisyAssignment(stddev, seed=seed)
    codes = np.full(shape, MIDDLE, "int32")
    return noise(codes, num_embeddings=MANY, training=True).numpy() - MIDDLE


@pytest.fixture
def fixed_noise(monkeypatch):
    """Function that puts given numbers in the place of the normal ones."""

    def put(numbers):
        def normal(shape, stddev, seed):
            return ops.reshape(np.asarray(numbers, "float32"), shape)

        monkeypatch.setattr(keras.random, "normal", normal)

    return put


@pytest.mark.parametrize("stddev", [0.3, 1.0, 2.5])
def test_the_steps_follow_the_quantized_normal(stddev):
    import tensorflow_probability as tfp

    drawn = offsets(stddev).ravel()
    # That distribution rounds up: half a step to the left, it rounds to nearest.
    quantized = tfp.distributions.QuantizedDistribution(
        tfp.distributions.Normal(-0.5, stddev)
    )
    steps = np.arange(-40, 41)
    expected = quantized.prob(steps.astype("float32")).numpy().astype("float64")
    expected *= drawn.size
    counts = np.bincount(drawn + 40, minlength=81)
    common = expected >= 5
    expected = np.append(expected[common], expected[~common].sum())
    counts = np.append(counts[common], counts[~common].sum())
    assert common.sum() >= 3
    expected *= counts.sum() / expected.sum()
    assert stats.chisquare(counts, expected).pvalue > 0.01


def test_every_position_has_its_own_noise():
    drawn = offsets(1.0)
    for axis in range(3):
        one, other = np.split(drawn, 2, axis)
        assert abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) < 0.03
    neighbors = np.corrcoef(drawn[:, :, 1:].ravel(), drawn[:, :, :-1].ravel())
    assert abs(neighbors[0, 1]) < 0.03


def test_noise_is_rounded_to_the_nearest_step(fixed_noise):
    fixed_noise([0.4, 0.6, -0.4, -0.6, 1.6, -2.4])
    codes = np.full((1, 6), 5, "int32")
    noisy = NoisyAssignment(1.0)(codes, num_embeddings=10, training=True)
    assert noisy.numpy().tolist() == [[5, 6, 5, 4, 7, 3]]


@pytest.mark.parametrize(
    ("boundary", "num_embeddings", "expected"),
    [
        # code + step:      -9 -5 -4 -3 -2 -1  0  1  2  3  4  5  6  9
        ("reflect", 4, [3, 1, 2, 3, 2, 1, 0, 1, 2, 3, 2, 1, 0, 3]),
        ("clip", 4, [0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 3, 3, 3, 3]),
        ("wrap", 4, [3, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 1]),
        ("reflect", 2, [1, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1]),
        ("clip", 2, [0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1]),
        ("wrap", 2, [1, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1]),
        ("reflect", 1, [0] * 14),
        ("clip", 1, [0] * 14),
        ("wrap", 1, [0] * 14),
    ],
)
def test_steps_over_the_ends(boundary, num_embeddings, expected, fixed_noise):
    fixed_noise([-9, -5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5, 6, 9])
    noise = NoisyAssignment(1.0, boundary=boundary)
    codes = np.zeros((1, 14), "int32")
    noisy = noise(codes, num_embeddings=num_embeddings, training=True)
    assert noisy.numpy().tolist() == [expected]


@pytest.mark.parametrize("boundary", ["reflect", "clip", "wrap"])
def test_far_steps_stay_in_the_range(boundary):
    noise = NoisyAssignment(1000.0, boundary=boundary, seed=1)
    codes = np.tile(np.arange(7, dtype="int32"), (1000, 1))
    noisy = noise(codes, num_embeddings=7, training=True).numpy()
    assert (noisy.min(), noisy.max()) == (0, 6)


@pytest.mark.parametrize(
    ("stddev", "share"),
    [(0.0, 0.0), (0.2, 0.0124), (0.2**0.5, 0.2636), (0.5, 0.3173), (1.0, 0.6171)],
)
def test_the_share_of_indices_that_move(stddev, share):
    layer = NoisyAssignment(stddev, boundary="wrap", seed=0)
    assert layer.moved_share == pytest.approx(share, abs=1e-4)
    codes = np.full((50, 200), 100)
    moved = np.mean(layer(codes, num_embeddings=512, training=True) != codes)
    assert moved == pytest.approx(share, abs=0.02)


def test_no_deviation_is_the_identity():
    codes = np.arange(12, dtype="int32").reshape(3, 4)
    noisy = NoisyAssignment(0.0)(codes, num_embeddings=12, training=True)
    assert noisy.numpy().tolist() == codes.tolist()


def test_inference_is_the_identity():
    codes = np.arange(12, dtype="int32").reshape(3, 4)
    noise = NoisyAssignment(5.0)
    assert noise(codes, num_embeddings=12).numpy().tolist() == codes.tolist()
    noisy = noise(codes, num_embeddings=12, training=False)
    assert noisy.numpy().tolist() == codes.tolist()
    assert noisy.dtype == "int32"


def test_a_seed_repeats_the_noise_and_each_call_has_its_own():
    first, again, other = (offsets(1.0, seed, (10, 10)) for seed in (3, 3, 4))
    assert first.tolist() == again.tolist()
    assert first.tolist() != other.tolist()
    noise = NoisyAssignment(1.0, seed=3)
    codes = np.full((10, 10), MIDDLE, "int32")
    one, two = (noise(codes, num_embeddings=MANY, training=True) for _ in range(2))
    assert (one.numpy() - MIDDLE).tolist() == first.tolist()
    assert one.numpy().tolist() != two.numpy().tolist()


def test_balanced_codes_have_equal_shares_and_the_least_transport():
    # Two thirds of the points lie near the first code.
    points = np.concatenate([np.linspace(0, 1, 40), np.linspace(4, 5, 20)])
    latents = np.stack([points, np.zeros(60)], axis=1).astype("float32")
    codebook = np.array([[0.5, 0], [4.5, 0]], "float32")
    nearest = (points > 2.5).astype("int32")
    given = BalancedAssignment(0.01).assign(nearest, latents, codebook)
    codes = ops.convert_to_numpy(given)
    assert abs(codes.sum() - 30) <= 2
    # Those that go to the second code are the nearest to it.
    assert (np.diff(codes[np.argsort(points)]) >= 0).all()
    again = BalancedAssignment()(nearest, latents=latents, codebook=codebook)
    np.testing.assert_array_equal(again, nearest)


def test_latents_that_are_not_finite_are_no_weight_in_the_balance():
    latents = np.array([[0.0], [0.1], [1.0], [1.1], [np.nan]], "float32")
    codes = BalancedAssignment().assign(
        np.zeros(5, "int32"), latents, np.array([[0.0], [1.0]], "float32")
    )
    assert ops.convert_to_numpy(codes)[:4].tolist() == [0, 0, 1, 1]
