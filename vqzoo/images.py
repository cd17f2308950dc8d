"""Pixels of files, and images as models have them: float32 in [-0.5, 0.5]."""

import keras
import numpy as np
from keras import ops

_SYMBOLIC = ("FakeTensor", "KerasTensor", "SymbolicTensor", "Tracer")


def to_images(pixels, value_range=None):
    """Pixels as the images that models take.

    Args:
        pixels: array or tensor of any shape, of any backend's library.
        value_range: `(low, high)` of the pixels. Defaults to all values of an unsigned
            integer dtype, as (0, 255) of uint8, and to (0, 1) for floats.

    Returns:
        Float32 of the same shape in [-0.5, 0.5]: a tensor where `pixels` is one of the
        Keras backend, else a numpy array.

    Raises:
        ValueError: for signed integers without a `value_range`.
    """
    pixels = _known(pixels)
    if value_range is None:
        value_range = _range_of(keras.backend.standardize_dtype(pixels.dtype))
    low, high = value_range
    if isinstance(pixels, np.ndarray):
        pixels = pixels.astype("float32")
    else:
        pixels = ops.cast(pixels, "float32")
    return (pixels - np.float32(low)) * np.float32(1 / (high - low)) - np.float32(0.5)


def to_uint8(images):
    """Images as pixels in 0 to 255, each rounded to the nearest.

    Args:
        images: float array or tensor in [-0.5, 0.5]; what is outside is clipped.

    Returns:
        uint8 of the same shape: a tensor or an array, as in `to_images`.
    """
    images = _known(images)
    if isinstance(images, np.ndarray):
        levels = np.round((images.astype("float32") + np.float32(0.5)) * 255)
        return np.clip(levels, 0, 255).astype("uint8")
    # Clipped first: LiteRT's converter takes a sum after a convolution for its bias.
    inside = ops.clip(ops.cast(images, "float32"), -0.5, 0.5)
    return ops.cast(ops.round((inside + 0.5) * 255), "uint8")


def _known(values):
    """What Keras's backend works with as it is, all else as a numpy array."""
    return values if ops.is_tensor(values) else to_numpy(values)


def to_numpy(values):
    """A numpy array of any library's array or tensor, with or without a gradient."""
    if hasattr(values, "detach"):  # PyTorch gives no array where gradients pass.
        values = values.detach().cpu()
    return np.asarray(values)


def _range_of(dtype):
    if dtype.startswith("uint"):
        return 0, np.iinfo(dtype).max
    if dtype == "bool" or "float" in dtype:
        return 0, 1
    raise ValueError(
        f"expected pixels of an unsigned integer or a float dtype, or a value_range, "
        f"received dtype={dtype}"
    )


def wrong_range(images):
    """How images are plainly not in [-0.5, 0.5], in words; None where they may be.

    It looks at the first image alone, with some tolerance, as noise leaves the range;
    of what has no values yet, inside a compiled function, at the dtype alone.
    """
    dtype = keras.backend.standardize_dtype(images.dtype)
    if "float" not in dtype:
        return f"received {dtype}"
    if not _has_values(images):
        return None
    first = to_numpy(images[:1]).astype("float32")
    if not first.size:
        return None
    low, high = first.min(), first.max()
    if high > 1.5 or low < -1.5:
        return f"received values from {low:.4g} to {high:.4g}"
    if 0 <= low < high and high > 0.6:
        return f"received values in [0, 1], up to {high:.4g}"
    if low < -0.6 and high > 0.6:
        return f"received values in [-1, 1], from {low:.4g} to {high:.4g}"
    return None


def _has_values(tensor):
    is_meta = str(getattr(tensor, "device", "")) == "meta"  # of PyTorch
    return not is_meta and not type(tensor).__name__.endswith(_SYMBOLIC)
