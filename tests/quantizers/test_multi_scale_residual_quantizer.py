import numpy as np
import pytest
import tensorflow as tf

from tests.helpers.case import Case, random_floats, small_ema
from vqzoo.layers import (
    MultiHeadQuantizer,
    MultiScaleResidualQuantizer,
    VectorQuantizer,
    VectorQuantizerEMA,
)
from vqzoo.quantizers.scales import Scales, area_matrix, cubic_matrix

CASES = [
    Case(
        "MultiScaleResidualQuantizer",
        lambda: MultiScaleResidualQuantizer(small_ema(), (1, 2, 3, 4)),
        (random_floats(3, 4, 4, 2),),
        random=True,
    ),
    Case(
        "MultiScaleResidualQuantizer-plain",
        lambda: MultiScaleResidualQuantizer(
            VectorQuantizer(4, 2), ((1, 1), (2, 3)), num_convolutions=0
        ),
        (random_floats(3, 2, 3, 2),),
    ),
]
REFUSED = [
    (lambda: MultiScaleResidualQuantizer(small_ema(), ()), r"received grids=\(\)"),
    (lambda: MultiScaleResidualQuantizer(small_ema(), (2, 1)), "coarse to fine"),
    (lambda: MultiScaleResidualQuantizer(small_ema(), (0, 2)), "positive int"),
    (
        lambda: MultiScaleResidualQuantizer(small_ema(), (1, 2))(
            random_floats(1, 4, 4, 2)
        ),
        r"end in the latent grid \(4, 4\), received grids=\(1, 2\)",
    ),
    (
        lambda: MultiScaleResidualQuantizer(MultiHeadQuantizer(small_ema(), 2), (1,)),
        "one code for each latent, received MultiHeadQuantizer",
    ),
    (
        lambda: MultiScaleResidualQuantizer(small_ema(), (1,), convolution_share=1.5),
        "convolution_share=1.5",
    ),
    (
        lambda: MultiScaleResidualQuantizer(small_ema(), (1, 2)).decode(
            np.zeros((1, 1, 4), "int32")
        ),
        r"whole scales, .*\(1, 5\)",
    ),
]


def quantizer_of(codebook, grids, inner=VectorQuantizer, **options):
    codebook = np.asarray(codebook, "float32")
    layer = MultiScaleResidualQuantizer(inner(*codebook.shape), grids, **options)
    layer.build((None, *layer.scales.full, codebook.shape[1]))
    layer.quantizer.codebook.assign(codebook)
    return layer


def test_codes_of_two_scales_by_hand():
    # Mean 2: code 2 (value 2) everywhere; rests -1, 1, 1, -1: codes 0 and 1.
    layer = quantizer_of([[-1], [1], [2]], (1, 2), num_convolutions=0)
    latents = np.array([1, 3, 3, 1], "float32").reshape(1, 2, 2, 1)
    assert layer.encode(latents).numpy().tolist() == [[[2, 0, 1, 1, 0]]]
    np.testing.assert_array_equal(layer(latents), latents)
    coarse = layer.decode(np.array([[[2]]]))
    assert coarse.numpy().ravel().tolist() == [2, 2, 2, 2]
    # The terms: commitment and codebook on each rest, here all 0; the sums so far.
    terms = {name: float(term) for name, term in layer.loss_terms(latents).items()}
    assert terms == {"codebook": 0, "commitment": 0, "scales": 0.5}


def test_a_convolution_has_its_share_and_the_scales_have_the_nearest_one():
    layer = quantizer_of([[1], [2]], (1, 2), num_convolutions=2)
    kernels = np.zeros((2, 3, 3, 1, 1), "float32")
    kernels[0, 1, 1], kernels[1, 1, 1] = 3, 5
    layer.kernels.assign(kernels)
    layer.offsets.assign([[1], [0]])
    codes = np.array([[[0, 1, 1, 1, 1]]])
    # 0.5 * 1 + 0.5 * (3 * 1 + 1), then 0.5 * 2 + 0.5 * (5 * 2).
    assert layer.decode(codes).numpy().ravel().tolist() == [2.5 + 6] * 4
    six = MultiScaleResidualQuantizer(small_ema(), (1, 2, 3, 4, 6, 8))
    six.build((None, 8, 8, 2))
    assert [six._convolution(i) for i in range(6)] == [0, 0, 1, 2, 3, 3]


def test_convolutions_start_as_the_identity():
    layer, plain = (
        quantizer_of(random_floats(8, 3), (1, 3, 4), num_convolutions=n) for n in (4, 0)
    )
    latents = random_floats(2, 4, 4, 3)
    np.testing.assert_array_equal(layer.encode(latents), plain.encode(latents))
    np.testing.assert_allclose(layer(latents), plain(latents), atol=1e-6)


def test_the_gradient_passes_once_and_convolutions_learn_from_the_sums():
    layer = quantizer_of(random_floats(8, 3), (1, 2, 4))
    latents = tf.constant(random_floats(2, 4, 4, 3))
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(latents)
        outputs = layer(latents, training=True)
        total = tf.reduce_sum(outputs)
        losses = tf.add_n(layer.losses)
    np.testing.assert_allclose(tape.gradient(total, latents), np.ones((2, 4, 4, 3)))
    assert tape.gradient(total, layer.kernels) is None
    assert float(tf.reduce_max(tf.abs(tape.gradient(losses, layer.kernels)))) > 0


def test_more_scales_are_nearer():
    layer = MultiScaleResidualQuantizer(VectorQuantizerEMA(16, 3), (1, 2, 4))
    latents = random_floats(64, 4, 4, 3)
    layer.build(latents.shape)
    layer.start_from(latents)
    codes = layer.encode(latents).numpy()
    assert codes.shape == (64, 1, 21) and len(np.unique(codes)) > 8
    errors = [
        float(np.mean((layer.decode(codes[:, :, :n]).numpy() - latents) ** 2))
        for n in (1, 5, 21)
    ]
    assert errors == sorted(errors, reverse=True) and errors[2] < 0.6 * errors[0]


def test_without_grids_they_are_halves_of_the_latents_grid():
    layer = MultiScaleResidualQuantizer(small_ema())
    layer(random_floats(2, 5, 3, 2), training=True)
    assert layer.scales.grids == ((1, 1), (2, 1), (3, 2), (5, 3))
    again = MultiScaleResidualQuantizer.from_config(layer.get_config())
    assert again.grids is None
    with pytest.raises(ValueError, match=r"latents of one grid, .*\(2, 5, 2\)"):
        again(random_floats(2, 5, 2))


def test_masked_places_count_in_no_mean_by_hand():
    # Mean 7 / 3: code 2 (value 2) everywhere; rests -1, 1, 1: codes 0, 1 and 1.
    layer = quantizer_of([[-1], [1], [2]], (1, 2), num_convolutions=2)
    latents = np.array([1, 3, 3, 50], "float32").reshape(1, 2, 2, 1)
    mask = np.array([[[True, True], [True, False]]])
    codes = layer.encode(latents, mask)
    assert codes.numpy().tolist() == [[[2, 0, 1, 1, -1]]]
    for outputs in (layer.decode(codes), layer(latents, mask=mask)):
        assert outputs.numpy().ravel().tolist() == [1, 3, 3, 0]
    # 1 / 9 and a quarter of it from the mean, and from the sums 1 and 0.
    assert float(sum(layer.losses)) == pytest.approx(0.5 + 1.25 / 9)


def test_means_and_cubics_by_hand():
    np.testing.assert_allclose(
        area_matrix(4, 3) * 2, [[1, 1, 0, 0], [0, 1, 1, 0], [0, 0, 1, 1]]
    )
    np.testing.assert_allclose(cubic_matrix(3, 7).sum(axis=1), 1, rtol=1e-6)
    # Keys 1981 with a = -0.75, at distances 1.25, 0.25, 0.75, 1.75; the ends repeat.
    first = cubic_matrix(2, 4)[1]
    np.testing.assert_allclose(
        first, [-0.10546875 + 0.87890625, 0.26171875 - 0.03515625]
    )


def test_sums_before_are_those_of_scales_brought_up_and_down():
    scales = Scales((1, 2, (3, 4)))
    values = random_floats(1, scales.ends[-1], 2)
    expected, total = [np.zeros((1, 1, 2))], 0.0
    for index, part in enumerate(scales.parts[:-1]):
        grid = values[:, part].reshape(1, *scales.grids[index], 2)
        total = total + scales.up(grid)
        lower = scales.down(total, index + 1)
        expected.append(np.reshape(lower, (1, -1, 2)))
    received = scales.sums_before() @ values
    np.testing.assert_allclose(received, np.concatenate(expected, axis=1), atol=1e-5)
