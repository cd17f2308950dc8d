"""The state of a run: all that is needed to go on as if it had never stopped."""

import numpy as np

from vqzoo.registry import lazily
from vqzoo.runs.files import RunError, load_arrays, save_arrays

keras = lazily("keras")


def variables(model):
    """Every variable of a compiled model, in a fixed order.

    Beside the weights: the seeds of the noise and the restarts, which `.keras` files
    leave out, the moments of the optimizer, or of the `optimizers` where a model has
    several, and the running means of the metrics.
    """
    optimizers = getattr(model, "optimizers", (model.optimizer,))
    moments = [v for optimizer in optimizers for v in optimizer.variables]
    return [*model.variables, *moments, *model.metrics_variables]


def metrics(model):
    """Values of the metrics' variables, which `fit` sets to zero at each epoch."""
    return [keras.ops.convert_to_numpy(v) for v in model.metrics_variables]


def save(path, model, header):
    """Saves all variables and a JSON `header`, atomically.

    Args:
        path: `pathlib.Path`, or None in a worker that writes nothing: it has to read
            its variables nevertheless, because the metrics are summed over the workers.
        model: compiled model whose variables are built.
        header: dict, all JSON.

    Raises:
        FloatingPointError: if a float variable is not finite; nothing is written.
    """
    arrays = [keras.ops.convert_to_numpy(v) for v in variables(model)]
    for variable, array in zip(variables(model), arrays):
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise FloatingPointError(f"{variable.path} is not finite")
    if path is not None:
        save_arrays(path, arrays, header)


def restore(path, model):
    """Puts saved variables into a model built by the same recipe.

    Returns:
        The header.

    Raises:
        RunError: if the file does not fit the model.
    """
    arrays, header = load_arrays(path)
    expected = [tuple(v.shape) for v in variables(model)]
    if expected != [a.shape for a in arrays]:
        raise RunError(f"the saved state {path} belongs to another model")
    for variable, array in zip(variables(model), arrays):
        variable.assign(array)
    return header
