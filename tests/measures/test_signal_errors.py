import numpy as np
import pytest

from vqzoo.measures.signals import channel_errors

SIGNALS = np.random.default_rng(0).normal(size=(5, 16, 2)) * (1.0, 100.0)


def test_errors_are_in_units_of_each_channel():
    mean = np.broadcast_to(SIGNALS.mean(axis=(0, 1)), SIGNALS.shape)
    np.testing.assert_array_equal(channel_errors(SIGNALS, SIGNALS), [0, 0])
    np.testing.assert_allclose(channel_errors(SIGNALS, mean), [1, 1])
    half = np.stack([SIGNALS[..., 0], mean[..., 1]], axis=-1)
    np.testing.assert_allclose(channel_errors(SIGNALS, half), [0, 1])


def test_a_constant_channel_that_comes_back_has_no_error():
    constant = np.ones((2, 4, 1))
    np.testing.assert_array_equal(channel_errors(constant, constant), [0])


def test_other_shapes_are_refused():
    with pytest.raises(ValueError, match="two equal shapes"):
        channel_errors(SIGNALS, SIGNALS[:, :8])
