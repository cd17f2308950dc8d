import numpy as np
import tensorflow as tf

from vqzoo.datasets.masking import hide


def test_hidden_places_have_the_mask_code_and_the_weight():
    codes = tf.reshape(tf.range(4 * 3 * 5), (4, 3, 5))
    hidden, weights = (x.numpy() for x in hide(codes, (0, 1), 99))
    mask = hidden == 99
    assert np.array_equal(hidden[~mask], codes.numpy()[~mask])
    assert mask.any(axis=(1, 2)).all()
    assert np.array_equal(weights > 0, mask)
    assert len(np.unique(weights[mask])) == 1
    np.testing.assert_allclose(weights.mean(), 1, rtol=1e-6)


def test_the_share_of_hidden_places_is_the_cosine_of_an_even_angle():
    hidden = hide(tf.zeros((4000, 8, 8), tf.int32), (3, 4), 1)[0].numpy()
    shares = np.sort(hidden.mean(axis=(1, 2)))
    expected = np.sort(np.cos((np.arange(4000) + 0.5) / 4000 * np.pi / 2))
    np.testing.assert_allclose(shares, expected, atol=0.06)
    # Each place is hidden as often as any other.
    np.testing.assert_allclose(hidden.mean(axis=0), 2 / np.pi, atol=0.04)


def test_equal_seeds_hide_equal_places():
    codes = tf.zeros((2, 4, 4), tf.int32)
    first, again, other = (hide(codes, (0, i), 1)[0].numpy() for i in (1, 1, 2))
    assert np.array_equal(first, again) and not np.array_equal(first, other)
