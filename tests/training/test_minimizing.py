import keras
import numpy as np
import pytest

from vqzoo.losses.gradients import value_and_gradient
from vqzoo.training import minimizing


class Two(keras.Model):
    """Two weights, one that only the function itself changes, and a seed."""

    def __init__(self):
        super().__init__()
        self.first = self.add_weight(shape=(2,), initializer="ones")
        self.second = self.add_weight(shape=(2,), initializer="ones")
        self.calls = self.add_weight(shape=(), initializer="zeros", trainable=False)
        self.seed = keras.random.SeedGenerator(0)
        self.built = True


def values(*variables):
    return [keras.ops.convert_to_numpy(v).tolist() for v in variables]


def test_a_step_goes_down_the_gradient_and_leaves_what_is_not_read():
    model, optimizer = Two(), keras.optimizers.SGD(0.5)
    optimizer.build(model.trainable_variables)

    def function():
        model.calls.assign_add(1.0)
        keras.random.normal((1,), seed=model.seed)
        slopes = keras.ops.convert_to_tensor([1.0, 2.0])
        return keras.ops.sum(model.first.value * slopes), ()

    before = values(model.seed.state)
    loss, beside = minimizing.minimize(
        function, [model.first, model.second], optimizer, model
    )
    assert float(loss) == 3 and beside == ()
    assert values(model.first, model.second, model.calls) == [[0.5, 0], [1, 1], 1]
    assert values(model.seed.state) != before


def test_a_gradient_of_inputs_has_gradients_itself():
    model, optimizer = Two(), keras.optimizers.SGD(1.0)
    optimizer.build([model.first])
    model.first.assign([2.0, 3.0])
    inputs = keras.ops.convert_to_tensor([[1.0, 1.0], [2.0, 0.5]])

    def function():
        # Of w x^2 the gradient is 2 w x, and that of the sum of it 2 (sum of x).
        _, _, gradient = value_and_gradient(
            lambda x: (keras.ops.sum(model.first * keras.ops.square(x)), ()),
            inputs,
            differentiable=True,
        )
        return keras.ops.sum(gradient), gradient

    loss, gradient = minimizing.minimize(function, [model.first], optimizer, model)
    assert float(loss) == pytest.approx(2 * 3 * 2 + 2 * 1.5 * 3)
    expected = [[4.0, 6.0], [8.0, 3.0]]
    np.testing.assert_allclose(keras.ops.convert_to_numpy(gradient), expected)
    np.testing.assert_allclose(values(model.first)[0], [2 - 6, 3 - 3])


def test_a_step_of_values_changes_no_variable_and_gives_new_values():
    model = Two()

    def step(data):
        model.calls.assign_add(data)
        return {"calls": model.calls.value}

    groups = [model.first], [model.calls]
    state = [[keras.ops.ones((2,))], [keras.ops.convert_to_tensor(4.0)]]
    logs, (first, calls) = minimizing.stateless(step, groups, state, 2.0)
    assert float(logs["calls"]) == float(calls[0]) == 6
    assert values(model.calls) == [0] and len(first) == 1
