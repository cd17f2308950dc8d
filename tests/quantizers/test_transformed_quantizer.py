import keras
import numpy as np
import tensorflow as tf

from tests.helpers.case import Case, random_floats, small_ema
from vqzoo.layers import (
    TransformedQuantizer,
    VectorQuantizer,
    VectorQuantizerEMA,
    batch_normalized,
    low_dimensional,
)

CASES = [
    Case(
        "TransformedQuantizer-low-dimensional",
        lambda: low_dimensional(small_ema(), 3),
        (random_floats(3, 2, 3, 3),),
        random=True,
    ),
    Case(
        "TransformedQuantizer-batch-normalized",
        lambda: batch_normalized(small_ema()),
        (random_floats(3, 2, 3, 2),),
        random=True,
    ),
]
REFUSED = [
    (
        lambda: TransformedQuantizer(VectorQuantizer(4, 2), 3),
        "quantizer of 2 dimensions, received embedding_dim=3",
    ),
]


def test_codes_live_between_the_two_layers():
    inner = VectorQuantizer(2, 1)
    layer = low_dimensional(inner, 2)
    layer.build((None, 2))
    inner.codebook.assign([[0.0], [5.0]])
    layer.before.set_weights([np.array([[1.0], [1.0]]), np.array([0.5])])
    layer.after.set_weights([np.array([[2.0, -1.0]]), np.array([0.0, 1.0])])
    latents = np.array(
        [[1, 1], [2, 3]], "float32"
    )  # become 2.5 - tie goes to 0 - and 5.5
    assert layer.encode(latents).numpy().tolist() == [0, 1]
    assert layer(latents).numpy().tolist() == [[0, 1], [10, -4]]
    assert layer.decode([1, 0]).numpy().tolist() == [[10, -4], [0, 1]]


def test_the_decoder_teaches_both_layers_and_the_encoder():
    layer = low_dimensional(VectorQuantizerEMA(4, 2, seed=0), 3)
    latents = tf.Variable(np.random.default_rng(0).normal(size=(6, 3)), dtype="float32")
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.square(layer(latents, training=True)))
    kernels = [layer.before.kernel.value, layer.after.kernel.value]
    for gradient in tape.gradient(loss, [latents, *kernels]):
        assert np.abs(gradient).max() > 1e-3


def test_batch_normalization_makes_latents_longer_than_fresh_codes():
    inner = VectorQuantizer(64, 8)  # codes in [-1/64, 1/64]
    layer = batch_normalized(inner)
    latents = 0.01 * np.random.default_rng(0).normal(size=(256, 8)).astype("float32")
    layer(latents, training=True)
    normalized = np.asarray(layer.before(latents, training=True))
    lengths = np.linalg.norm(normalized, axis=1)
    code_lengths = np.linalg.norm(inner.codebook.numpy(), axis=1)
    assert lengths.min() > 10 * code_lengths.max()


def test_batch_normalization_spreads_the_choice_of_codes():
    latents = 0.01 * np.random.default_rng(0).normal(size=(2000, 8)).astype("float32")

    def num_used(layer):
        layer.build((None, 8))
        for _ in range(3):
            outputs = layer(latents, training=True)
        assert np.isfinite(outputs).all()
        inner = getattr(layer, "quantizer", layer)
        before = getattr(layer, "before", lambda x, training: x)
        codes = inner.encode(before(latents, training=True))
        return len(np.unique(codes))

    start = keras.initializers.RandomNormal(stddev=0.5, seed=1)
    plain = num_used(VectorQuantizer(64, 8, codebook_init=start))
    normalized = num_used(batch_normalized(VectorQuantizer(64, 8, codebook_init=start)))
    assert plain <= 8
    assert normalized >= 32


def test_another_pair_of_layers_is_kept_in_the_config():
    layer = TransformedQuantizer(
        VectorQuantizerEMA(4, 2), 2, before=keras.layers.LayerNormalization()
    )
    again = TransformedQuantizer.from_config(layer.get_config())
    assert isinstance(again.before, keras.layers.LayerNormalization)
    assert again.after is None
    assert again.quantizer.num_embeddings == 4
