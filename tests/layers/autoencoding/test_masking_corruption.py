import numpy as np
from keras import ops

from tests.helpers.case import Case, random_floats
from vqzoo.layers import MaskingCorruption

CASES = [
    Case(
        "MaskingCorruption",
        lambda: MaskingCorruption(0.5, seed=1),
        (random_floats(3, 2, 3, 2),),
        random=True,
    ),
]
REFUSED = [
    (lambda: MaskingCorruption(1.5), r"rate in \[0, 1\], received rate=1.5"),
    (lambda: MaskingCorruption(float("nan")), "rate=nan"),
]

IMAGES = np.full((20, 6, 8, 3), 0.25, "float32")


def test_training_masks_a_quarter_of_the_pixels_and_inference_none():
    layer = MaskingCorruption(0.25, seed=1)
    masked = ops.convert_to_numpy(layer(IMAGES, training=True)) == 0
    assert masked.sum(axis=(1, 2, 3)).tolist() == [3 * 12] * 20
    np.testing.assert_array_equal(layer(IMAGES, training=False), IMAGES)
    np.testing.assert_array_equal(layer(IMAGES), IMAGES)


def test_every_call_draws_anew_and_equal_seeds_draw_alike():
    layer, twin = MaskingCorruption(0.5, seed=1), MaskingCorruption(0.5, seed=1)
    calls = [ops.convert_to_numpy(layer(IMAGES, training=True)) for _ in range(2)]
    assert (calls[0] != calls[1]).any(axis=(1, 2, 3)).all()
    for expected in calls:
        np.testing.assert_array_equal(twin(IMAGES, training=True), expected)
