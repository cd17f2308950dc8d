"""The state of a run: all that is needed to go on as if it had never stopped."""

import json

import numpy as np

from vqzoo.registry import lazily
from vqzoo.runs.files import RunError, replacing

keras = lazily("keras")


def variables(model, further_optimizers=()):
    """Every variable of a compiled model, in a fixed order.

    Beside the weights: the seeds of the noise and the restarts, which `.keras` files
    leave out, the moments of the optimizer and of further ones, and the running means
    of the metrics.
    """
    optimizers = (model.optimizer, *further_optimizers)
    moments = [v for optimizer in optimizers for v in optimizer.variables]
    return [*model.variables, *moments, *model.metrics_variables]


def save(path, model, header, further_optimizers=()):
    """Saves all variables and a JSON `header`, atomically.

    Args:
        path: `pathlib.Path`, or None in a worker that writes nothing: it has to read
            its variables nevertheless, because the metrics are summed over the workers.
        model: compiled model whose variables are built.
        header: dict, all JSON.
        further_optimizers: optimizers beside the model's own.

    Raises:
        FloatingPointError: if a float variable is not finite; nothing is written.
    """
    saved = variables(model, further_optimizers)
    arrays = [keras.ops.convert_to_numpy(v) for v in saved]
    for variable, array in zip(saved, arrays):
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise FloatingPointError(f"{variable.path} is not finite")
    if path is not None:
        save_arrays(path, arrays, header)


def restore(path, model, further_optimizers=()):
    """Puts saved variables into a model built by the same recipe.

    Returns:
        `(header, metrics)`, the values of the metrics' variables, which `fit` sets to
        zero at each epoch.

    Raises:
        RunError: if the file does not fit the model.
    """
    arrays, header = load_arrays(path)
    restored = variables(model, further_optimizers)
    if [tuple(v.shape) for v in restored] != [a.shape for a in arrays]:
        raise RunError(f"the saved state {path} belongs to another model")
    for variable, array in zip(restored, arrays):
        variable.assign(array)
    return header, arrays[len(arrays) - len(model.metrics_variables) :]


def save_arrays(path, arrays, header):
    """Saves numpy arrays in order with a JSON header, atomically.

    Args:
        path: `pathlib.Path`, `.npz`.
        arrays: sequence of numpy arrays.
        header: dict, all JSON.
    """
    named = {f"array_{i:05d}": array for i, array in enumerate(arrays)}
    with replacing(path) as aside, open(aside, "wb") as file:
        np.savez(file, header=np.array(json.dumps(header)), **named)


def load_arrays(path):
    """What `save_arrays` saved: `(list of arrays, header)`.

    Raises:
        RunError: if the file cannot be read.
    """
    try:
        with open(path, "rb") as opened, np.load(opened, allow_pickle=False) as file:
            header = _header(file)
            names = sorted(name for name in file.files if name != "header")
            return [file[name] for name in names], header
    except Exception as error:
        # Broken files fail in NumPy, zipfile, zlib and json, each in its own ways.
        raise RunError(
            f"cannot read the saved state {path}: {error or type(error).__name__}: "
            "remove its run, or begin a new one without --resume"
        ) from error


def peek(path):
    """The header alone; that of a state without steps where it cannot be read."""
    try:
        with open(path, "rb") as opened, np.load(opened, allow_pickle=False) as file:
            return _header(file)
    except Exception:  # As above; `load_arrays` says why.
        return {"step": 0}


def _header(file):
    header = json.loads(str(file["header"]))
    if not isinstance(header, dict) or not isinstance(header.get("step"), int):
        raise ValueError("its header says no step")
    return header
