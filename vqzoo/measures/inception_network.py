"""The Inception network of 2015, whose features FID is of, from its PyTorch weights."""

import functools

import keras
import numpy as np

from vqzoo.arguments import dtype_policy
from vqzoo.losses.lpips import torch_arrays

_EPSILON = 1e-3  # of its batch normalization


@dtype_policy("float32")
def load(path):
    """A Keras model of images `(N, 299, 299, 3)` in [-1, 1] to 2,048 features.

    It computes in float32 under every dtype policy.

    Args:
        path: the file of pytorch-fid or torch-fidelity, such as
            `pt_inception-2015-12-05-6726825d.pth`, or the same arrays as safetensors.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file lacks an array, or PyTorch is needed to read it.

    Source: Szegedy et al. 2015, arXiv 1512.00567, with the pools of the graph of
        2015-12-05: means count no padding, and the last block takes maxima.
    """
    arrays = torch_arrays(path, "the weights of FID's Inception network")
    convolve = functools.partial(_convolved, arrays, path)
    images = keras.Input((299, 299, 3), name="images")
    x = convolve(images, "Conv2d_1a_3x3", strides=2, padding="valid")
    x = convolve(x, "Conv2d_2a_3x3", padding="valid")
    x = _shrunk(convolve(x, "Conv2d_2b_3x3"))
    x = convolve(x, "Conv2d_3b_1x1", padding="valid")
    x = _shrunk(convolve(x, "Conv2d_4a_3x3", padding="valid"))
    for name, make in _BLOCKS.items():
        x = make(
            lambda y, part, name=name, **how: convolve(y, f"{name}.{part}", **how), x
        )
    features = keras.layers.GlobalAveragePooling2D(name="features")(x)
    return keras.Model(images, features, name="inception_2015")


def _convolved(arrays, path, inputs, name, *, strides=1, padding="same"):
    """A convolution with its normalization in its weights, and a ReLU."""
    names = [f"{name}.conv.weight"]
    names += [
        f"{name}.bn.{part}"
        for part in ("weight", "bias", "running_mean", "running_var")
    ]
    if missing := [each for each in names if each not in arrays]:
        raise ValueError(
            f"expected {missing[0]} in {path}, as in pytorch-fid's Inception, received "
            f"{', '.join(sorted(arrays)[:4])}, ..."
        )
    kernel, scale, shift, mean, variance = (arrays[each] for each in names)
    scale = scale / np.sqrt(variance + _EPSILON)
    kernel = kernel.transpose(2, 3, 1, 0) * scale
    layer = keras.layers.Conv2D(
        kernel.shape[3],
        kernel.shape[:2],
        strides=strides,
        padding=padding,
        activation="relu",
        name=name.replace(".", "_"),
    )
    outputs = layer(inputs)
    if kernel.shape != tuple(layer.kernel.shape):
        raise ValueError(
            f"expected {names[0]} of {path} to be a kernel of "
            f"{tuple(layer.kernel.shape)}, received {kernel.shape}"
        )
    layer.set_weights([kernel, shift - mean * scale])
    return outputs


def _shrunk(inputs):
    return keras.layers.MaxPooling2D(3, 2)(inputs)


def _chain(convolve, inputs, *names, **last):
    """Convolutions one after the other; the options are of the last one."""
    for name in names[:-1]:
        inputs = convolve(inputs, name)
    return convolve(inputs, names[-1], **last)


def _joined(parts):
    return keras.layers.Concatenate()(parts)


def _pooled(convolve, inputs, kind=keras.layers.AveragePooling2D):
    return convolve(kind(3, 1, padding="same")(inputs), "branch_pool")


def _numbered(name, count):
    return [f"{name}_{number}" for number in range(1, count + 1)]


def _first(convolve, x):
    """35 x 35."""
    return _joined(
        [
            convolve(x, "branch1x1"),
            _chain(convolve, x, *_numbered("branch5x5", 2)),
            _chain(convolve, x, *_numbered("branch3x3dbl", 3)),
            _pooled(convolve, x),
        ]
    )


def _to_second(convolve, x):
    """35 x 35 to 17 x 17."""
    smaller = {"strides": 2, "padding": "valid"}
    return _joined(
        [
            convolve(x, "branch3x3", **smaller),
            _chain(convolve, x, *_numbered("branch3x3dbl", 3), **smaller),
            _shrunk(x),
        ]
    )


def _second(convolve, x):
    """17 x 17, by rows and columns of 7."""
    return _joined(
        [
            convolve(x, "branch1x1"),
            _chain(convolve, x, *_numbered("branch7x7", 3)),
            _chain(convolve, x, *_numbered("branch7x7dbl", 5)),
            _pooled(convolve, x),
        ]
    )


def _to_third(convolve, x):
    """17 x 17 to 8 x 8."""
    smaller = {"strides": 2, "padding": "valid"}
    return _joined(
        [
            _chain(convolve, x, *_numbered("branch3x3", 2), **smaller),
            _chain(convolve, x, *_numbered("branch7x7x3", 4), **smaller),
            _shrunk(x),
        ]
    )


def _third(convolve, x, pool=keras.layers.AveragePooling2D):
    """8 x 8, where two convolutions stand side by side."""
    one = convolve(x, "branch3x3_1")
    two = _chain(convolve, x, "branch3x3dbl_1", "branch3x3dbl_2")
    return _joined(
        [
            convolve(x, "branch1x1"),
            *(convolve(one, f"branch3x3_2{side}") for side in "ab"),
            *(convolve(two, f"branch3x3dbl_3{side}") for side in "ab"),
            _pooled(convolve, x, pool),
        ]
    )


_BLOCKS = {
    **dict.fromkeys(("Mixed_5b", "Mixed_5c", "Mixed_5d"), _first),
    "Mixed_6a": _to_second,
    **dict.fromkeys(("Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e"), _second),
    "Mixed_7a": _to_third,
    "Mixed_7b": _third,
    "Mixed_7c": functools.partial(_third, pool=keras.layers.MaxPooling2D),
}
