"""The one entry to all data sets, and the table of those with a name of their own."""

import dataclasses
import importlib
import os
from collections.abc import Sequence

from vqzoo.datasets.columns import SHARDS


@dataclasses.dataclass(frozen=True, kw_only=True)
class Entry:
    """A data set in the table.

    Args:
        text: str, what it is, for `--help`.
        loader: str, `module.function` in this package.
        takes: names of the arguments of `load` that the loader takes.
        is_file: bool, whether there is no such data without `data_dir`.
        terms: str, what the images, and what has learned from them, may be used for; of
            the user's own files nobody here knows.
    """

    text: str
    loader: str
    takes: tuple[str, ...]
    is_file: bool = False
    terms: str = ""


_SHAPE = ("image_size", "channels")
_FILES = (*_SHAPE, "data_dir", "classes", "validation_fraction", "cache_dir")
FRAMES = ("first", "all", "bands")
RESIZES = ("crop", "pad", "stretch", "upscale")
# How the user's files are read: defaults and help of the flags.
READING = {
    "resize": (
        "crop",
        f"{', '.join(RESIZES)}: what happens to images of other sizes; crop leaves out "
        "those that are smaller",
    ),
    "frames": (
        "",
        f"{', '.join(FRAMES)}: which frames of an animation or pages of a TIFF are "
        "images; bands: the pages are the bands of one image; empty: the first",
    ),
    "value_range": (
        (),
        "LOW,HIGH: the values that become black and white; empty: 0,255 for 8 bits, "
        "otherwise the range of all images",
    ),
    "layout": (
        "",
        "what each level of folders means, the outermost first, such as "
        "class/split or split/*/class; or flat; empty: as the names suggest",
    ),
    "class_level": (
        0,
        "which folder is the class: 1 the outermost, -1 the innermost; 0: by the names",
    ),
    "labels": (
        "",
        "CSV file with the columns file and label, instead of class folders",
    ),
    **SHARDS,
}
_FOLDERS = tuple(name for name in READING if name not in SHARDS)
# The flag --max_bytes: default and text.
MAX_BYTES = (
    2**28,
    "the most bytes that one file may unpack or decode to; larger ones are refused",
)
_TFDS = "named.load_named"
_DRAWN = "any purpose: they are drawn"
DATASETS = {
    "photos": Entry(
        text="crops of the photographs that installed packages ship",
        loader="photos.load_photos",
        takes=_SHAPE,
        terms="any purpose, naming the authors: two photographs are CC BY 2.0, the "
        "others CC0, of the public domain, or of the Middlebury stereo benchmark; one "
        "shows a person, Eileen Collins",
    ),
    "sprites": Entry(
        text="shapes whose factors are known, rendered",
        loader="sprites.load_sprites",
        takes=_SHAPE,
        terms=_DRAWN,
    ),
    "folder": Entry(
        text="images or IDX files in the directory or archive --data_dir",
        loader="folder.load_folder",
        takes=(*_FILES, "seed", *_FOLDERS),
        is_file=True,
    ),
    "binary_folder": Entry(
        text="as folder, each value black or white: what nats of VAEs are measured on",
        loader="folder.load_binary_folder",
        takes=(*_FILES, "seed", *_FOLDERS),
        is_file=True,
    ),
    "arrays": Entry(
        text="images, perhaps with labels, in the .npy or .npz file --data_dir",
        loader="arrays.load_arrays",
        takes=(
            *_SHAPE,
            *("data_dir", "classes", "validation_fraction", "seed"),
            *("resize", "value_range"),
        ),
        is_file=True,
    ),
    "moving_sprites": Entry(
        text="frames of films of digits and shapes that bounce, rendered",
        loader="moving_sprites.load_moving_sprites",
        takes=_SHAPE,
        terms=_DRAWN,
    ),
    "films": Entry(
        text="frames of GIF and MP4 files in the folder --data_dir",
        loader="films.load_films",
        takes=(*_SHAPE, "data_dir"),
        is_file=True,
    ),
    "episodes": Entry(
        text="frames of games: --data_dir is a run of world_experience",
        loader="episodes.load_episodes",
        takes=(*_SHAPE, "data_dir"),
        is_file=True,
    ),
    "shards": Entry(
        text="images in the shards --data_dir, such as 'train-{0000..0099}.tar': tars "
        "of WebDataset, Parquet, TFRecord, ArrayRecord",
        loader="shard_splits.load_shards",
        takes=(
            *_SHAPE,
            *("data_dir", "validation_fraction", "seed", "resize", "value_range"),
            *SHARDS,
        ),
        is_file=True,
    ),
    "ffhq": Entry(
        text="faces, from their TFRecords or PNGs",
        loader=_TFDS,
        takes=_FILES,
        terms="non-commercial purposes (CC BY-NC-SA 4.0), naming the authors; and not "
        "to recognize anybody: the consent of these people to this use is not known",
    ),
    "natural_image_net": Entry(
        text="20 classes of ImageNet, from its tars",
        loader=_TFDS,
        takes=_FILES,
        terms="non-commercial research and education (ImageNet's terms of access)",
    ),
}
# Those that have an image for every combination of known factors. Of the stored ones,
# these labels of tensorflow-datasets are the factors; sprites are rendered.
STORED_FACTORS = {
    "dsprites": ("shape", "scale", "orientation", "x_position", "y_position"),
    "shapes3d": tuple("floor_hue wall_hue object_hue scale shape orientation".split()),
}
WITH_FACTORS = ("sprites", *STORED_FACTORS)


def load(
    name: str,
    *,
    image_size: int | None = None,
    data_dir: str | os.PathLike[str] | None = None,
    classes: Sequence[str] = (),
    augmentation: Sequence[str] = (),
    seed: int = 0,
    channels: int | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
    validation_fraction: float = 0.1,
    max_bytes: int | None = None,
    **reading,
):
    """Load a data set as training, validation and test images.

    Args:
        name: one of `DATASETS`, "natural_image_net/peacock_butterfly", or any
            tensorflow-datasets name.
        image_size: int. Side of the images: the short side is resized to it and the
            center cropped; "photos" crops only. Gray images of IDX files and
            tensorflow-datasets which are up to a quarter smaller get a black border (28
            to 32). Defaults to 64 for "photos" and "sprites", else to the size of the
            images.
        data_dir: where the files are, for data sets that are files; else the folder in
            which tensorflow-datasets keeps its data.
        classes: str, the only classes to load. Labels number them in the order of the
            data set: for "folder" numerical if all names are numbers, otherwise
            alphabetical. Defaults to all.
        augmentation: some of "flip", "crop" and "color_jitter", for training images.
        seed: int. Chooses the images of the splits that a folder does not have. Compare
            only models with the same seed.
        channels: 1 or 3, or the number of bands. Defaults to 1 if all images are gray,
            to 3 for those in color, else to the number of bands.
        cache_dir: folder for decoded images which exceed 4 GiB. Defaults to that for
            temporary files.
        validation_fraction: float. Share of the training images that is held out where
            there is no validation split. "photos" has its own.
        max_bytes: int, the most that a file may unpack or decode to, for all that this
            process reads from here on. Defaults to 256 MiB.
        **reading: values of `READING`, which says what they mean: `resize` as of
            `pixels.fit`, `frames` of `reading.read`, `value_range` of `ranges.Extent`,
            `layout` and `class_level` of `layout.understand`, `labels` of
            `labels.read`, and others of `shard_splits.load_shards`.

    Returns: `Splits`.
    Raises:
        ValueError: if an argument is impossible, or the data do not fit to it.
        FileNotFoundError: if the data are missing.
    """
    if unknown := sorted(reading.keys() - READING.keys()):
        raise TypeError(f"load() received unknown arguments: {', '.join(unknown)}")
    reading = {key: reading.get(key, text[0]) for key, text in READING.items()}
    reading["value_range"] = tuple(reading["value_range"])
    _check(name, image_size, data_dir, classes, channels, validation_fraction)
    check_reading(name, reading)
    # Here, as it imports TensorFlow: the table above is read by `--help`.
    from vqzoo.datasets.augmentation import augment, check_names
    from vqzoo.datasets.bounds import BOUNDS

    if max_bytes is not None:
        BOUNDS.allow(max_bytes)
    check_names(augmentation)
    given = {
        "image_size": image_size,
        "data_dir": data_dir,
        "classes": classes,
        "seed": seed,
        "channels": channels,
        "cache_dir": cache_dir,
        "validation_fraction": validation_fraction,
        **reading,
    }
    entry = DATASETS.get(name)
    taken = entry.takes if entry else _FILES
    path = entry.loader if entry else _TFDS
    module, _, function = path.partition(".")
    loader = getattr(importlib.import_module(f"vqzoo.datasets.{module}"), function)
    names = (name,) if path == _TFDS else ()
    splits = loader(*names, **{key: given[key] for key in taken})
    train = augment(splits.train, augmentation, splits.image_shape)
    summary = splits.summary or _rendered(name, splits)
    return dataclasses.replace(splits, train=train, summary=summary)


def _rendered(name, splits):
    """The summary of images that are not read from files of the user."""
    sizes = {
        part: getattr(splits, part).size for part in ("train", "validation", "test")
    }
    return {
        "source": name,
        "images": sum(sizes.values()),
        "splits": sizes,
        "shape": list(splits.image_shape),
    }


def terms(name: str) -> str:
    """What a data set may be used for, in words; empty where its files decide.

    Args:
        name: one of `DATASETS`, perhaps with a configuration, or a name of
            tensorflow-datasets.
    """
    known = DATASETS.get(name.partition("/")[0])
    if known is None:
        return f"what the page of {name} in the catalog of tensorflow-datasets says"
    return known.terms


def takes(name: str, argument: str) -> bool:
    """Whether a data set takes an argument of `load`, such as `"data_dir"`."""
    return argument in (DATASETS[name].takes if name in DATASETS else _FILES)


def _check(name, image_size, data_dir, classes, channels, validation_fraction):
    entry = DATASETS.get(name)
    if entry and entry.is_file and not data_dir:
        raise ValueError(
            f"expected --data_dir for the data set {name!r} ({entry.text}), received "
            f"data_dir={data_dir!r}"
        )
    if classes and not takes(name, "classes"):
        raise ValueError(
            f"expected --classes to be empty for the data set {name!r}, received "
            f"{', '.join(classes)}"
        )
    if image_size is not None and image_size < 1:
        raise ValueError(
            f"expected a positive image size, received image_size={image_size}"
        )
    bands = takes(name, "data_dir") and channels and channels > 0
    if channels not in (None, 1, 3) and not bands:
        raise ValueError(f"expected 1 or 3 channels, received channels={channels}")
    if not 0 < validation_fraction < 0.9:
        raise ValueError(
            "expected a fraction in (0, 0.9), received "
            f"validation_fraction={validation_fraction}"
        )


def reading_of(settings):
    """How files are read: the values of `READING` that settings have, as a dict."""
    return {name: getattr(settings, name, text[0]) for name, text in READING.items()}


def options_of(settings):
    """The arguments of `load` that settings give, except name and shape: a dict.

    Args:
        settings: a recipe or flags, with `data_dir`, `classes`, `max_bytes` and some of
            `READING`.
    """
    return {
        "data_dir": settings.data_dir or None,
        "classes": tuple(settings.classes),
        "max_bytes": settings.max_bytes,
        **reading_of(settings),
    }


def check_reading(name, reading):
    """Raises ValueError, which names the flag, if files cannot be read so.

    Args:
        name: str, of the data set.
        reading: dict of values of some of `READING`.
    """
    for argument, value in reading.items():
        if value != READING[argument][0] and not takes(name, argument):
            users = [data for data in DATASETS if takes(data, argument)]
            raise ValueError(
                f"--{argument} is not used by --dataset={name}, received {value!r}; it "
                f"is used by {', '.join(users)}"
            )
    for argument, known in (("resize", RESIZES), ("frames", ("", *FRAMES))):
        if reading.get(argument, known[0]) not in known:
            raise ValueError(
                f"expected --{argument} to be one of {', '.join(filter(None, known))}, "
                f"received {reading[argument]!r}"
            )
    ends = reading.get("value_range", ())
    if ends and (len(ends) != 2 or not ends[0] < ends[1]):
        raise ValueError(
            f"expected --value_range=LOW,HIGH, two ascending numbers, received {ends}"
        )
