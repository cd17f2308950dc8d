import os

import pytest
import tensorflow as tf

from vqzoo.training import devices, fitting


def test_a_process_on_one_core_says_so():
    cores = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(cores)})
        assert devices.describe().startswith("1 core, ")
    finally:
        os.sched_setaffinity(0, cores)
    assert devices.describe().startswith(f"{len(cores)} core")


def test_an_error_within_the_data_is_told_in_its_own_words():
    def fail(_):
        raise ValueError("expected --image_size, received nothing")

    data = tf.data.Dataset.range(1).map(lambda n: tf.numpy_function(fail, [n], "int64"))
    with pytest.raises(ValueError, match="^expected --image_size, received nothing$"):
        with fitting._told_of_data():
            next(iter(data))
