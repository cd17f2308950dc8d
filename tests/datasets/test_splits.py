import numpy as np
import pytest
import tensorflow as tf

from vqzoo.datasets import Split
from vqzoo.datasets.splits import spread


def _numbers(size):
    """A split whose images are their own index, and which reports its seeds."""

    def load(indices, seed):
        images = tf.cast(indices, tf.float32)[:, None, None, None] / size - 0.5
        seeds = tf.repeat(seed[None], tf.size(indices), axis=0)
        return {"image": images, "label": tf.cast(indices, tf.int32), "seed": seeds}

    return Split(size=size, load=load)


def _labels(dataset):
    return [batch["label"].tolist() for batch in dataset.as_numpy_iterator()]


def _flat(batches):
    return [label for batch in batches for label in batch]


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_every_epoch_is_another_permutation_of_all_images(size):
    split = _numbers(size)
    labels = _flat(_labels(split.batches(3, seed=5, epochs=2)))
    first, second = labels[:size], labels[size:]
    assert sorted(first) == sorted(second) == list(range(size))
    if size == 1000:
        assert first != second
        assert first != list(range(size))
        assert np.mean(np.abs(np.diff(first))) > 250  # 333 for a uniform permutation


def test_another_seed_gives_another_order():
    split = _numbers(100)
    orders = [_flat(_labels(split.batches(10, seed=seed))) for seed in (1, 2, 1)]
    assert orders[0] != orders[1]
    assert orders[0] == orders[2]


def test_without_a_seed_the_order_is_the_stored_one():
    assert _labels(_numbers(5).batches(2)) == [[0, 1], [2, 3], [4]]


@pytest.mark.parametrize("drop_remainder", [False, True])
def test_starting_at_a_step_equals_skipping_the_steps_before_it(drop_remainder):
    split = _numbers(10)
    options = {"seed": 3, "epochs": 4, "drop_remainder": drop_remainder}
    whole = list(split.batches(4, **options).as_numpy_iterator())
    for step in (0, 1, 3, 7, len(whole)):
        rest = split.batches(4, start_step=step, **options)
        rest = list(rest.as_numpy_iterator())
        assert len(rest) == len(whole) - step
        for left, right in zip(rest, whole[step:], strict=True):
            np.testing.assert_array_equal(left["label"], right["label"])
            np.testing.assert_array_equal(left["seed"], right["seed"])


def test_every_step_hands_another_seed_to_the_loader():
    batches = _numbers(10).batches(5, seed=3, epochs=50).as_numpy_iterator()
    seeds = {tuple(batch["seed"][0]) for batch in batches}
    assert len(seeds) == 100


def test_dropping_the_remainder_makes_the_batch_size_static():
    split = _numbers(10)
    dropped = split.batches(4, drop_remainder=True)
    assert dropped.element_spec["label"].shape == (4,)
    assert _labels(dropped) == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert split.steps_per_epoch(4) == 3
    assert split.steps_per_epoch(4, drop_remainder=True) == 2


def test_an_endless_dataset_goes_on_after_the_epoch():
    endless = _numbers(4).batches(2, epochs=None).take(5)
    assert _labels(endless) == [[0, 1], [2, 3], [0, 1], [2, 3], [0, 1]]


def test_arrays_hold_images_from_all_over_in_the_stored_order():
    images, labels = _numbers(600).arrays(300)
    assert labels.tolist() == list(range(0, 600, 2))
    assert images.dtype == np.float32
    expected = np.arange(0, 600, 2) / 600 - 0.5
    np.testing.assert_allclose(images[:, 0, 0, 0], expected, atol=1e-6)


@pytest.mark.parametrize(
    ("size", "count", "rows"),
    [(10, 4, [0, 2, 5, 7]), (3, 3, [0, 1, 2]), (3, 9, [0, 1, 2]), (7, 1, [0])],
)
def test_rows_are_spread_over_all_of_them(size, count, rows):
    assert spread(size, count).tolist() == rows
    assert _numbers(size).arrays(count)[1].tolist() == rows


def test_arrays_of_a_split_without_labels_give_none():
    split = Split(size=2, load=lambda rows, seed: {"image": tf.zeros((2, 1, 1, 1))})
    images, labels = split.arrays()
    assert images.sum() == 0
    assert labels is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, "received batch_size=0"),
        ({"batch_size": 11, "drop_remainder": True}, "at most 10, .* batch_size=11"),
        ({"batch_size": 2, "start_step": 6}, "between 0 and 5, received start_step=6"),
        ({"batch_size": 2, "seed": -1}, "received seed=-1"),
    ],
)
def test_impossible_batches_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        _numbers(10).batches(**options)


def test_an_empty_split_is_refused():
    with pytest.raises(ValueError, match="received size=0"):
        Split(size=0, load=lambda indices, seed: {})
