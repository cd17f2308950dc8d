"""Converts a public checkpoint to a model, or back: `vqzoo convert SOURCE TARGET`.

SOURCE is a file of weights, a folder with one, or hf://owner/name[/subfolder][@revision].
TARGET is the folder that gets model.keras, for example export/my_vqgan; `vqzoo export`
makes an artifact of it. With --to, SOURCE is a trained model and TARGET a .safetensors
file with the names of another library; beside it stands the config.json of diffusers.
"""

import hashlib
import json
import pathlib
import sys

from vqzoo import frame, trained
from vqzoo.frame import Flag
from vqzoo.registry import lazily
from vqzoo.runs.folder import MODEL

# They import Keras, which takes seconds: --help does not wait for it.
converting = lazily("vqzoo.convert.converting")
RECORD = "conversion.json"
CONFIG = "config.json"
FLAGS = {
    "What is converted": [
        Flag(
            "family",
            "",
            "whose names the tensors have: taming, llamagen, janus, diffusers, vqvae2, "
            "dalle; empty: what they look like",
        ),
        Flag(
            "image_size",
            0,
            "side of the model's images (it encodes and decodes other sizes "
            "too); 0: as the source says, or 256",
            at_least=0,
        ),
    ],
    "What is written": [
        Flag(
            "to",
            "",
            "write SOURCE under the names of this library",
            ("diffusers", "taming"),
        ),
        Flag("overwrite", False, "replace what is there"),
    ],
}


def main(argv):
    """Converts as the command line says; returns the exit code of `frame`."""
    return frame.run(argv, __doc__, FLAGS, _convert, ["SOURCE", "TARGET"])


def _convert(values, source, target):
    target = pathlib.Path(target)
    target = target if values.to else target / MODEL
    beside = [target.with_name(CONFIG)] if values.to == "diffusers" else []
    for path in (target, *beside):
        if path.exists() and not values.overwrite:
            raise ValueError(f"{path} exists: name another TARGET, or add --overwrite")
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = target.with_name(f".{target.name}.part{target.suffix}")
    try:
        if values.to:
            model = trained.load(source, needs_codes=True).model
            config = converting.save_as(model, aside, values.to)
            text = f"{values.to} reads it"
            for path in beside:
                path.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
        else:
            text = _save(values, source, aside, target)
        aside.replace(target)
    finally:
        aside.unlink(missing_ok=True)
    print(f"Written: {target}, {target.stat().st_size:,} bytes\n{text}")


def _save(values, source, aside, target):
    """Writes the model and where it is from; what to say of it."""
    found = converting.convert(
        source,
        family=values.family or None,
        image_size=values.image_size or None,
    )
    found.model.save(aside)
    with open(found.source.path, "rb") as opened:
        digest = hashlib.file_digest(opened, "sha256").hexdigest()
    record = {
        "source": found.source.name,
        "file": found.source.path.name,
        "sha256": digest,
        "family": found.family,
        "left_out": found.left_out,
    }
    text = json.dumps(record, indent=2) + "\n"
    target.with_name(RECORD).write_text(text, encoding="utf-8")
    stride, codes = found.model.total_stride, found.model.quantizers[-1].num_embeddings
    return (
        f"{found.family}: {codes} codes, one for {stride} x {stride} pixels; "
        f"{len(found.left_out)} tensors left out, which {RECORD} names\n"
        f"What next: vqzoo export {target.parent} export/NAME"
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv))
