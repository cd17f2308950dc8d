import json
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.helpers.case import Case, random_floats, small_noisy, uniform
from vqzoo.layers import (
    FrequencyLatents,
    NoisyAssignment,
    ProjectedLatents,
    ResidualQuantizer,
    VectorQuantizer,
    VectorQuantizerEMA,
    low_dimensional,
)

CASES = [
    Case(
        "FrequencyLatents",
        lambda: FrequencyLatents(
            VectorQuantizer(4, 2, codebook_init=uniform()), 2, projected=True
        ),
        (random_floats(3, 2, 3, 2),),
    ),
    Case(
        "FrequencyLatents-all",
        lambda: FrequencyLatents(small_noisy(), 4),
        (random_floats(3, 2, 3, 2),),
        random=True,
    ),
]
REFUSED = [
    (
        lambda: FrequencyLatents(VectorQuantizer(4, 2), 5),
        r"in \[1, 4\].*num_frequent=5",
    ),
    (lambda: FrequencyLatents(VectorQuantizer(4, 2), 0), "num_frequent=0"),
    (
        lambda: FrequencyLatents(ResidualQuantizer([VectorQuantizer(4, 2)]), 1),
        "one code for each latent",
    ),
    (
        lambda: FrequencyLatents(ProjectedLatents(VectorQuantizer(4, 2)), 1),
        "is hybrid already",
    ),
]

CODEBOOK = np.array([[2, 0], [1, 1], [0, -3], [5, 5]], "float32")
# Nearest codes 1, 2, 2, 0, 1, 2: code 2 three times, code 1 twice, code 0 once.
LATENTS = np.array(
    [[1, 1.5], [0, -2], [1, -3], [2.5, 0.5], [0.5, 1], [0, -4]], "float32"
)
CODES = [1, 2, 2, 0, 1, 2]


def layer(num_frequent, **options):
    quantizer = VectorQuantizer(4, 2, codebook_init="zeros")
    made = FrequencyLatents(quantizer, num_frequent, **options)
    made.build((None, 2))
    quantizer.trainable_weights[0].assign(CODEBOOK)
    return made


def mixed(kept, other):
    kept = np.isin(CODES, kept)[:, None]
    return np.where(kept, CODEBOOK[CODES], other)


def projections():
    codes = CODEBOOK[CODES]
    return codes * ((LATENTS * codes).sum(1) / np.square(codes).sum(1))[:, None]


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize(
    ("num_frequent", "kept"), [(1, [2]), (2, [2, 1]), (3, [2, 1, 0])]
)
def test_latents_of_rare_codes_pass_unchanged(num_frequent, kept, training):
    made = layer(num_frequent)
    made(LATENTS, training=True)
    outputs = made(LATENTS, training=training)
    np.testing.assert_array_equal(outputs, mixed(kept, LATENTS))
    assert made.encode(LATENTS).numpy().tolist() == CODES
    np.testing.assert_array_equal(made.decode(CODES), CODEBOOK[CODES])


def test_projected_latents_stand_where_codes_are_rare():
    made = layer(1, projected=True)
    outputs = made(LATENTS, training=True)
    np.testing.assert_allclose(outputs, mixed([2], projections()), atol=1e-6)
    extra = np.square(mixed([2], projections()) - CODEBOOK[CODES]).mean()
    assert extra > 0.01 and float(made.losses[0]) == pytest.approx(extra)
    assert float(made.loss_terms(LATENTS)["projection"]) == pytest.approx(extra)
    assert len(layer(1).losses) == 0 and "projection" not in layer(1).loss_terms(
        LATENTS
    )


@pytest.mark.parametrize("projected", [False, True])
def test_all_codes_kept_is_the_quantizer_bit_for_bit(projected):
    def quantizer():
        noise = NoisyAssignment(1.0, seed=3)
        return VectorQuantizerEMA(16, 3, assignment=noise, seed=4)

    alone, wrapped = (
        quantizer(),
        FrequencyLatents(quantizer(), 16, projected=projected),
    )
    for step in range(6):
        latents = np.random.default_rng(step).normal(size=(4, 5, 5, 3))
        points, gradients, values = tf.constant(latents, "float32"), [], []
        for each in (alone, wrapped):
            with tf.GradientTape() as tape:
                tape.watch(points)
                outputs = each(points, training=step < 5)
                loss = tf.reduce_sum(tf.sin(outputs)) + sum(each.losses)
            gradients.append(tape.gradient(loss, points).numpy())
            values.append((outputs.numpy(), float(loss)))
        np.testing.assert_array_equal(values[0][0], values[1][0])
        assert values[0][1] == values[1][1]
        np.testing.assert_array_equal(gradients[0], gradients[1])
    np.testing.assert_array_equal(alone.codebook, wrapped.codebook)


def test_the_table_counts_in_training_alone_and_forgets():
    made = layer(2)
    made(LATENTS)
    assert made.code_counts.numpy().tolist() == [0, 0, 0, 0]
    made(LATENTS, training=True)
    assert made.code_counts.numpy().tolist() == [1, 2, 3, 0]
    made(np.tile(CODEBOOK[3], (2, 4, 1)), training=True)
    made(LATENTS[3:4])
    expected = [0.9, 1.8, 2.7, 8]
    np.testing.assert_allclose(made.code_counts.numpy(), expected, rtol=1e-6)
    # Code 3 has taken the first place, and with it that of code 1.
    np.testing.assert_array_equal(made(LATENTS), mixed([2, 3], LATENTS))


def test_equal_counts_go_to_the_lower_index():
    made = layer(2)
    np.testing.assert_array_equal(made(LATENTS), mixed([0, 1], LATENTS))


def test_the_table_is_saved(tmp_path):
    made = layer(2, projected=True)
    model = keras.Sequential([keras.Input((2,)), made])
    made(LATENTS, training=True)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert again.layers[0].code_counts.numpy().tolist() == [1, 2, 3, 0]
    assert (again.layers[0].num_frequent, again.layers[0].projected) == (2, True)
    np.testing.assert_array_equal(again(LATENTS), model(LATENTS))


def test_the_gradient_is_the_identity_for_codes_and_for_passing_latents():
    upstream = np.arange(1, 13, dtype="float32").reshape(6, 2)
    made, points = layer(2), tf.constant(LATENTS)
    with tf.GradientTape() as tape:
        tape.watch(points)
        loss = tf.reduce_sum(made(points, training=True) * upstream)
    np.testing.assert_array_equal(tape.gradient(loss, points), upstream)


def test_the_table_is_averaged_over_replicas_not_summed():
    assert layer(2).code_counts.aggregation == "mean"


def test_what_wraps_a_transformed_quantizer_has_its_codebooks():
    inner = low_dimensional(VectorQuantizer(4, 2), 3)
    made = FrequencyLatents(inner, 2)
    made(np.ones((5, 3), "float32"), training=True)
    assert made.code_counts.numpy().tolist().count(5) == 1
    np.testing.assert_array_equal(made.codebooks[0], inner.quantizer.codebook)


def rank_correlation(first, second):
    first, second = (np.argsort(np.argsort(x)) for x in (first, second))
    return np.corrcoef(first, second)[0, 1]


@pytest.mark.parametrize("sorted_codes", [False, True])
def test_the_counts_follow_codes_that_are_sorted_and_restarted(sorted_codes):
    inner = VectorQuantizerEMA(32, 4, sorted_codes=sorted_codes, seed=1)
    made = FrequencyLatents(inner, 16)
    generator = np.random.default_rng(0)
    centers = generator.normal(size=(100, 4))
    share = generator.exponential(size=100) ** 2

    def latents(count):
        index = generator.choice(100, count, p=share / share.sum())
        noise = 0.1 * generator.normal(size=(count, 4))
        return tf.constant(centers[index] + noise, "float32")

    step = tf.function(lambda latents: made(latents, training=True))
    for _ in range(150):
        step(latents(1024))
    use = np.bincount(made.encode(latents(10_000)), minlength=32)
    assert rank_correlation(made.code_counts.numpy(), use) > 0.95


def test_a_count_begins_again_with_its_code():
    made = FrequencyLatents(VectorQuantizerEMA(3, 2), 2)
    made.build((None, 2))
    made.code_counts.assign([5.0, 6.0, 7.0])
    made.quantizer.on_move(np.array([False, True, False]), np.array([2, 0, 1]))
    assert made.code_counts.numpy().tolist() == [7, 5, 0]


MIRRORED = """
import json
import keras, numpy as np, tensorflow as tf
from vqzoo.layers import *

tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0],
    [tf.config.LogicalDeviceConfiguration()] * 2,
)
makes = [
    lambda: FrequencyLatents(VectorQuantizerEMA(8, 4, seed=3), 4, projected=True),
    lambda: IndexBackpropagationQuantizer(8, 4, entropy_weight=0.5, seed=5),
    lambda: SoftVectorQuantizer(8, 4, seed=5),
    lambda: SimVQ(8, 4, seed=5, assignment=NoisyAssignment(1.0, seed=2)),
]

def build(make):
    keras.utils.set_random_seed(1)
    layers = [keras.layers.Dense(4), make(), keras.layers.Dense(4)]
    model = keras.Sequential([keras.Input((5, 4)), *layers])
    model.compile(keras.optimizers.Adam(0.01), "mse")
    return model

latents = np.random.default_rng(0).normal(size=(40, 5, 4)).astype("float32")
batches = tf.data.Dataset.from_tensor_slices((latents, latents)).batch(4)
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
found = []
for make in makes:
    one = build(make)
    alone = one.fit(batches, shuffle=False, verbose=0).history["loss"][0]
    with strategy.scope():
        two = build(make)
    mirrored = two.fit(batches, shuffle=False, verbose=0).history["loss"][0]
    apart = between = 0.0
    for a, b in zip(one.variables, two.variables):
        copies = strategy.experimental_local_results(b.value)
        copies = [np.asarray(copy, "float64") for copy in copies]
        between = max(between, np.abs(copies[0] - copies[1]).max())
        apart = max(apart, np.abs(np.asarray(a.value, "float64") - copies[0]).max())
    found.append({"between": between, "apart": apart, "loss": abs(alone - mirrored)})
print("FOUND", json.dumps(found))
"""


@pytest.mark.distributed
def test_two_mirrored_devices_equal_one_device_on_the_joined_batch():
    process = subprocess.run(
        [sys.executable, "-c", MIRRORED], capture_output=True, text=True, timeout=300
    )
    assert process.returncode == 0, process.stderr
    line = next(x for x in process.stdout.splitlines() if x.startswith("FOUND"))
    found = json.loads(line.removeprefix("FOUND"))
    assert [each["between"] for each in found] == [0, 0, 0, 0]
    assert max(max(each.values()) for each in found) < 1e-5
