import numpy as np
import pytest
import tensorflow as tf

from tests.helpers.case import Case, random_floats, small_ema, small_noisy, uniform
from tests.helpers.four_codes import CODEBOOK, CODES, LATENTS, MEAN_SQUARE, NextCode
from vqzoo.layers import (
    NoisyAssignment,
    StochasticAssignment,
    VectorQuantizerEMA,
)

CASES = [
    Case(
        "VectorQuantizerEMA",
        lambda: small_ema(
            codebook_init=uniform(),
            restart_threshold=0.0,
            decay=0.5,
        ),
        (random_floats(3, 2, 3, 2),),
    ),
    Case(
        "VectorQuantizerEMA-data-start",
        lambda: small_ema(sorted_codes=True),
        (random_floats(3, 2, 3, 2),),
        random=True,
    ),
    Case(
        "VectorQuantizerEMA-noisy",
        small_noisy,
        (random_floats(3, 2, 3, 2),),
        random=True,
    ),
    Case(
        "VectorQuantizerEMA-k-means",
        lambda: small_ema(codebook_init="k_means", entropy_weight=0.1),
        (random_floats(3, 2, 3, 2),),
        random=True,
    ),
    Case(
        "VectorQuantizerEMA-cosine",
        lambda: small_ema(normalize=True, estimator="rotation"),
        (random_floats(3, 2, 3, 2),),
        random=True,
    ),
]
REFUSED = [
    (lambda: VectorQuantizerEMA(4, 2, entropy_weight=-1.0), "entropy_weight=-1.0"),
    (lambda: VectorQuantizerEMA(0, 2), "num_embeddings=0"),
    (lambda: VectorQuantizerEMA(4, 0), "embedding_dim=0"),
    (lambda: VectorQuantizerEMA(4, 2, commitment_cost=-0.5), "cost=-0.5"),
    (lambda: VectorQuantizerEMA(4, 2, decay=1.0), r"decay in \[0, 1\).*decay=1.0"),
    (lambda: VectorQuantizerEMA(4, 2, decay=-0.1), "decay=-0.1"),
    (lambda: VectorQuantizerEMA(4, 2, decay=float("nan")), "decay=nan"),
    (lambda: VectorQuantizerEMA(4, 2, restart_threshold=1.5), "threshold=1.5"),
    (
        lambda: VectorQuantizerEMA(
            4, 2, estimator="rotation", assignment=StochasticAssignment()
        ),
        "estimator='straight_through' with an assignment.*diverges",
    ),
]


def quantizer(codebook=CODEBOOK, **options):
    """A quantizer that starts at a given codebook and restarts nothing."""
    options = {"restart_threshold": 0.0, "codebook_init": "zeros", **options}
    layer = VectorQuantizerEMA(*codebook.shape, **options)
    layer.build((None, codebook.shape[1]))
    layer.codebook.assign(codebook)
    layer.ema_sums.assign(codebook)
    return layer


def state(layer):
    weights = (layer.codebook, layer.ema_counts, layer.ema_sums)
    return [np.array(weight.numpy()) for weight in weights]


def batch(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def test_codes_and_quantized_of_four_latents():
    layer = quantizer()
    assert layer.encode(LATENTS).numpy().tolist() == CODES
    assert layer(LATENTS).numpy().tolist() == CODEBOOK[CODES].tolist()
    assert layer.decode([[3, 0]]).numpy().tolist() == [[[2, 2], [0, 0]]]


@pytest.mark.parametrize("training", [False, True])
def test_the_commitment_loss_of_four_latents(training):
    layer = quantizer(commitment_cost=0.5)
    layer(LATENTS, training=training)
    assert [float(x) for x in layer.losses] == pytest.approx([0.5 * MEAN_SQUARE])
    layer = quantizer(commitment_cost=0.5)
    assert float(layer.loss_terms(LATENTS)["commitment"]) == pytest.approx(MEAN_SQUARE)


def test_one_step_of_the_moving_average_by_hand():
    layer = quantizer(decay=0.5)
    layer(LATENTS, training=True)
    codebook, counts, sums = state(layer)
    # N = (1 + n) / 2 and m = (e + sum) / 2; code 1 got (2, -0.5) and (1.5, 0.5).
    assert counts.tolist() == [1, 1.5, 0.5, 1]
    assert sums.tolist() == [[0.25, 0], [2.75, 0], [0, 1], [2, 2.5]]
    expected = [[0.25, 0], [2.75 / 1.5, 0], [0, 2], [2, 2.5]]
    np.testing.assert_allclose(codebook, expected, rtol=1e-6)


def numpy_step(latents, codebook, counts, sums, decay):
    """Equation 2.13 in a loop."""
    new_counts, new_sums = np.zeros(len(counts)), np.zeros(sums.shape)
    for latent in latents.astype("float64"):
        code = np.argmin([np.sum((latent - e) ** 2) for e in codebook])
        new_counts[code] += 1
        new_sums[code] += latent
    counts = decay * counts + (1 - decay) * new_counts
    sums = decay * sums + (1 - decay) * new_sums
    codebook = codebook.copy()
    for code in range(len(counts)):
        if new_counts[code]:
            codebook[code] = sums[code] / counts[code]
    return codebook, counts, sums


@pytest.mark.parametrize("decay", [0.0, 0.9, 0.99])
def test_several_steps_of_the_moving_average_agree_with_numpy(decay):
    start = 3 * batch(1, 12, 3)
    layer = quantizer(start, decay=decay)
    expected = start.astype("float64"), np.ones(12), start.astype("float64")
    for seed in range(6):
        latents = batch(seed + 10, 2, 5, 4, 3)
        layer(latents, training=True)
        expected = numpy_step(latents.reshape(-1, 3), *expected, decay)
    for received, value in zip(state(layer), expected):
        np.testing.assert_allclose(received, value, rtol=1e-5, atol=1e-6)
    assert np.any(state(layer)[0] != start)


def test_counts_start_at_one_and_sums_at_the_code():
    layer = VectorQuantizerEMA(5, 3, codebook_init="random_normal")
    layer.build((None, 3))
    codebook, counts, sums = state(layer)
    assert counts.tolist() == [1] * 5
    assert sums.tolist() == codebook.tolist()
    assert codebook.std() > 0


def test_an_unhit_code_does_not_move_by_a_bit():
    codebook = np.array([[0.1, 0.2], [100.3, 100.7]], "float32")
    layer = quantizer(codebook, decay=0.97)
    for seed in range(50):
        layer(batch(seed, 8, 2), training=True)
    moved, counts, _ = state(layer)
    assert moved[1].tolist() == codebook[1].tolist()
    assert moved[0].tolist() != codebook[0].tolist()
    assert counts[1] == pytest.approx(0.97**50, rel=1e-4)


def test_a_code_that_the_first_step_does_not_hit_stays_with_the_default_restarts():
    layer = quantizer(restart_threshold=0.1)
    layer(LATENTS, training=True)
    codebook, counts, sums = state(layer)
    assert codebook[2].tolist() == [0, 2]
    np.testing.assert_allclose(sums[2] / counts[2], [0, 2], rtol=1e-6)


def test_a_code_forgotten_for_long_returns_to_what_hits_it():
    layer = quantizer(decay=0.1)
    near = np.array([[0, 0]] * 4, "float32")
    for _ in range(120):  # 0.1 ** 120 is 0 in float32
        layer(near, training=True)
    assert state(layer)[1][3] == 0
    layer(LATENTS, training=True)
    codebook, counts, _ = state(layer)
    np.testing.assert_allclose(codebook[3], [2, 3], rtol=1e-6)
    assert np.isfinite(codebook).all() and counts[3] == pytest.approx(0.9)


def test_noise_credits_the_perturbed_code_and_commits_to_the_nearest():
    layer = quantizer(decay=0.5, commitment_cost=1.0, assignment=NextCode())
    outputs = layer(LATENTS, training=True)
    assert outputs.numpy().tolist() == CODEBOOK[[1, 2, 0, 2]].tolist()
    assert [float(x) for x in layer.losses] == pytest.approx([MEAN_SQUARE])
    codebook, counts, sums = state(layer)
    # Latent 2 went from code 3 to 0, latent 0 from 0 to 1, the others from 1 to 2.
    assert counts.tolist() == [1, 1, 1.5, 0.5]
    assert sums.tolist() == [[1, 1.5], [1.25, 0], [1.75, 1], [1, 1]]
    expected = [[1, 1.5], [1.25, 0], [1.75 / 1.5, 1 / 1.5], [2, 2]]
    np.testing.assert_allclose(codebook, expected, rtol=1e-6)


def test_inference_takes_the_nearest_code_whatever_the_noise():
    layer = quantizer(assignment=NoisyAssignment(3.0, seed=1))
    for _ in range(5):
        assert layer(LATENTS).numpy().tolist() == CODEBOOK[CODES].tolist()
        assert layer.encode(LATENTS).numpy().tolist() == CODES
    assert [float(x) for x in layer.losses] == pytest.approx([0.25 * MEAN_SQUARE])


@pytest.mark.parametrize("training", [False, True])
def test_duplicating_the_batch_changes_no_loss(training):
    losses = []
    for latents in (LATENTS, np.concatenate([LATENTS] * 3)):
        layer = quantizer()
        layer(latents, training=training)
        losses += [float(loss) for loss in layer.losses]
    assert losses == pytest.approx([0.25 * MEAN_SQUARE] * 2)


def test_the_first_batch_places_the_codes():
    layer = VectorQuantizerEMA(24, 3, seed=1)
    layer.build((None, 3))
    latents = 100 + batch(1, 2, 3, 4, 3)
    outputs = layer(latents, training=True).numpy()
    np.testing.assert_allclose(outputs, latents, rtol=1e-6)
    rows = latents.reshape(-1, 3)
    codebook = state(layer)[0]
    order, expected = np.lexsort(codebook.T), np.lexsort(rows.T)
    np.testing.assert_allclose(codebook[order], rows[expected], rtol=1e-6)
    assert float(layer.losses[0]) == pytest.approx(0, abs=1e-6)
    assert float(layer.started.numpy()) == 1


def test_sorted_codes_are_the_latents_of_the_first_batch_in_order():
    layer = VectorQuantizerEMA(24, 3, seed=1, sorted_codes=True)
    latents = batch(1, 2, 3, 4, 3) * np.array([5, 1, 1], "float32")
    layer(latents, training=True)
    codebook = state(layer)[0]
    axis = np.linalg.svd(codebook - codebook.mean(0))[2][0]
    places = (codebook - codebook.mean(0)) @ axis
    places = places if places[0] < places[-1] else -places
    np.testing.assert_allclose(places, np.sort(places), atol=0.05)
    rows = latents.reshape(-1, 3)
    order, expected = np.lexsort(codebook.T), np.lexsort(rows.T)
    np.testing.assert_allclose(codebook[order], rows[expected], rtol=1e-5)


def test_sorting_changes_the_indices_and_nothing_else():
    plain, ordered = (
        quantizer(batch(9, 8, 3), sorted_codes=each) for each in (False, True)
    )
    for step in range(5):
        latents = batch(step, 2, 9, 3)
        outputs = [layer(latents, training=True) for layer in (plain, ordered)]
        np.testing.assert_allclose(outputs[0], outputs[1], rtol=1e-6)
    order = [np.lexsort(state(layer)[0].T) for layer in (plain, ordered)]
    assert order[0].tolist() != order[1].tolist()
    for first, second in zip(state(plain), state(ordered)):
        np.testing.assert_allclose(first[order[0]], second[order[1]], rtol=1e-5)


def test_only_the_first_batch_places_the_codes():
    layer = VectorQuantizerEMA(4, 2, seed=1)
    layer(batch(1, 8, 2), training=True)
    placed = state(layer)[0]
    layer(batch(2, 8, 2) + 1000, training=True)
    assert np.abs(state(layer)[0] - placed).max(axis=1).min() == 0
    layer = VectorQuantizerEMA(4, 2, seed=1)
    before = layer(batch(1, 8, 2) + 1000).numpy()
    assert np.abs(before).max() < 1 and float(layer.started.numpy()) == 0


def test_a_code_that_only_the_noise_chooses_is_dead():
    layer = quantizer(decay=0.0, restart_threshold=0.1, assignment=NextCode(), seed=1)
    latents = 0.01 * batch(3, 8, 2)
    layer(latents, training=True)
    codebook, counts, _ = state(layer)
    assert layer.nearest_counts.numpy().tolist() == [8, 2, 2, 2]
    assert counts.tolist() == [0, 2, 2, 2]
    assert codebook[0].tolist() == CODEBOOK[0].tolist()
    for code in codebook[1:]:
        assert np.abs(latents - code).max(axis=1).min() < 1e-6


def crowded(layer, copies=1):
    """A step in which code 0 gets all of eight latents, or of copies of them."""
    latents = np.linspace(-0.4, 0.4, 16, dtype="float32").reshape(8, 2)
    layer(np.tile(latents, (copies, 1)), training=True)
    return latents


def test_a_restart_moves_dead_codes_alone_onto_latents_of_the_batch():
    layer = quantizer(decay=0.0, restart_threshold=0.1, seed=1)
    latents = crowded(layer)
    codebook, counts, sums = state(layer)
    np.testing.assert_allclose(codebook[0], latents.mean(0), atol=1e-7)
    rows = {tuple(row) for row in latents.tolist()}
    assert all(tuple(code) in rows for code in codebook[1:].tolist())
    assert len({tuple(code) for code in codebook[1:].tolist()}) == 3
    # Mean count 8 / 4 = 2: that is where the moved codes start again.
    assert counts.tolist() == [8, 2, 2, 2]
    np.testing.assert_allclose(sums, counts[:, None] * codebook, atol=1e-6)


def test_codes_above_the_threshold_are_left_alone():
    layer = quantizer(decay=0.5, restart_threshold=0.1)
    crowded(layer)
    codebook, counts, _ = state(layer)
    # Counts of the unhit codes: 0.5, above a tenth of the mean, (4.5 + 1.5) / 4.
    assert counts.tolist() == [4.5, 0.5, 0.5, 0.5]
    assert codebook[1:].tolist() == CODEBOOK[1:].tolist()


@pytest.mark.parametrize("copies", [1, 2, 16])
def test_the_restart_threshold_does_not_depend_on_the_batch_size(copies):
    layer = quantizer(decay=0.0, restart_threshold=0.6)
    latents = np.concatenate([CODEBOOK[[0] * 5 + [1] * 3 + [2]], [[2, 2.5]] * 2])
    layer(np.tile(latents, (copies, 1)).astype("float32"), training=True)
    codebook, counts, _ = state(layer)
    # Shares 5, 3, 1 and 2 of 11, mean 2.75: code 2 alone is below 0.6 of it.
    assert (counts / copies).tolist() == [5, 3, 2.75, 2]
    np.testing.assert_allclose(codebook[[0, 1, 3]], [[0, 0], [2, 0], [2, 2.5]])


def test_restarts_bring_every_code_into_use():
    used = {}
    for threshold in (0.0, 0.1):
        layer = quantizer(
            10 + batch(0, 64, 2), decay=0.8, restart_threshold=threshold, seed=1
        )
        for seed in range(60):
            layer(batch(seed, 512, 2), training=True)
        codes = layer.encode(batch(100, 4096, 2)).numpy()
        used[threshold] = len(np.unique(codes))
    assert used[0.0] < 10
    assert used[0.1] >= 62


def test_a_restart_follows_its_seed():
    codebooks = []
    for seed in (1, 1, 2):
        layer = quantizer(decay=0.0, restart_threshold=0.1, seed=seed)
        crowded(layer)
        codebooks.append(state(layer)[0].tolist())
    assert codebooks[0] == codebooks[1] != codebooks[2]


@pytest.mark.parametrize("training", [False, True])
def test_the_gradient_of_the_output_is_the_identity(training):
    layer = quantizer(assignment=NextCode())
    upstream = np.arange(1, 9, dtype="float32").reshape(4, 2)
    latents = tf.constant(LATENTS)
    with tf.GradientTape() as tape:
        tape.watch(latents)
        loss = tf.reduce_sum(layer(latents, training=training) * upstream)
    np.testing.assert_array_equal(tape.gradient(loss, latents), upstream)


def test_the_gradient_of_the_loss_pulls_the_latents_to_their_codes():
    layer = quantizer(commitment_cost=0.5, assignment=NextCode())
    latents = tf.constant(LATENTS)
    with tf.GradientTape() as tape:
        tape.watch(latents)
        layer(latents, training=True)
        loss = layer.losses[0]
    expected = 0.5 * 2 / 8 * (LATENTS - CODEBOOK[CODES])
    np.testing.assert_allclose(tape.gradient(loss, latents), expected, atol=1e-7)


def test_decoding_the_codes_is_the_call_to_the_bit():
    layer = VectorQuantizerEMA(64, 8, assignment=NoisyAssignment(2.0), seed=0)
    latents = batch(0, 4, 5, 6, 8)
    for _ in range(3):
        layer(latents, training=True)
    codes = layer.encode(latents)
    assert codes.shape == (4, 5, 6) and codes.dtype == "int32"
    assert len(np.unique(codes)) > 20
    np.testing.assert_array_equal(layer.decode(codes), layer(latents).numpy())


@pytest.mark.parametrize("value", [0.0, -3.0, 1e-30, 1e15])
def test_all_equal_latents_give_no_nan(value):
    layer = VectorQuantizerEMA(8, 2, decay=0.5, restart_threshold=0.5, seed=0)
    latents = np.full((4, 3, 2), value, "float32")
    for _ in range(10):
        outputs = layer(latents, training=True).numpy()
    np.testing.assert_allclose(outputs, latents, rtol=1e-6, atol=1e-35)
    assert all(np.isfinite(weight).all() for weight in state(layer))
    assert np.isfinite(float(layer.losses[0]))


def test_half_precision_latents_meet_a_float32_codebook():
    codebook = np.array([[1.0], [1.0001]], "float32")  # one number in float16
    layer = VectorQuantizerEMA(
        2, 1, codebook_init="zeros", restart_threshold=0.0, dtype="mixed_float16"
    )
    layer.build((None, 1))
    layer.codebook.assign(codebook)
    latents = np.array([[2.0], [0.0]], "float16")
    assert layer.encode(latents).numpy().tolist() == [1, 0]
    layer(np.full((1, 1), 2.0, "float16"), training=True)
    assert layer.ema_counts.numpy().tolist() == pytest.approx([0.99, 1.0])


def test_statistics_are_averaged_over_replicas_not_summed():
    layer = quantizer()
    assert {w.aggregation for w in layer.weights} == {"mean"}
    assert [w.name for w in layer.weights if w.trainable] == []


def test_a_k_means_start_places_the_codes_on_clusters():
    generator = np.random.default_rng(0)
    centers = np.array([[0, 0], [10, 0], [0, 10], [10, 10]], "float32")
    latents = np.repeat(centers, 64, axis=0) + 0.1 * generator.normal(size=(256, 2))
    generator.shuffle(latents)
    layer = VectorQuantizerEMA(4, 2, codebook_init="k_means", seed=3)
    layer(latents.astype("float32"), training=True)
    found = state(layer)[0]
    assert np.unique(layer.encode(centers)).size >= 3
    nearest = np.linalg.norm(found[:, None] - centers[None], axis=-1).min(1)
    assert np.median(nearest) < 0.1


def test_normalized_codes_stay_on_the_sphere():
    layer = VectorQuantizerEMA(16, 4, normalize=True, seed=1)
    for seed in range(5):
        layer(10 * batch(seed, 64, 4), training=True)
    codebook = state(layer)[0]
    np.testing.assert_allclose(np.linalg.norm(codebook, axis=1), 1, rtol=1e-5)
    latents = 30 * batch(9, 50, 4)
    cosines = latents @ codebook.T / np.linalg.norm(latents, axis=1, keepdims=True)
    np.testing.assert_array_equal(layer.encode(latents), cosines.argmax(1))


def test_the_entropy_loss_reaches_the_latents():
    latents = tf.Variable(batch(0, 32, 2))
    layer = quantizer(commitment_cost=0.0, entropy_weight=1.0)
    with tf.GradientTape() as tape:
        layer(latents, training=True)
        loss = sum(layer.losses)
    assert np.abs(tape.gradient(loss, latents)).max() > 1e-4
    terms = layer.loss_terms(latents)
    assert 0 > float(terms["entropy"]) > -np.log(4)


def test_stochastic_assignment_credits_the_code_that_was_drawn():
    latents = np.zeros((4000, 2), "float32")
    noise = StochasticAssignment(4.0, seed=0)
    layer = quantizer(decay=0.0, assignment=noise)
    outputs = layer(latents, training=True).numpy()
    share = np.exp(-np.square(CODEBOOK).sum(1) / 4.0)
    share /= share.sum()
    counts = [(outputs == code).all(1).mean() for code in CODEBOOK]
    np.testing.assert_allclose(counts, share, atol=0.03)
    np.testing.assert_allclose(state(layer)[1] / 4000, counts, atol=1e-6)
    assert float(layer.losses[0]) == pytest.approx(0)  # commits to the nearest code
