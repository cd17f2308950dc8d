import numpy as np
import pytest

from vqzoo.codec import CodecError, decisions
from vqzoo.codec.exact import ExactPrior
from vqzoo.codec.stream import Reader
from vqzoo.codec.with_priors import PriorCoder


@pytest.fixture(scope="module")
def coder(drawn):
    return PriorCoder(drawn, 2)


def random_grids(seed, rows, columns):
    generator = np.random.default_rng(seed)
    return tuple(
        generator.integers(0, size, (factor * rows, factor * columns)).astype("int32")
        for factor, size in ((1, 8), (2, 16))
    )


IMAGES = [
    random_grids(seed, *shape) for seed, shape in enumerate([(2, 2), (5, 3), (1, 9)])
]
SHAPES = [tuple(grid.shape for grid in grids) for grids in IMAGES]
LABELS = [0, 1, 1]


def readers_of(writers):
    return [Reader(writer.payload(0), writer.corrections) for writer in writers]


def same(found, expected):
    return all(
        np.array_equal(a, b) for x, y in zip(found, expected) for a, b in zip(x, y)
    )


@pytest.mark.parametrize("limit", [64, 2])
def test_grids_of_any_size_come_back(coder, monkeypatch, limit):
    monkeypatch.setattr(coder, "_chunk", limit)
    writers = coder.write(IMAGES, LABELS)
    found = coder.read(SHAPES, LABELS, readers_of(writers))
    assert [grid.dtype for grid in found[1]] == [np.int32] * 2
    assert same(found, IMAGES)


def test_an_image_is_written_alike_in_any_company(coder):
    together = [writer.payload(0) for writer in coder.write(IMAGES, LABELS)]
    for index, grids in enumerate(IMAGES):
        (alone,) = coder.write([grids], [LABELS[index]])
        assert alone.payload(0) == together[index]


def test_a_stream_is_as_long_as_the_information_of_the_priors(drawn, coder):
    images = [random_grids(seed, 2, 2) for seed in range(200)]
    labels = np.arange(200) % 2
    found = [len(w.payload(0)) for w in coder.write(images, list(labels))]
    codes = [np.stack(of_tier) for of_tier in zip(*images)]
    information = -drawn.log_prob(codes, labels) / np.log(2) / 8
    assert np.ptp(information) > 3
    assert (found - 1.01 * information).max() < 5
    assert 0 < (found - information).mean() < 3


def test_places_outside_of_the_grid_cost_nothing(coder):
    # One row and column of codes in a tile of 2 x 2 and 4 x 4 places.
    (small,) = coder.write([random_grids(0, 1, 1)], [0])
    values = 3 + 4 * 4
    assert small._count == values


def test_another_machine_reads_the_same_codes(coder, monkeypatch):
    # A tolerance at which rounding otherwise is no rare thing.
    monkeypatch.setattr(decisions, "TOLERANCE", 2.0**-8)
    writers = coder.write(IMAGES, LABELS)
    assert all(len(writer.corrections) > 3 for writer in writers[1:])
    run, generator = ExactPrior.run, np.random.default_rng(0)

    def elsewhere(self, batch_size, condition, choose):
        def with_noise(logits, place):
            # Log odds move by at most twice as much as logits.
            noise = 2.0**-9 * generator.uniform(-0.99, 0.99, logits.shape)
            return choose(logits + noise, place)

        return run(self, batch_size, condition, with_noise)

    monkeypatch.setattr(ExactPrior, "run", elsewhere)
    assert same(coder.read(SHAPES, LABELS, readers_of(writers)), IMAGES)
    blind = [Reader(writer.payload(0)) for writer in writers]
    assert not same(coder.read(SHAPES, LABELS, blind), IMAGES)


def test_the_likeliest_class_is_found(drawn, coder):
    images = [random_grids(seed, 2, 2) for seed in range(12)]
    tops = np.stack([top for top, _ in images])
    log_p = [drawn.priors[0].log_prob(tops, {"label": label}) for label in (0, 1)]
    expected = (log_p[1] > log_p[0]).astype(int).tolist()
    assert set(expected) == {0, 1}
    assert coder.likeliest_labels(images) == expected
    wide = tuple(np.concatenate(pair, axis=1) for pair in zip(*images[:2]))
    of_both = int(log_p[1][:2].sum() > log_p[0][:2].sum())
    mixed = [images[0], wide, images[1]]
    assert coder.likeliest_labels(mixed) == [expected[0], of_both, expected[1]]


def test_bytes_of_no_writer_give_codes_of_the_codebook(coder):
    readers = [Reader(np.random.default_rng(s).bytes(40)) for s in range(3)]
    found = coder.read(SHAPES, LABELS, readers)
    assert all(grids[0].max() < 8 and grids[1].max() < 16 for grids in found)


def test_logits_that_are_not_finite_are_refused(drawn, monkeypatch):
    coder = PriorCoder(drawn, 1)
    clone = coder._priors[0]._clone
    clone.output_logits.bias.assign(np.full(8, np.inf))
    with pytest.raises(CodecError, match="finite logits"):
        coder.write([IMAGES[0][:1]], [0])
