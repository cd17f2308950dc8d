"""Images whose pixels are black or white, as likelihoods of bits are measured on."""

import dataclasses

import tensorflow as tf

from vqzoo.datasets.folder import load_folder
from vqzoo.datasets.splits import Split, Splits

THRESHOLD = 128  # of 8-bit values, the least that is white


def load_binary_folder(data_dir, **options) -> Splits:
    """`load_folder` with each value -0.5 or 0.5.

    Args:
        data_dir: directory or archive.
        **options: of `load_folder`.
    """
    splits = load_folder(data_dir, **options)
    parts = {name: getattr(splits, name) for name in ("train", "validation", "test")}
    return dataclasses.replace(
        splits,
        **{name: _binary(split) for name, split in parts.items()},
        # Other data than the folder's, so that their codes and runs are kept apart.
        fingerprint=f"binary {splits.fingerprint}",
    )


def _binary(split):
    def load(indices, seed):
        batch = split.load(indices, seed)
        # Float32 images are a rounding error away from their 8-bit values.
        levels = tf.round((batch["image"] + 0.5) * 255.0)
        white = tf.cast(levels >= THRESHOLD, "float32")
        return {**batch, "image": white - 0.5}

    return Split(size=split.size, load=load)
