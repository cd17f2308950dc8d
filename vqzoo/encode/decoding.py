"""Decodes shards of codes: `vqzoo decode CODES OUT --model=FOLDER`.

CODES is a folder that `vqzoo encode` wrote with this model; the folder OUT gets a PNG
for each key.
"""

import pathlib
import sys

import numpy as np

from vqzoo import frame, registry
from vqzoo.frame import Flag

trained = registry.lazily("vqzoo.trained")
images = registry.lazily("vqzoo.images")
fingerprints = registry.lazily("vqzoo.runs.fingerprint")
code_files = registry.lazily("vqzoo.datasets.code_files")
code_shards = registry.lazily("vqzoo.datasets.code_shards")
files = registry.lazily("vqzoo.runs.files")

FLAGS = {
    "The model and the images": [
        Flag("model", "", "folder or .keras file of the model that made the codes"),
        Flag("keys", (), "only these keys; empty: all"),
        Flag("limit", 0, "images at most; 0: all", at_least=0),
        Flag("batch_size", 128, "images per batch", at_least=1),
    ]
}


def main(argv):
    """Decodes as the command line says; returns the exit code of `frame`."""
    return frame.run(argv, __doc__, FLAGS, _decode, ["CODES", "OUT"], prepare=_checked)


def _checked(values):
    if not values.model:
        raise ValueError("expected --model=FOLDER, the model that made the codes")
    return values


def _decode(values, source, target):
    from PIL import Image

    manifest = code_shards.read_manifest(source)
    model = trained.load(values.model, needs_codes=True, needs_images=True).model
    found = fingerprints.fingerprint(model)
    if found != manifest["model"]:
        raise ValueError(
            f"expected --model to be the one that made the codes in {source}, "
            f"{manifest['model'][:12]}, received {found[:12]}"
        )
    folder, count = pathlib.Path(target), 0
    for rows in _chosen(source, values):
        keys = rows["key"]
        for key, image in zip(keys, _images(model, rows)):
            path = folder / f"{key.lstrip('/')}.png"
            if not path.resolve().is_relative_to(folder.resolve()):
                raise ValueError(f"expected keys within {folder}, received {key!r}")
            path.parent.mkdir(parents=True, exist_ok=True)
            with files.replacing(path) as aside:
                Image.fromarray(image.squeeze()).save(aside)
        count += len(keys)
    print(f"{count:,} images in {target}")
    return 0 if count else 1


def _chosen(source, values):
    """Rows with the requested keys, a batch at a time."""
    left = values.limit or None
    for rows in code_shards.read(source):
        if values.keys:
            chosen = np.isin(rows["key"].astype(str), values.keys)
            rows = {name: column[chosen] for name, column in rows.items()}
        for first in range(0, len(rows["key"]), values.batch_size):
            stop = first + values.batch_size
            if left is not None:
                stop = min(stop, first + left)
            batch = {name: column[first:stop] for name, column in rows.items()}
            if len(batch["key"]):
                yield batch
            if left is not None:
                left -= len(batch["key"])
                if left <= 0:
                    return


def _images(model, rows):
    codes = [rows[name].astype("int32") for name in model.tier_names]
    if model.is_hybrid:
        none = [np.zeros((*tier.shape, 0), "float32") for tier in codes]
        values = [
            rows.get(code_files.values_of(name), without)
            for name, without in zip(model.tier_names, none)
        ]
        decoded = model.decode_hybrid(codes, values)
    else:
        decoded = model.decode(codes)
    return images.to_uint8(images.to_numpy(decoded))


if __name__ == "__main__":
    sys.exit(main(sys.argv))
