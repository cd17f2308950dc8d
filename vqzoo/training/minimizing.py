"""One step of an optimizer down any function of variables, on each backend."""

import contextlib

import keras
from keras import ops


def minimize(function, variables, optimizer, model):
    """Moves variables by one step of an optimizer down the gradient of a function.

    Args:
        function: function without arguments that gives `(loss, beside)`. It may change
            the variables of the model that are not trainable: seeds, moving averages.
        variables: sequence of `keras.Variable`.
        optimizer: built for these.
        model: `keras.Model` with all variables that the function reads.

    Returns:
        `(loss, beside)`.
    """
    loss, beside, gradients = _OF_BACKEND[keras.backend.backend()](
        function, variables, model
    )
    pairs = zip(gradients, variables)
    used = [(g, v) for g, v in pairs if g is not None]  # The function reads no others.
    with _without_gradients():
        optimizer.apply(*zip(*used))
    return loss, beside


def stateless(step, groups, state, data):
    """A step that changes variables, as one that takes their values and gives new ones.

    Args:
        step: function of data that reads and assigns variables, and returns logs.
        groups: sequence of sequences of `keras.Variable`.
        state: sequence of sequences of their values.
        data: what the step takes.

    Returns:
        `(logs, state)`.
    """
    mapping = [pair for pairs in map(zip, groups, state) for pair in pairs]
    with keras.StatelessScope(state_mapping=mapping) as scope:
        logs = step(data)
    return logs, tuple([scope.get_current_value(v) for v in group] for group in groups)


def _without_gradients():
    if keras.backend.backend() != "torch":
        return contextlib.nullcontext()
    import torch

    return torch.no_grad()


def _in_tensorflow(function, variables, model):
    import tensorflow as tf

    del model
    with tf.GradientTape() as tape:
        loss, beside = function()
    return loss, beside, tape.gradient(loss, [v.value for v in variables])


def _in_jax(function, variables, model):
    import jax

    changing = model.non_trainable_variables
    known = [(v, v.value) for v in (*model.trainable_variables, *changing)]

    def of_values(values):
        mapping = [*known, *zip(variables, values)]
        with keras.StatelessScope(state_mapping=mapping) as scope:
            loss, beside = function()
        return loss, (beside, [scope.get_current_value(v) for v in changing])

    gradient = jax.value_and_grad(of_values, has_aux=True)
    (loss, (beside, changed)), gradients = gradient([v.value for v in variables])
    for variable, value in zip(changing, changed):
        variable.assign(value)
    return loss, beside, gradients


def _in_torch(function, variables, model):
    import torch

    del model
    loss, beside = function()
    values = [v.value for v in variables]
    gradients = torch.autograd.grad(loss, values, allow_unused=True)
    loss, beside = keras.tree.map_structure(ops.stop_gradient, (loss, beside))
    return loss, beside, gradients


_OF_BACKEND = {"tensorflow": _in_tensorflow, "jax": _in_jax, "torch": _in_torch}
