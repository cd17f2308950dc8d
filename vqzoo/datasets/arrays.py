"""Images that lie as arrays in one .npy or .npz file, as NumPy writes them."""

import os
import pathlib
import warnings
import zipfile
from collections.abc import Sequence

import numpy as np

from vqzoo.datasets.bounds import BOUNDS
from vqzoo.datasets.classes import renumber
from vqzoo.datasets.holdout import assign_rows, content_digest
from vqzoo.datasets.images import Picture
from vqzoo.datasets.pixels import fit_all, to_channels
from vqzoo.datasets.splits import Splits
from vqzoo.datasets.store import make_splits
from vqzoo.datasets.summary import Summary

# The names under which files keep images, labels and splits: those of this library, of
# keras.datasets (x_train, y_train) and of MedMNIST (train_images, train_labels).
_IMAGES, _LABELS = ("images", "image", "x"), ("labels", "label", "y")
_SPLITS = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val"),
    "test": ("test", "testing"),
}
_CLASS_NAMES = "class_names"


def load_arrays(
    data_dir: str | os.PathLike[str],
    *,
    classes: Sequence[str] = (),
    image_size: int | None = None,
    channels: int | None = None,
    validation_fraction: float = 0.1,
    seed: int = 0,
    resize: str = "crop",
    value_range: Sequence[float] = (),
) -> Splits:
    """Load the images of a .npy file, or images and labels of a .npz file.

    Images are `(N, height, width)` or `(N, height, width, channels)`: uint8, or deeper
    ints or floats, whose range is that of all images (`ranges.Extent`), and which are
    rounded to 255 levels. Images of NaN are left out. A .npz file holds `images`
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
    arrays = read(path)
    parts = _parts(path, arrays)
    images = {split: _values(name, arrays[name]) for split, (name, _) in parts.items()}
    shapes = {values.shape[1:] for values in images.values()}
    if len(shapes) > 1:
        raise ValueError(f"expected images of one shape in {path}, found {shapes}")
    given = [split for split, values in images.items() for _ in values]
    labels, names = _labels(path, arrays, parts, images)
    return splits_of_pixels(
        np.concatenate(list(images.values())),
        labels,
        given,
        names,
        summary=Summary(source=str(path)),
        name="arrays",
        classes=classes,
        image_size=image_size,
        channels=channels,
        resize=resize,
        value_range=value_range,
        validation_fraction=validation_fraction,
        seed=seed,
    )


def splits_of_pixels(
    values: np.ndarray,
    labels: np.ndarray | None,
    given: Sequence[str],
    class_names: Sequence[str],
    *,
    summary: Summary,
    name: str,
    classes: Sequence[str],
    image_size: int | None,
    channels: int | None,
    resize: str,
    value_range: Sequence[float],
    **held_out,
) -> Splits:
    """Splits of images that are all in memory, as `load_arrays` makes them.

    Args:
        values: ints or floats `(N, height, width, channels)`.
        labels: int `(N,)`, or None.
        given: the split that each image is in.
        class_names: those of all labels, before some classes are chosen.
        summary: gets what was left out.
        name: of the data set.
        classes, image_size, channels, resize, value_range: as in `load_arrays`.
        **held_out: options of `holdout.assign_rows`.
    """
    places, shape = np.arange(len(values)), values.shape
    numbers, class_names = renumber(class_names, classes)
    if classes:
        labels = numbers[labels]
        places = np.flatnonzero(labels >= 0)
    if values.dtype.kind == "f":
        finite = np.isfinite(values[places]).all(axis=(1, 2, 3))
        lost = [f"image {place}" for place in places[~finite]]
        if len(lost) == len(places):
            raise ValueError("expected images of finite values, received none")
        if lost:
            warnings.warn(
                f"left out {len(lost)} images of NaN: {lost[0]}, ...", stacklevel=3
            )
        summary.leave_out("images not finite", lost)
        places = places[finite]
    values, given = values[places], [given[place] for place in places]
    labels = None if labels is None else labels[places]
    summary.facts["sizes"] = dict.fromkeys(("least", "most"), list(shape[1:3]))
    pixels = _levels(values, tuple(value_range), summary)
    pixels = fit_all(pixels, image_size, resize)
    pixels = to_channels(pixels, channels or pixels.shape[-1])
    digests = [content_digest(image) for image in pixels]
    rows = assign_rows(digests, given, **held_out)
    return make_splits(
        pixels,
        labels,
        rows,
        name=name,
        class_names=class_names,
        summary=summary,
        image_names=[f"image {place}" for place in places],
    )


def _levels(values, value_range, summary):
    """Uint8 images of one scale, that of all of them."""
    whole = Picture(values)
    if not value_range and not whole.is_deep:
        return values
    value_range = value_range or whole.extent.value_range()
    summary.facts["values"] = {str(values.dtype): list(value_range)}
    # One at a time: scaled values take 8 bytes each.
    return np.stack([Picture(image).levels(value_range) for image in values])


def read(path):
    """The arrays of a .npy or .npz file by name; a .npy file holds `images`.

    Raises: ValueError: if it is none, or claims more than it holds.
    """
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
        unpacked = sum(member.file_size for member in archive.infolist())
        BOUNDS.check_archive(unpacked, path.stat().st_size, path.name)
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


def _values(name, images):
    """Images of any accepted kind as `(N, height, width, channels)`."""
    if images.ndim == 3:
        images = images[..., None]
    first = images.ndim == 4 and images.shape[1] in (1, 3) and images.shape[3] > 4
    if images.ndim != 4 or first or 0 in images.shape:
        hint = "; move the channels to the last axis" if first else ""
        raise ValueError(
            f"expected {name} of shape (N, height, width), or with channels last, "
            f"received shape={images.shape}{hint}"
        )
    if images.dtype.kind not in "uif":
        raise ValueError(
            f"expected {name} of ints or floats, received dtype={images.dtype}"
        )
    return images


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
