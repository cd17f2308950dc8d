"""The gradient of a function of a tensor, on every backend."""

import keras


def value_and_gradient(function, inputs, differentiable=False):
    """What a function gives, and the gradient of that with respect to its input.

    Args:
        function: from a tensor to `(value, beside)`, a scalar and tensors beside it.
        inputs: float tensor.
        differentiable: bool. Whether the gradient is itself derived.

    Returns:
        `(value, beside, gradient)`.
    """
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape() as tape:
            tape.watch(inputs)
            value, beside = function(inputs)
        return value, beside, tape.gradient(value, inputs)
    if keras.backend.backend() == "jax":
        import jax

        both, gradient = jax.value_and_grad(function, has_aux=True)(inputs)
        return *both, gradient
    import torch

    with torch.enable_grad():
        inputs = inputs if inputs.requires_grad else inputs.detach().requires_grad_()
        value, beside = function(inputs)
        (gradient,) = torch.autograd.grad(
            value, inputs, retain_graph=True, create_graph=differentiable
        )
    return value, beside, gradient
