"""Writes the artifact of a trained model: `vqzoo export RUN TARGET`.

RUN is the folder of a finished run, an artifact or a .keras file. TARGET is the folder
of the artifact, for example export/my_model; its last part is the name under which the
model is served.
"""

import sys

from vqzoo import frame
from vqzoo.export import warmup
from vqzoo.export.artifact import export
from vqzoo.export.files import FOLDERS, PORTABLE, folder_bytes
from vqzoo.frame import Flag
from vqzoo.runs.folder import MODEL

FLAGS = {
    "What is written": [
        Flag(
            "overwrite",
            False,
            "replace the whole folder TARGET; otherwise an existing artifact "
            "gets one more version of the SavedModel",
        ),
        Flag(
            "bfloat16",
            False,
            "also write a SavedModel that computes in bfloat16: half the size, "
            "and faster on processors with bfloat16, but with slightly "
            "different codes",
        ),
        Flag(
            "formats",
            ("saved_model",),
            "formats beside model.keras: always the SavedModel; onnx, litert "
            "and openvino write one file each for encode, decode and "
            "reconstruct",
            choices=("saved_model", *PORTABLE),
        ),
        Flag(
            "terms",
            "",
            "what the artifact may be used for, for its README.md and "
            "manifest.json; empty: the terms of the data set, if they are known",
        ),
    ]
}


def main(argv):
    """Exports what the command line says; returns the exit code of `frame`."""
    return frame.run(argv, __doc__, FLAGS, _export, ["RUN", "TARGET"])


def _export(values, source, target):
    target, version = export(source, target, **vars(values))
    numbered = [*(f"{name}/{version}" for name in FOLDERS.values()), *PORTABLE]
    sizes = {MODEL: (target / MODEL).stat().st_size} | {
        path: folder_bytes(target / path)
        for path in numbered
        if (target / path).is_dir()
    }
    print(f"\nExported and checked: {target}")
    for path, size in sizes.items():
        print(f"  {path:<24} {size:,} bytes")
    if not warmup.is_possible():
        print(
            "Without requests for warming up, so that the first ones are slow: pip "
            "install 'vqzoo[serving]' and export again to have them"
        )
    print(
        f"""What next:
  load it     import keras, vqzoo; keras.saving.load_model("{target / MODEL}")
  serve it    cd {target} && docker compose up serving
  use it      the requests are in {target / "README.md"}"""
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv))
