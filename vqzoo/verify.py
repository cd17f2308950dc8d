"""Verifies an artifact: `vqzoo verify export/my_model`.

Lists what differs from manifest.json, and loads the model and its priors: weights are
finite, and the priors are of this model.
"""

import pathlib
import sys

from vqzoo import frame, trained
from vqzoo.frame import Failure


def main(argv):
    """Verifies as the command line says; returns the exit code of `frame`."""
    return frame.run(argv, __doc__, {}, _verify, arguments=["FOLDER"])


def _verify(values, folder):
    found, count = differences(folder)
    if found:
        lines = "\n  ".join(found)
        raise Failure(
            f"{len(found)} files of {folder} are not as {trained.MANIFEST} says:"
            f"\n  {lines}"
        )
    loaded = trained.load(folder)
    kind = type(loaded.model).__name__
    priors = " and its priors load" if loaded.pipeline else " loads"
    print(f"{count} files are as {trained.MANIFEST} says; {kind}{priors}")


def differences(folder):
    """What in the folder of an artifact is not as its manifest says.

    Args:
        folder: path.

    Returns:
        `(differences, count)`: list of str, one for each file that is missing, is
        another one or is not in the manifest; and how many files the manifest names.

    Raises:
        TrainedError: if there is no manifest, or it is none.
    """
    folder = pathlib.Path(folder)
    trained.expect_file(folder / trained.MANIFEST, "an artifact")
    sums = trained.read_json(folder / trained.MANIFEST).get("files")
    if not isinstance(sums, dict):
        raise trained.TrainedError(
            f"expected files in {folder / trained.MANIFEST}, received none"
        )
    found = []
    for name, known in sorted(sums.items()):
        file = folder / name
        if not file.resolve().is_relative_to(folder.resolve()):
            found.append(f"{name}: leads out of the folder")
        elif not file.is_file():
            found.append(f"{name}: is missing")
        elif not trained.is_summed(file, known):
            found.append(f"{name}: has other bytes")
    present = (file for file in sorted(folder.rglob("*")) if file.is_file())
    names = {file.relative_to(folder).as_posix() for file in present} - {
        trained.MANIFEST
    }
    found += [f"{name}: is not in it" for name in sorted(names - set(sums))]
    return found, len(sums)


if __name__ == "__main__":
    sys.exit(main(sys.argv))
