"""Images that lie as arrays in one .npy or .npz file, as NumPy writes them."""

import os
import pathlib
import zipfile
from collections.abc import Sequence

import numpy as np

from vqzoo.datasets.classes import renumber
from vqzoo.datasets.holdout import assign_rows, content_digest
from vqzoo.datasets.pixels import fit_all, to_channels
from vqzoo.datasets.splits import Splits
from vqzoo.datasets.store import make_splits

# The names under which files keep images, labels and splits: those of this library, of
# keras.datasets (x_train, y_train) and of MedMNIST (train_images, train_labels).
_IMAGES, _LABELS = ("images", "image", "x"), ("labels", "label", "y")
_SPLITS = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val"),
    "test": ("test", "testing"),
}
_CLASS_NAMES = "class_names"
_TOLERANCE = 1e-3  # of the ends of a range of floats, for rounding


def load_arrays(
    data_dir: str | os.PathLike[str],
    *,
    classes: Sequence[str] = (),
    image_size: int | None = None,
    channels: int | None = None,
    validation_fraction: float = 0.1,
    seed: int = 0,
) -> Splits:
    """Load the images of a .npy file, or images and labels of a .npz file.

    Images are `(N, height, width)` or `(N, height, width, 1 or 3)`: uint8, or floats in
    [0, 1] or [-0.5, 0.5], which are rounded to 255 levels. A .npz file holds `images`
    and perhaps `labels` (also `x` and `y`), or both for each split: `train_images`,
    `x_test` and the like. Missing splits are held out as those of a folder. Labels are
    ints from 0 on; `class_names` names them.

    Args:
        data_dir: the file.
        image_size: int. Images which are up to a quarter smaller get a black border.

    The other arguments are those of `datasets.load`.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is no such file, an array has another shape, type or range,
            labels do not match, or there is no such class.
    """
    path = pathlib.Path(data_dir)
    if not path.is_file():
        raise FileNotFoundError(
            f"expected a .npy or .npz file of images, found none at {path}"
        )
    arrays = _read(path)
    parts = _parts(path, arrays)
    images = {split: _pixels(name, arrays[name]) for split, (name, _) in parts.items()}
    shapes = {pixels.shape[1:] for pixels in images.values()}
    if len(shapes) > 1:
        raise ValueError(f"expected images of one shape in {path}, found {shapes}")
    given = [split for split, pixels in images.items() for _ in pixels]
    labels, names = _labels(path, arrays, parts, images)
    return splits_of_pixels(
        np.concatenate(list(images.values())),
        labels,
        given,
        names,
        name="arrays",
        classes=classes,
        image_size=image_size,
        channels=channels,
        validation_fraction=validation_fraction,
        seed=seed,
    )


def splits_of_pixels(
    pixels: np.ndarray,
    labels: np.ndarray | None,
    given: Sequence[str],
    class_names: Sequence[str],
    *,
    name: str,
    classes: Sequence[str],
    image_size: int | None,
    channels: int | None,
    **held_out,
) -> Splits:
    """Splits of images that are all in memory, as `load_arrays` makes them.

    Args:
        pixels: uint8 `(N, height, width, channels)`.
        labels: int `(N,)`, or None.
        given: the split that each image is in.
        class_names: those of all labels, before some classes are chosen.
        name: of the data set.
        classes, image_size, channels: as of `load_arrays`.
        **held_out: options of `holdout.assign_rows`.
    """
    numbers, class_names = renumber(class_names, classes)
    if classes:
        labels = numbers[labels]
        rows = np.flatnonzero(labels >= 0)
        pixels, labels = pixels[rows], labels[rows]
        given = [given[row] for row in rows]
    pixels = fit_all(pixels, image_size)
    pixels = to_channels(pixels, channels or pixels.shape[-1])
    digests = [content_digest(image) for image in pixels]
    rows = assign_rows(digests, given, **held_out)
    return make_splits(pixels, labels, rows, name=name, class_names=class_names)


def _read(path):
    """The arrays of a file by name; a .npy file holds `images`."""
    try:
        if path.suffix == ".npy":
            # Mapped: a header that claims more than the file holds is refused at once.
            return {"images": np.load(path, mmap_mode="r", allow_pickle=False)}
        _check_sizes(path)
        # Opened here: of a damaged file np.load leaves its own handle open.
        with open(path, "rb") as opened, np.load(opened, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} is no .npy or .npz file: {error}") from error
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise ValueError(f"{path} is no .npz file: {error}") from error


def _check_sizes(path):
    """Raises ValueError if an array claims more bytes than its member has."""
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            with archive.open(member) as file:
                version = np.lib.format.read_magic(file)
                reader = (
                    np.lib.format.read_array_header_1_0
                    if version == (1, 0)
                    else np.lib.format.read_array_header_2_0
                )
                shape, _, dtype = reader(file)
            claimed = dtype.itemsize * int(np.prod(shape, dtype=object))
            if claimed > member.file_size:
                raise ValueError(
                    f"{member.filename} claims {claimed:,} bytes and has "
                    f"{member.file_size:,}"
                )


def _parts(path, arrays):
    """Names of the images and of the labels, or None, of each split: a dict."""
    parts = {}
    for split, words in _SPLITS.items():
        kinds = [_find(arrays, kind, words) for kind in (_IMAGES, _LABELS)]
        if kinds[0]:
            parts[split] = kinds
    whole = [_find(arrays, kind, ("",)) for kind in (_IMAGES, _LABELS)]
    if whole[0] and "train" not in parts:
        parts["train"] = whole
    if "train" not in parts:
        raise ValueError(
            f"expected arrays named images, train_images or x_train in {path}, found "
            f"{', '.join(arrays) or 'none'}"
        )
    return {split: parts[split] for split in _SPLITS if split in parts}


def _find(arrays, kinds, words):
    """The array whose name is a kind, with one of the words before or after it."""
    for kind in kinds:
        for word in words:
            for name in (f"{word}_{kind}", f"{kind}_{word}") if word else (kind,):
                if name in arrays:
                    return name
    return None


def _pixels(name, images):
    """Images of any accepted kind as uint8 `(N, height, width, channels)`."""
    if images.ndim == 3:
        images = images[..., None]
    if images.ndim != 4 or images.shape[-1] not in (1, 3) or 0 in images.shape:
        first = images.ndim == 4 and images.shape[1] in (1, 3)
        hint = "; move the channels to the last axis" if first else ""
        raise ValueError(
            f"expected {name} of shape (N, height, width), or with 1 or 3 channels "
            f"last, received shape={images.shape}{hint}"
        )
    if images.dtype == np.uint8:
        return np.asarray(images)
    if images.dtype.kind != "f":
        raise ValueError(
            f"expected {name} of uint8, or of floats in [0, 1] or [-0.5, 0.5], "
            f"received dtype={images.dtype}"
        )
    least, most = float(images.min()), float(images.max())
    shift = 0.5 if least < -_TOLERANCE else 0.0
    if not (-shift - _TOLERANCE <= least and most <= 1 - shift + _TOLERANCE):
        raise ValueError(
            f"expected {name} of floats in [0, 1] or [-0.5, 0.5], received values from "
            f"{least:g} to {most:g}"
        )
    levels = np.rint((np.asarray(images, np.float32) + shift) * 255)
    return np.clip(levels, 0, 255).astype(np.uint8)


def _labels(path, arrays, parts, images):
    """Labels of all images and the names of the classes; None and () without."""
    if not all(name for _, name in parts.values()):
        return None, ()
    labels = []
    for split, (_, name) in parts.items():
        numbers, count = arrays[name], len(images[split])
        if (
            numbers.shape not in ((count,), (count, 1))
            or numbers.dtype.kind not in "iu"
        ):
            raise ValueError(
                f"expected {name} in {path} to be {count} ints, received "
                f"shape={numbers.shape}, dtype={numbers.dtype}"
            )
        labels.append(numbers.reshape(-1).astype(np.int32))
    labels = np.concatenate(labels)
    names = tuple(map(str, arrays.get(_CLASS_NAMES, range(int(labels.max()) + 1))))
    if labels.min() < 0 or labels.max() >= len(names):
        raise ValueError(
            f"expected labels in {path} from 0 to {len(names) - 1}, received "
            f"{labels.min()} to {labels.max()}"
        )
    return labels, names
