import numpy as np

from tests.helpers.case import Case, random_floats
from vqzoo.layers import MinibatchStd

CASES = [
    Case("MinibatchStd", lambda: MinibatchStd(3), (random_floats(3, 2, 3, 2),)),
]
REFUSED = [
    (lambda: MinibatchStd(0), "group_size=0"),
]


def test_the_channel_is_the_mean_deviation_of_each_group():
    inputs = np.random.default_rng(0).normal(size=(6, 2, 3, 4)).astype("float32")
    outputs = MinibatchStd(3)(inputs).numpy()
    np.testing.assert_array_equal(outputs[..., :4], inputs)
    groups = inputs.reshape(3, 2, 2, 3, 4)  # members 0, 2, 4 and 1, 3, 5
    expected = groups.std(axis=0).mean(axis=(1, 2, 3))
    for index in range(6):
        np.testing.assert_allclose(
            outputs[index, ..., 4], expected[index % 2], rtol=1e-5
        )


def test_a_batch_that_groups_do_not_divide_is_one_group():
    inputs = np.random.default_rng(0).normal(size=(5, 1, 1, 2)).astype("float32")
    outputs = MinibatchStd(4)(inputs).numpy()[..., 2]
    np.testing.assert_allclose(outputs, inputs.std(axis=0).mean(), rtol=1e-5)


def test_equal_images_show_no_deviation():
    outputs = MinibatchStd()(np.ones((4, 2, 2, 3), "float32")).numpy()
    np.testing.assert_allclose(outputs[..., 3], 1e-4, rtol=1e-3)
