"""The one entry to all data sets."""

import dataclasses
import os
from collections.abc import Sequence

from vqzoo.datasets.augmentation import augment, check_names
from vqzoo.datasets.folder import load_folder
from vqzoo.datasets.named import load_named
from vqzoo.datasets.photos import load_photos
from vqzoo.datasets.splits import Splits
from vqzoo.datasets.sprites import load_sprites


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
) -> Splits:
    """Load a data set as training, validation and test images.

    Args:
        name: "photos", the photographs that installed packages ship; "sprites", shapes
            whose factors are known, rendered; "folder", the images in `data_dir`;
            "ffhq"; "natural_image_net", or "natural_image_net/peacock_butterfly"; or
            any tensorflow-datasets name.
        image_size: int. Side of the images: the short side is resized to it and the
            center cropped; "photos" crops only. Gray images of IDX files and
            tensorflow-datasets which are up to a quarter smaller get a black border (28
            to 32). Defaults to 64 for "photos" and "sprites", else to the size of the
            images.
        data_dir: a directory or archive for "folder", else the folder in which
            tensorflow-datasets keeps its data.
        classes: str, the only classes to load; images of others are no part of the
            data. Labels count them in the order in which the data set has them: for
            "folder" that of the alphabet. Defaults to all.
        augmentation: some of "flip", "crop" and "color_jitter", for training images.
        seed: int. Chooses other images for the splits that a folder does not have.
            Models are comparable only if it is the same.
        channels: 1 or 3. Defaults to 1 if all images are gray, else 3.
        cache_dir: folder for decoded images which exceed 4 GiB. Defaults to that for
            temporary files.
        validation_fraction: float. Share of the training images that is held out where
            there is no validation split. "photos" has its own.

    Raises:
        ValueError: if an argument is impossible, or the data do not fit to it.
        FileNotFoundError: if the data are missing.
    """
    _check(name, image_size, data_dir, classes, channels, validation_fraction)
    check_names(augmentation)
    if name == "photos":
        splits = load_photos(image_size, channels)
    elif name == "sprites":
        splits = load_sprites(image_size, channels)
    else:
        options = {
            "data_dir": data_dir,
            "classes": classes,
            "image_size": image_size,
            "channels": channels,
            "cache_dir": cache_dir,
            "validation_fraction": validation_fraction,
        }
        splits = (
            load_folder(**options, seed=seed)
            if name == "folder"
            else load_named(name, **options)
        )
    train = augment(splits.train, augmentation, splits.image_shape)
    return dataclasses.replace(splits, train=train)


def _check(name, image_size, data_dir, classes, channels, validation_fraction):
    if name == "folder" and not data_dir:
        raise ValueError(
            "expected --data_dir with a directory or an archive of images for the data "
            f"set 'folder', received data_dir={data_dir!r}"
        )
    if classes and name in ("photos", "sprites"):
        raise ValueError(
            f"expected --classes to be empty for the data set {name!r}, received "
            f"{', '.join(classes)}"
        )
    if image_size is not None and image_size < 1:
        raise ValueError(
            f"expected a positive image size, received image_size={image_size}"
        )
    if channels not in (None, 1, 3):
        raise ValueError(f"expected 1 or 3 channels, received channels={channels}")
    if not 0 < validation_fraction < 0.9:
        raise ValueError(
            "expected a fraction in (0, 0.9), received "
            f"validation_fraction={validation_fraction}"
        )
