import types

import numpy as np
import pytest
import tensorflow as tf

from tests.helpers.case import Case, random_floats, small_ema
from vqzoo import ops
from vqzoo.layers import (
    FiniteScalarQuantizer,
    MultiHeadQuantizer,
    ResidualQuantizer,
    VectorQuantizer,
    VectorQuantizerEMA,
)
from vqzoo.quantizers import making

CASES = [
    Case(
        "ResidualQuantizer",
        lambda: ResidualQuantizer([small_ema(), small_ema()], dropout=True, seed=3),
        (random_floats(3, 2, 3, 2),),
        random=True,
    ),
    Case(
        "ResidualQuantizer-beam",
        lambda: ResidualQuantizer([small_ema(), small_ema()], beam_width=3),
        (random_floats(3, 2, 3, 2),),
        random=True,
    ),
    Case(
        "ResidualQuantizer-shared",
        lambda: ResidualQuantizer([small_ema()], num_stages=2),
        (random_floats(3, 2, 3, 2),),
        random=True,
    ),
]
REFUSED = [
    (lambda: ResidualQuantizer([]), "one quantizer or more"),
    (lambda: ResidualQuantizer([small_ema()], beam_width=0), "beam_width=0"),
    (
        lambda: ResidualQuantizer([small_ema(), small_ema()], num_stages=3),
        "num_stages=3, received 2",
    ),
    (
        lambda: ResidualQuantizer([MultiHeadQuantizer(small_ema(), 2)], beam_width=2),
        "beam_width=2 with MultiHeadQuantizer",
    ),
    (
        lambda: ResidualQuantizer([VectorQuantizer(4, 2), VectorQuantizer(8, 2)]),
        r"\(4, 2\).*\(8, 2\)|\(8, 2\).*\(4, 2\)",
    ),
]

COARSE = np.array([[0, 0], [4, 0]], "float32")
FINE = np.array([[1, 0], [0, 1]], "float32")
# Coarse codes 0, 1; rests (0.8, 0.1), (0.2, 1.5); fine codes 0, 1.
LATENTS = np.array([[0.8, 0.1], [4.2, 1.5]], "float32")


def stage(codebook, **options):
    layer = VectorQuantizer(2, 2, **options)
    layer.build((None, 2))
    layer.codebook.assign(codebook)
    return layer


def two_stages(**options):
    return ResidualQuantizer([stage(COARSE), stage(FINE)], **options)


def test_codes_and_sum_of_two_stages():
    layer = two_stages()
    assert layer.encode(LATENTS).numpy().tolist() == [[0, 0], [1, 1]]
    assert layer(LATENTS).numpy().tolist() == [[1, 0], [4, 1]]
    assert layer.decode(np.array([[0, 1], [1, 0]])).numpy().tolist() == [[0, 1], [5, 0]]
    assert layer.decode(np.array([[0], [1]])).numpy().tolist() == COARSE.tolist()


def test_a_beam_finds_the_nearest_sum_where_the_nearest_codes_do_not_lead():
    latents = np.array([[1.9, 0.0], [0.1, 1.1]], "float32")
    coarse = np.array([[0, 0], [4, 0]], "float32")
    fine = np.array([[-2, 0], [0, 1]], "float32")
    greedy, beam = (
        ResidualQuantizer([stage(coarse), stage(fine)], beam_width=width)
        for width in (1, 2)
    )
    assert greedy.encode(latents).numpy().tolist() == [[0, 1], [0, 1]]
    assert beam.encode(latents).numpy().tolist() == [[1, 0], [0, 1]]
    assert beam(latents).numpy().tolist() == [[2, 0], [0, 1]]
    # As wide as there are sums it is the search through all of them.
    points = random_floats(50, 2, scale=2.0)
    sums = (coarse[:, None] + fine).reshape(-1, 2)
    least = np.square(points[:, None] - sums).sum(-1).min(axis=1)
    found = np.square(points - beam(points).numpy()).sum(-1)
    np.testing.assert_allclose(found, least, rtol=1e-5)


def test_a_beam_in_blocks_gives_the_codes_of_one_block():
    layer = ResidualQuantizer([small_ema(), small_ema()], beam_width=3)
    points = random_floats(300, 2)
    layer.build((None, 2))
    layer.start_from(points)
    with ops.in_one_block():
        expected = layer.encode(points).numpy()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ops, "_SCORES_PER_BLOCK", 1)
        np.testing.assert_array_equal(layer.encode(points), expected)


def test_shared_stages_have_one_codebook_that_files_keep_shared():
    layer = ResidualQuantizer([small_ema()], num_stages=3)
    layer.build((None, 2))
    layer.start_from(random_floats(64, 2))
    assert len(layer.weights) == len(small_ema_weights())
    assert layer.encode(random_floats(5, 2)).shape == (5, 3)
    again = ResidualQuantizer.from_config(layer.get_config())
    again.build((None, 2))
    again.set_weights(layer.get_weights())
    np.testing.assert_array_equal(
        again.encode(random_floats(5, 2)), layer.encode(random_floats(5, 2))
    )


def small_ema_weights():
    layer = small_ema()
    layer.build((None, 2))
    return layer.weights


def test_each_stage_starts_on_the_clusters_of_what_is_left():
    points = np.repeat([[0, 0], [0, 1], [8, 0], [8, 1]], 16, axis=0).astype("float32")
    stages = [VectorQuantizerEMA(2, 2, seed=index) for index in range(2)]
    layer = ResidualQuantizer(stages)
    layer.build((None, 2))
    layer.start_from(points)
    np.testing.assert_allclose(layer(points), points, atol=1e-5)
    assert sorted(stages[0].codebook.numpy()[:, 0].tolist()) == [0, 8]
    assert all(float(stage.started) == 1 for stage in stages)


def test_the_losses_are_those_of_each_stage_on_its_own_rest():
    layer = two_stages()
    layer(LATENTS)
    first = (0.64 + 0.01 + 0.04 + 2.25) / 4
    second = (0.04 + 0.01 + 0.04 + 0.25) / 4
    expected = [first, 0.25 * first, second, 0.25 * second]
    np.testing.assert_allclose([float(x) for x in layer.losses], expected, rtol=1e-5)
    terms = layer.loss_terms(LATENTS)
    assert float(terms["commitment"]) == pytest.approx(first + second)


def test_the_gradient_of_the_output_passes_once():
    layer = ResidualQuantizer([stage(COARSE), stage(FINE), stage(FINE)])
    latents = tf.Variable(LATENTS)
    with tf.GradientTape() as tape:
        outputs = layer(latents)
        loss = tf.reduce_sum(outputs * [[1.0, 2.0], [3.0, 4.0]])
    expected = [[1, 2], [3, 4]]
    np.testing.assert_allclose(tape.gradient(loss, latents), expected, rtol=1e-6)


@pytest.mark.parametrize(
    "stages",
    [
        lambda: [FiniteScalarQuantizer((5, 3)) for _ in range(3)],
        lambda: list(residual_lfq().quantizer.quantizers),
    ],
)
def test_stages_without_weights_do_not_turn_the_gradient_around(stages):
    layers = stages()
    latents = tf.Variable(random_floats(6, layers[0].embedding_dim))
    with tf.GradientTape(persistent=True) as tape:
        first = tf.reduce_sum(layers[0](latents, training=True))
        whole = tf.reduce_sum(ResidualQuantizer(layers)(latents, training=True))
    expected = tape.gradient(first, latents)
    np.testing.assert_allclose(tape.gradient(whole, latents), expected, rtol=1e-5)


def residual_lfq():
    settings = types.SimpleNamespace(
        quantizer="residual_lfq",
        quantizer_options=("num_bits=2",),
        num_embeddings=4,
        noise_stddev=(0.0,),
        sorted_codes=False,
    )
    return making.make(settings, 0)


def test_lookup_free_stages_take_latents_of_any_scale():
    layer, points = residual_lfq(), random_floats(400, 2)
    for scale in (0.01, 100.0):
        outputs = layer(scale * points, training=True)
        units = (points - points.mean(axis=0)) / points.std(axis=0)
        assert np.mean((outputs - units) ** 2) < 0.05


def test_dropout_ends_the_sum_after_a_prefix_of_the_stages():
    layer = two_stages(dropout=True, seed=1)
    latents = np.tile(LATENTS[:1], (200, 1))
    outputs = layer(latents, training=True).numpy()
    kinds, counts = np.unique(outputs, axis=0, return_counts=True)
    assert kinds.tolist() == [[0, 0], [1, 0]]
    assert counts.min() > 70
    np.testing.assert_array_equal(layer(latents), np.tile([[1, 0]], (200, 1)))


def test_each_further_stage_lowers_the_error():
    generator = np.random.default_rng(0)
    latents = generator.normal(size=(512, 4)).astype("float32")
    layer = ResidualQuantizer([VectorQuantizerEMA(8, 4, seed=i) for i in range(4)])
    for _ in range(30):
        layer(latents, training=True)
    codes = layer.encode(latents)
    errors = [
        float(np.mean(np.square(latents - layer.decode(codes[:, : n + 1]))))
        for n in range(4)
    ]
    assert errors[0] < 0.8
    assert all(after < 0.8 * before for before, after in zip(errors, errors[1:]))


def test_codes_of_too_many_stages_are_refused():
    layer = two_stages()
    with pytest.raises(ValueError, match=r"1 to 2 stages on axis 1.*\(5, 3\)"):
        layer.decode(np.zeros((5, 3), "int32"))
