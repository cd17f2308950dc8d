import keras
import numpy as np
import pytest
from keras import layers

from vqzoo.measures import cost


def test_a_convolution_a_transposed_one_and_a_product_worked_by_hand():
    inputs = keras.Input((8, 8, 3))
    hidden = layers.Conv2D(5, 3, padding="same")(inputs)
    hidden = layers.Conv2DTranspose(4, 4, strides=2, padding="same")(hidden)
    outputs = layers.Dense(7)(layers.Flatten()(hidden))
    model = keras.Model(inputs, outputs)
    convolution = 8 * 8 * 5 * 3 * 3 * 3
    transposed = 8 * 8 * 4 * 4 * 4 * 5
    product = 16 * 16 * 4 * 7
    found = cost.multiply_adds(lambda x: model(x), (1, 8, 8, 3))
    assert found == convolution + transposed + product
    assert cost.multiply_adds(lambda x: model(x), (3, 8, 8, 3)) == 3 * found


def test_a_convolution_of_each_channel_alone():
    layer = layers.DepthwiseConv2D(3, depth_multiplier=2)
    assert cost.multiply_adds(layer, (1, 6, 6, 5)) == 4 * 4 * 10 * 9


def test_what_multiplies_nothing_costs_nothing():
    assert cost.multiply_adds(lambda x: keras.ops.relu(x) + 1, (1, 8)) == 0


def test_a_model_with_codes_counts_its_look_up():
    from vqzoo.layers import VectorQuantizer

    layer = VectorQuantizer(16, 4)
    layer.build((None, 2, 2, 4))
    found = cost.multiply_adds(lambda x: layer.encode(x), (1, 2, 2, 4))
    assert found == 4 * 16 * 4


def test_a_training_step_costs_three_times_the_call_but_for_the_first_layer():
    import tensorflow as tf

    inputs = keras.Input((8, 8, 3))
    hidden = layers.Conv2D(5, 3, padding="same")(inputs)
    outputs = layers.Dense(7)(layers.Flatten()(hidden))
    model = keras.Model(inputs, outputs)
    model.compile("sgd", "mse")
    model.optimizer.build(model.trainable_variables)
    data = tf.zeros((2, 8, 8, 3)), tf.zeros((2, 7))
    step = tf.function(model.train_step).get_concrete_function(data)
    convolution, product = 8 * 8 * 5 * 3 * 3 * 3, 8 * 8 * 5 * 7
    # Nothing asks for a gradient in the images.
    expected = 2 * (2 * convolution + 3 * product)
    assert cost.graph_multiply_adds(step.graph) == expected


def test_a_loop_is_refused():
    def looped(x):
        return keras.ops.while_loop(
            lambda i, y: i < 3, lambda i, y: (i + 1, keras.ops.matmul(y, y)), (0, x)
        )

    with pytest.raises(ValueError, match="without loops, received .*[Ww]hile"):
        cost.multiply_adds(looped, (4, 4))


def test_speed_is_the_batch_over_the_time_of_a_call(monkeypatch):
    clock = iter(np.cumsum([0, *[0.5, 0.5, 0.25, 0.25] * 20]))
    monkeypatch.setattr(cost.time, "perf_counter", lambda: float(next(clock)))
    calls = []
    speed = cost.images_per_second(calls.append, np.zeros((8, 2, 2, 1)), seconds=5)
    assert len(calls) > 5
    assert speed in (8 / 0.25, 8 / 0.5)


def test_the_footprint_of_the_thesis():
    # 6,792 hours at 0.432 kg a kWh, 733.54 kg in all: 250 W.
    found = cost.footprint(6792, 250, 0.432)
    assert found["energy_kwh"] == pytest.approx(1698)
    assert found["co2_kg"] == pytest.approx(733.54, abs=0.01)
    assert cost.footprint(0, 100)["co2_kg"] == 0
    assert cost.footprint(2, 50)["carbon_intensity"] == cost.CARBON_INTENSITY


@pytest.mark.parametrize(
    ("numbers", "name"),
    [
        ((-1, 10, 0.1), "hours=-1"),
        ((1, 0, 0.1), "watts=0"),
        ((1, 10, -0.1), "carbon_intensity=-0.1"),
    ],
)
def test_what_no_machine_does_is_refused(numbers, name):
    with pytest.raises(ValueError, match=f"received {name}"):
        cost.footprint(*numbers)
