"""Signals of several channels: generated, or of a file."""

import hashlib
import os
import pathlib

import numpy as np
import tensorflow as tf

from vqzoo.datasets.arrays import read
from vqzoo.datasets.holdout import assign_rows, content_digest
from vqzoo.datasets.splits import Split, Splits

EVENTS = ("none", "spike", "burst", "step", "chirp")
_NAMES = ("sequences", "sequence", "signals", "signal", "x")
_LABELS = ("labels", "label", "y")
_UNITS = np.array([1.0, 50.0, 0.02])  # of the channels: they are not of one scale


def load_signals(
    name: str = "generated",
    *,
    data_dir: str | os.PathLike[str] = "",
    count: int = 3000,
    time: int = 256,
    validation_fraction: float = 0.1,
    seed: int = 0,
) -> Splits:
    """Load signals as training, validation and test sequences.

    Args:
        name: "generated", mixed sines with an event in each, whose kind is the label;
            or "arrays", the .npy or .npz file `data_dir`: float `(N, time)` or
            `(N, time, channels)`, in a .npz file named `sequences`, with `labels`,
            ints, if there are any.
        data_dir: path of the file.
        count: int, signals that are generated.
        time: int, steps of these.
        validation_fraction: float in (0, 0.9).
        seed: int, of the choice of what is held out, a tenth for the test.

    Returns:
        `Splits` of items `sequence`, float32 `(batch, time, channels)`.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it holds no signals, or not finite ones, with their rows.
    """
    if name == "generated":
        signals, labels = generate(count, time)
        class_names, source = EVENTS, name
    elif name == "arrays":
        source = pathlib.Path(data_dir)
        if not data_dir or not source.is_file():
            raise FileNotFoundError(
                "expected --data_dir to be a .npy or .npz file of signals, found none "
                f"at {str(data_dir)!r}"
            )
        signals, labels = _read(source)
        class_names = () if labels is None else tuple(map(str, range(1 + max(labels))))
    else:
        raise ValueError(
            f"expected --dataset to be generated or arrays for signals, received {name}"
        )
    digests = [content_digest(signal) for signal in signals]
    given = ["train"] * len(signals)
    options = {"validation_fraction": validation_fraction, "seed": seed}
    rows = assign_rows(digests, given, **options)
    digest = hashlib.sha256(repr(signals.shape).encode() + b"".join(digests))
    digest.update(b"" if labels is None else labels.tobytes())
    return Splits(
        **{split: _split(signals, labels, chosen) for split, chosen in rows.items()},
        name=name,
        image_shape=signals.shape[1:],
        class_names=class_names,
        fingerprint=digest.hexdigest(),
        summary={
            "source": str(source),
            "sequences": len(signals),
            "shape": list(signals.shape[1:]),
            "splits": {split: len(chosen) for split, chosen in rows.items()},
        },
    )


def generate(count: int, time: int = 256, seed: int = 0):
    """Sines of three channels in different units, with an event in each.

    Two sines of random frequency are mixed into the channels, with noise; the event, of
    a kind of `EVENTS`, begins at a random time and is in one channel, weaker in the
    others.

    Returns:
        `(signals, kinds)`: float32 `(count, time, 3)` and int32 `(count,)`.
    """
    generator = np.random.default_rng(seed)
    steps = np.arange(time)
    frequencies = generator.uniform(0.01, 0.06, (count, 2, 1))
    phases = generator.uniform(0, 2 * np.pi, (count, 2, 1))
    sines = np.sin(2 * np.pi * frequencies * steps + phases)
    mixing = generator.normal(size=(count, 3, 2)) / np.sqrt(2)
    signals = mixing @ sines + 0.05 * generator.normal(size=(count, 3, time))
    kinds = generator.integers(len(EVENTS), size=count)
    starts = generator.integers(time // 8, time - time // 3, count)
    since = steps - starts[:, None]
    shapes = np.stack(
        [
            np.zeros((count, time)),
            4 * np.exp(-np.square((since - 4) / 2.0)),
            np.where((since >= 0) & (since < 40), 1.5 * np.sin(1.9 * since), 0.0),
            np.where(since >= 0, 2.0, 0.0),
            np.where((since >= 0) & (since < 60), np.sin(0.015 * since**2), 0.0) * 1.5,
        ]
    )[kinds, np.arange(count)]
    strength = np.full((count, 3), 0.3)
    strength[np.arange(count), generator.integers(3, size=count)] = 1.0
    signals = signals + strength[:, :, None] * shapes[:, None]
    signals = signals.transpose(0, 2, 1) * _UNITS + 2 * _UNITS
    return signals.astype("float32"), kinds.astype("int32")


def _read(path):
    arrays = read(path)
    if path.suffix == ".npy":  # `read` calls what it holds images.
        signals, labels = arrays["images"], None
    else:
        found = [name for name in _NAMES if name in arrays]
        if not found:
            raise ValueError(
                f"expected an array named {' or '.join(_NAMES)} in {path}, found "
                f"{', '.join(arrays) or 'none'}"
            )
        signals = arrays[found[0]]
        labels = next((arrays[name] for name in _LABELS if name in arrays), None)
    signals = signals[..., None] if signals.ndim == 2 else signals
    if signals.ndim != 3 or signals.dtype.kind not in "fiu" or 0 in signals.shape:
        raise ValueError(
            f"expected signals (N, time) or (N, time, channels) in {path}, received "
            f"shape={signals.shape}, dtype={signals.dtype}"
        )
    signals = np.ascontiguousarray(signals, "float32")
    bad = np.flatnonzero(~np.isfinite(signals).all(axis=(1, 2)))
    if bad.size:
        rows = ", ".join(map(str, bad[:5]))
        raise ValueError(
            f"expected finite signals in {path}, received {bad.size:,} with NaN or "
            f"infinity, of the rows {rows}"
        )
    if labels is None:
        return signals, None
    if labels.shape != (len(signals),) or labels.dtype.kind not in "iu":
        raise ValueError(
            f"expected {len(signals)} ints as labels in {path}, received "
            f"shape={labels.shape}, dtype={labels.dtype}"
        )
    if labels.min() < 0:
        raise ValueError(f"expected labels from 0 on in {path}, found {labels.min()}")
    return signals, labels.astype("int32")


def _split(signals, labels, rows):
    with tf.device("cpu"):
        arrays = {"sequence": tf.constant(signals[rows])}
        if labels is not None:
            arrays["label"] = tf.constant(labels[rows])

    def load(indices: tf.Tensor, seed: tf.Tensor) -> dict[str, tf.Tensor]:
        return {name: tf.gather(array, indices) for name, array in arrays.items()}

    return Split(size=len(rows), load=load, item="sequence")
