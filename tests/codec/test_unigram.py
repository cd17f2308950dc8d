import numpy as np
import pytest

from vqzoo.codec import unigram
from vqzoo.codec.stream import Reader, Writer
from vqzoo.layers import FiniteScalarQuantizer, VectorQuantizerEMA


def skewed(count, size=64):
    generator = np.random.default_rng(0)
    return generator.geometric(0.2, count).clip(1, size).astype("int32") - 1


def written(codes, layer, adapts):
    writer = Writer()
    start = (unigram.known if adapts else unigram.even)(layer)
    unigram.write(writer, start, codes, adapts=adapts)
    return writer, start


@pytest.fixture(scope="module")
def layer():
    quantizer = VectorQuantizerEMA(64, 4)
    quantizer.build((None, 4))
    return quantizer


@pytest.mark.parametrize("adapts", [True, False])
@pytest.mark.parametrize("shape", [(1, 1), (8, 8), (61, 43)])
def test_a_grid_comes_back(layer, adapts, shape):
    codes = skewed(np.prod(shape)).reshape(shape)
    writer, start = written(codes, layer, adapts)
    reader = Reader(writer.payload(0), writer.corrections)
    found = unigram.read(reader, start, shape, adapts=adapts)
    assert found.dtype == np.int32 and np.array_equal(found, codes)


def test_raw_codes_cost_the_bits_of_an_index(layer):
    writer, _ = written(skewed(4000), layer, adapts=False)
    assert 6 * 500 <= len(writer.payload(0)) <= 6 * 500 + 4


def test_shares_that_are_learned_come_near_to_the_entropy(layer):
    codes = skewed(20_000)
    share = np.bincount(codes, minlength=64) / len(codes)
    entropy = -(share[share > 0] * np.log2(share[share > 0])).sum() / 8
    writer, _ = written(codes, layer, adapts=True)
    assert 1 <= len(writer.payload(0)) / (entropy * len(codes)) < 1.05


def test_a_quantizer_that_kept_count_is_asked(layer):
    counts = np.linspace(0, 126, 64)
    layer.ema_counts.assign(counts)
    try:
        start = unigram.known(layer)
    finally:
        layer.ema_counts.assign(np.ones(64))
    expected = 0.25 * 64 * (0.99 * counts / counts.sum() + 0.01 / 64)
    np.testing.assert_allclose(start[0], expected, rtol=1e-6)


def test_counts_of_a_collection_stand_for_those_of_training(layer):
    counts = np.bincount(skewed(5000), minlength=64)
    expected = 0.25 * 64 * (0.99 * counts / 5000 + 0.01 / 64)
    np.testing.assert_allclose(unigram.known(layer, counts)[0], expected, rtol=1e-12)


def test_one_that_keeps_no_count_prefers_no_code():
    layer = FiniteScalarQuantizer((3, 5))
    nothing = np.zeros(15, int)
    np.testing.assert_allclose(unigram.known(layer, nothing), 0.25, rtol=1e-12)
    np.testing.assert_allclose(unigram.known(layer), 0.25, rtol=1e-12)
    assert unigram.even(layer).tolist() == [[1.0] * 15]
