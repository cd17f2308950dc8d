import warnings

import keras
import numpy as np
import pytest
from keras import ops

from tests.helpers.four_codes import CODEBOOK, LATENTS
from vqzoo.layers import (
    NSVQ,
    DiVeQ,
    GumbelVectorQuantizer,
    IndexBackpropagationQuantizer,
    ResidualQuantizer,
    SimVQ,
    SoftVectorQuantizer,
    VectorQuantizer,
    VectorQuantizerEMA,
)
from vqzoo.models import VQVAE

MOVED = (
    NSVQ,
    DiVeQ,
    GumbelVectorQuantizer,
    IndexBackpropagationQuantizer,
    SoftVectorQuantizer,
)
STARTING = (VectorQuantizerEMA, *MOVED)
ARRAY = np.random.default_rng(0).normal(size=(8, 2)).astype("float32")


def latents(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def array(values):
    return ops.convert_to_numpy(values)


@pytest.mark.parametrize("make", STARTING, ids=lambda made: made.__name__)
def test_a_start_waits_until_each_code_has_a_latent(make):
    quantizer = make(32, 2, seed=1)
    for step in range(4):
        rows = latents(step, 8, 2)
        quantizer(rows, training=True)
        assert float(quantizer.started.value) == (step + 1) / 4
        placed = array(quantizer.codebook)[8 * step : 8 * step + 8]
        apart = np.linalg.norm(rows[:, None] - placed, axis=-1).min(axis=1)
        assert np.median(apart) < 0.3
    assert len(np.unique(array(quantizer.codebook).round(3), axis=0)) >= 31


@pytest.mark.parametrize("steps_of", [8, 4096])
def test_codes_are_in_use_whatever_a_step_has(steps_of):
    quantizer = VectorQuantizerEMA(128, 4, seed=1)
    step = _compiled(quantizer)
    for seed in range(300 if steps_of == 8 else 40):
        step(latents(seed, steps_of, 4))
    used = np.unique(array(quantizer.encode(latents(1000, 20_000, 4))))
    assert len(used) > 0.95 * 128


def _compiled(quantizer):
    import tensorflow as tf

    return tf.function(lambda rows: quantizer(rows, training=True))


def test_a_map_is_fitted_to_as_many_steps_as_it_takes():
    rows = latents(1, 32, 4) @ latents(2, 4, 4) + 3
    at_once, in_parts = (SimVQ(16, 4, seed=1) for _ in range(2))
    at_once(rows, training=True)
    for part in np.split(rows, 16):
        in_parts(part, training=True)
    assert float(in_parts.started.value) == 1
    np.testing.assert_allclose(in_parts.codebook, at_once.codebook, atol=0.01)


@pytest.mark.parametrize("make", STARTING, ids=lambda made: made.__name__)
def test_an_array_is_where_the_codes_begin(make):
    quantizer = make(8, 2, codebook_init=ARRAY)
    quantizer.build((None, 2))
    np.testing.assert_array_equal(quantizer.codebook, ARRAY)
    again = type(quantizer).from_config(quantizer.get_config())
    again.build((None, 2))
    np.testing.assert_array_equal(again.codebook, ARRAY)
    with pytest.raises(ValueError, match=r"shape \(8, 3\), received shape=\(8, 2\)"):
        make(8, 3, codebook_init=ARRAY)


@pytest.mark.parametrize("make", STARTING, ids=lambda made: made.__name__)
def test_a_codebook_that_somebody_set_stays(make):
    quantizer = make(8, 2, restart_threshold=0.0) if make in MOVED[:2] else make(8, 2)
    quantizer.build((None, 2))
    where = quantizer.codebook_start if make in MOVED else quantizer.codebook
    mine = 100 + ARRAY
    where.assign(mine)
    quantizer(latents(1, 64, 2), training=True)
    stayed = (array(quantizer.codebook) == mine).all(axis=1)
    assert stayed.sum() >= 7  # all latents choose one code


def test_a_map_that_somebody_set_stays():
    quantizer = SimVQ(8, 2)
    quantizer.build((None, 2))
    quantizer.mapping_start.assign([[0.0, 1.0], [1.0, 0.0]])
    quantizer(latents(1, 64, 2), training=True)
    assert array(quantizer.mapping_start).tolist() == [[0, 1], [1, 0]]


def test_codes_that_are_not_trainable_stay():
    trainable = [True, False, False, True]
    quantizer = VectorQuantizerEMA(
        4, 2, codebook_init=CODEBOOK, trainable_codes=trainable, decay=0.5
    )
    for _ in range(20):
        quantizer(LATENTS + 5, training=True)
    moved = np.abs(array(quantizer.codebook) - CODEBOOK).max(axis=1) > 0
    assert moved.tolist() == trainable
    assert quantizer.get_config()["trainable_codes"] == trainable
    quantizer = VectorQuantizer(
        4, 2, codebook_init=CODEBOOK, trainable_codes=np.array(trainable)
    )
    model = keras.Sequential([keras.Input((2,)), quantizer])
    model.compile("adam", "mse")
    model.train_on_batch(CODEBOOK + 0.1, CODEBOOK)
    moved = np.abs(array(quantizer.codebook) - CODEBOOK).max(axis=1) > 0
    assert moved.tolist() == trainable
    with pytest.raises(ValueError, match="4 bools, received shape="):
        VectorQuantizerEMA(4, 2, trainable_codes=[True])
    with pytest.raises(ValueError, match="sorted_codes=False"):
        VectorQuantizerEMA(4, 2, trainable_codes=trainable, sorted_codes=True)


def test_far_more_codes_than_latents_are_told_once():
    for make in (VectorQuantizerEMA, VectorQuantizer, NSVQ):
        quantizer = make(1024, 2)
        with pytest.warns(UserWarning, match="num_embeddings=1024 and 8 latents"):
            quantizer(latents(1, 8, 2), training=True)
        quantizer(latents(1, 8, 2), training=True)
    quantizer = ResidualQuantizer([VectorQuantizerEMA(1024, 2)])
    with pytest.warns(UserWarning, match="Larger batches, fewer codes"):
        quantizer(latents(1, 8, 2), training=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        VectorQuantizerEMA(512, 2)(latents(1, 8, 2), training=True)
        VectorQuantizerEMA(1024, 2)(latents(1, 8, 2))


def test_fit_tells_of_far_more_codes_than_latents():
    small = {"num_channels": 4, "residual_channels": 4, "num_residual_blocks": 1}
    model = VQVAE(VectorQuantizerEMA(1024, 2), image_shape=(8, 8, 1), **small)
    model.compile("sgd", "mse", jit_compile=False)
    images = np.zeros((4, 8, 8, 1), "float32")
    with pytest.warns(UserWarning, match="num_embeddings=1024 and 8 latents"):
        model.fit(images, batch_size=2, epochs=1, verbose=0)


def test_a_compiled_function_decodes_codes_out_of_range_as_masked_places():
    quantizer = VectorQuantizer(4, 2, codebook_init=CODEBOOK + 1)
    quantizer.build((None, 2))
    import tensorflow as tf

    decode = tf.function(quantizer.decode, jit_compile=True)
    vectors = decode(tf.constant([-1, 4, 3])).numpy()
    assert vectors.tolist() == [[0, 0], [0, 0], (CODEBOOK[3] + 1).tolist()]


def test_a_sequence_keeps_its_mask():
    inputs = keras.Input((None, 2))
    masked = keras.layers.Masking()(inputs)
    quantizer = VectorQuantizer(4, 2, codebook_init=CODEBOOK + 1)
    outputs = keras.layers.GlobalAveragePooling1D()(quantizer(masked))
    model = keras.Model(inputs, outputs)
    sequence = np.array([[[1, 1], [3, 1], [0, 0], [0, 0]]], "float32")
    assert array(model(sequence)).tolist() == [[2, 1]]
    assert array(quantizer.encode(keras.layers.Masking()(sequence))).tolist() == [
        [0, 1, -1, -1]
    ]


def test_a_quantizer_goes_over_time():
    quantizer = VectorQuantizerEMA(4, 2)
    inputs = keras.Input((5, 3, 2))
    model = keras.Model(inputs, keras.layers.TimeDistributed(quantizer)(inputs))
    rows = latents(1, 2, 5, 3, 2)
    model(rows, training=True)
    assert float(quantizer.started.value) == 1
    np.testing.assert_array_equal(model(rows), quantizer(rows))
