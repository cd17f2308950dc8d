"""Codes of the images of a data set on disk: extracted once, streamed after."""

import dataclasses
import os
import pathlib
from collections.abc import Callable, Iterator, Mapping

import numpy as np
import tensorflow as tf

from vqzoo.datasets import code_files, code_shards
from vqzoo.datasets.code_files import HEADER
from vqzoo.datasets.holdout import SPLITS
from vqzoo.datasets.splits import Split, Splits

_STEPS_A_SAVE = 50  # batches that a stopped extraction computes again, at most


@dataclasses.dataclass(frozen=True, kw_only=True)
class CodeSplits:
    """The codes of a data set: each split a file for each tier, read as needed.

    The batches of a split are dicts of int32 tensors: the codes of each tier by its
    name, `(batch, height, width)`, and `label`, `(batch,)`, if there are labels. A tier
    with V real numbers beside each code comes as float32 `(batch, height, width,
    1 + V)`, the code and its numbers.

    Args:
        train: Split.
        validation: Split.
        test: Split.
        folder: pathlib.Path.
        tier_shapes: dict from tier name, top first, to `(height, width)`.
        num_embeddings: dict from tier name to its number of codes.
        class_names: tuple of str in label order, empty without labels.
        model: str. Fingerprint of the model whose codes they are.
        data: str. Fingerprint of the images.
        summary: dict, as of the images' `Splits`, where they were just read.
        num_values: dict from the names of tiers with real numbers beside their codes to
            how many.
    """

    train: Split
    validation: Split
    test: Split
    folder: pathlib.Path
    tier_shapes: dict[str, tuple[int, ...]]
    num_embeddings: dict[str, int]
    class_names: tuple[str, ...]
    model: str
    data: str
    summary: dict = dataclasses.field(default_factory=dict)
    num_values: dict[str, int] = dataclasses.field(default_factory=dict)

    def arrays(self, split: str) -> dict[str, np.ndarray]:
        """All codes of "train", "validation" or "test", and `label`, not yet read.

        The numbers beside the codes of a tier are `TIER_values`.
        """
        return code_files.open_arrays(
            self.folder, code_files.read_header(self.folder), split
        )

    def rows(self, split: str, rows: np.ndarray) -> dict[str, np.ndarray]:
        """Some rows of a split, as its batches have them."""
        return _joined(self.arrays(split), rows)


def extract(
    encode: Callable[[tf.Tensor], tuple],
    splits: Splits,
    folder: str | os.PathLike[str],
    *,
    model: str,
    num_embeddings: Mapping[str, int],
    num_values: Mapping[str, int] | None = None,
    batch_size: int = 128,
    progress: Callable[[Iterator, int], Iterator] = lambda batches, total: batches,
) -> CodeSplits:
    """Write the codes of all images of a data set, or the rest of them.

    Memory is that of a batch. An extraction that was stopped goes on where it was, and
    one that is finished is only opened. Of several processes one extracts; the others
    wait for it and open what it wrote.

    Args:
        encode: function from images to a tuple of integer codes `(batch, h, w)`, top
            first, and then of the real numbers `(batch, h, w, V)` beside those of the
            tiers that have some.
        splits: the images; of an augmented split each image is taken once.
        folder: where the files go; it is made.
        model: fingerprint of the model behind `encode`.
        num_embeddings: number of codes of each tier, by its name, top first.
        num_values: V of the tiers with real numbers beside their codes.
        batch_size: int.
        progress: function that wraps the batches of a split, with their number, and
            may show how many are done.

    Raises:
        ValueError: if the folder holds codes of another model or other images, or a
            code is not in its codebook.
    """
    folder = pathlib.Path(folder)
    wanted = {
        "model": model,
        "data": splits.fingerprint,
        "num_embeddings": dict(num_embeddings),
        "class_names": list(splits.class_names),
    }
    # Not in the headers of codes alone, which earlier versions wrote too.
    wanted |= {"num_values": dict(num_values)} if num_values else {}
    if code_shards.is_encoded(folder):
        raise ValueError(
            f"expected a folder for the codes of {splits.name}, received {folder}, "
            "which `vqzoo encode` wrote: choose another folder"
        )
    if not _is_whole(_begun(folder, wanted)):
        folder.mkdir(parents=True, exist_ok=True)
        with code_files.alone(folder):
            header = _begun(folder, wanted)  # Another may have been at it meanwhile.
            for name in SPLITS:
                split = getattr(splits, name)
                _extract_split(
                    encode, split, folder, header, name, batch_size, progress
                )
    return dataclasses.replace(load(folder), summary=splits.summary)


def _begun(folder, wanted):
    """The header of a folder, or of a new one."""
    if not (folder / HEADER).exists():
        return wanted | {"tier_shapes": None, "splits": {}}
    stored = code_files.read_header(folder)
    for name, value in wanted.items():
        if stored.get(name) != value:
            raise ValueError(
                f"expected codes of the same {name} in {folder}, received "
                f"{name}={stored.get(name)!r} there and {value!r} here: choose another "
                "folder"
            )
    return stored


def _is_whole(header):
    states = [header["splits"].get(name) for name in SPLITS]
    return all(state and state["done"] == state["size"] for state in states)


def _extract_split(encode, split, folder, header, name, batch_size, progress):
    state = header["splits"].setdefault(name, {"size": split.size, "done": 0})
    if state["done"] == split.size:
        return
    if state["done"] and not code_files.are_begun(folder, header, name):
        state["done"] = 0
    steps = split.steps_per_epoch(batch_size)
    first = state["done"] // batch_size
    batches = split.batches(batch_size, start_step=first)
    arrays = None
    for step, batch in enumerate(progress(iter(batches), steps - first), start=first):
        names = [*header["num_embeddings"]]
        names += map(code_files.values_of, header.get("num_values", ()))
        values = dict(zip(names, map(np.asarray, encode(batch["image"])), strict=True))
        _check_range(values, header["num_embeddings"])
        if "label" in batch:
            values["label"] = batch["label"].numpy()
        if arrays is None:
            arrays = _make_arrays(folder, header, name, values)
        start = step * batch_size
        for key, value in values.items():
            arrays[key][start : start + len(value)] = value
        done = start + len(batch["image"])
        if done == split.size:
            code_files.deliver(arrays, folder, state, name)
        if done == split.size or (step + 1) % _STEPS_A_SAVE == 0:
            for array in arrays.values():
                array.flush()
            state["done"] = done
            code_files.write_header(folder, header)


def _make_arrays(folder, header, name, values):
    """The files of a split, new ones or those that an extraction began."""
    header["tier_shapes"] = {
        tier: list(values[tier].shape[1:]) for tier in header["num_embeddings"]
    }
    header["labels"] = "label" in values
    if header["splits"][name]["done"]:
        return code_files.open_arrays(
            folder, header, name, at=code_files.aside, mode="r+"
        )
    size = header["splits"][name]["size"]
    return {
        key: np.lib.format.open_memmap(
            code_files.aside(folder, name, key),
            mode="w+",
            dtype=_dtype(header, key),
            shape=(size, *value.shape[1:]),
        )
        for key, value in values.items()
    }


def _dtype(header, key):
    if key != "label" and key not in header["num_embeddings"]:
        return np.float32
    num_embeddings = header["num_embeddings"].get(key)
    return np.uint16 if num_embeddings and num_embeddings <= 2**16 else np.int32


def _joined(arrays, rows):
    """Rows of arrays in memory, with codes and the numbers beside them in one array."""
    found = {key: array[rows] for key, array in arrays.items()}
    for key, values in found.items():
        if values.dtype != np.float32:
            found[key] = values.astype("int32")
    for tier in list(found):
        beside = found.pop(code_files.values_of(tier), None)
        if beside is not None:
            codes = found[tier][..., None].astype("float32")
            found[tier] = np.concatenate([codes, beside], axis=-1)
    return found


def load(
    folder: str | os.PathLike[str],
    *,
    model: str | None = None,
    target: str | os.PathLike[str] = "",
) -> CodeSplits:
    """Open the codes that `extract` or `vqzoo encode` wrote.

    Args:
        folder: where they are; of shards, arrays are made once, with a tenth of the
            keys held out for validation and a tenth for test.
        model: fingerprint of the model that they must be of, or None for any.
        target: folder for the folders of such arrays. Defaults to the shards' own,
            which then must be on this machine.

    Raises:
        FileNotFoundError: if there are none.
        ValueError: if they are of another model, not complete, or damaged.
    """
    if code_shards.is_encoded(folder):
        manifest = code_shards.read_manifest(folder)
        _check_model(manifest, folder, model)
        if target:
            name = f"{manifest['model'][:12]}-{manifest['data'][:12]}"
            target = pathlib.Path(target, name)
        folder = code_shards.gather(folder, target)
    folder = pathlib.Path(folder)
    header = code_files.read_header(folder)
    _check_model(header, folder, model)
    for name in SPLITS:
        state = header["splits"].get(name, {"size": None, "done": 0})
        if state["done"] != state["size"]:
            raise ValueError(
                f"expected all codes of the {name} split in {folder}, received "
                f"{state['done']} of {state['size']}: extract the rest first"
            )
    return CodeSplits(
        **{name: _split(folder, header, name) for name in SPLITS},
        folder=folder,
        tier_shapes={k: tuple(v) for k, v in header["tier_shapes"].items()},
        num_embeddings=header["num_embeddings"],
        class_names=tuple(header["class_names"]),
        model=header["model"],
        data=header["data"],
        num_values=header.get("num_values", {}),
    )


def counts(
    folder: str | os.PathLike[str], *, model: str | None = None
) -> dict[str, np.ndarray]:
    """How often each code came in what `vqzoo encode` wrote, without reading shards.

    Args:
        folder: that of the shards.
        model: as in `load`.

    Returns: dict from tier name to int64 `(K,)`.
    Raises: as `load`.
    """
    manifest = code_shards.read_manifest(folder)
    _check_model(manifest, folder, model)
    stored = manifest["counts"]
    return {tier: np.asarray(count, "int64") for tier, count in stored.items()}


def _check_model(header, folder, model):
    if model is not None and header["model"] != model:
        raise ValueError(
            f"expected codes of the model {model}, received codes of the model "
            f"{header['model']} in {folder}: extract them again into another folder"
        )


def _split(folder, header, name):
    arrays = code_files.open_arrays(folder, header, name)
    code_files.check_sums(folder, header, name)
    one = _joined(arrays, np.zeros(0, int))

    def read(indices):
        values = _joined(arrays, indices)
        _check_range(values, header["num_embeddings"])
        return [values[key] for key in one]

    def load_batch(indices, seed):
        del seed
        types = [array.dtype for array in one.values()]
        tensors = tf.numpy_function(read, [indices], types, stateful=False)
        for array, tensor in zip(one.values(), tensors):
            tensor.set_shape((indices.shape[0], *array.shape[1:]))
        return dict(zip(one, tensors))

    return Split(size=header["splits"][name]["size"], load=load_batch)


def _check_range(values, num_embeddings):
    for tier, size in num_embeddings.items():
        codes = values[tier]
        codes = codes[..., 0] if codes.dtype == np.float32 else codes
        if codes.size and not 0 <= codes.min() <= codes.max() < size:
            raise ValueError(
                f"expected codes of the {tier} tier in [0, {size}), received codes "
                f"from {codes.min()} to {codes.max()}"
            )
