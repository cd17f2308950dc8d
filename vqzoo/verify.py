"""Verifies an artifact: `vqzoo verify export/my_model`.

Lists what differs from manifest.json, and loads the model and its priors: weights are
finite, and the priors are of this model.
"""

import sys

from vqzoo import frame, trained
from vqzoo.frame import Failure


def main(argv):
    """Verifies as the command line says; returns the exit code of `frame`."""
    return frame.run(argv, __doc__, {}, _verify, arguments=["FOLDER"])


def _verify(values, folder):
    differences, count = trained.differences(folder)
    if differences:
        lines = "\n  ".join(differences)
        raise Failure(
            f"{len(differences)} files of {folder} are not as {trained.MANIFEST} says:"
            f"\n  {lines}"
        )
    loaded = trained.load(folder)
    kind = type(loaded.model).__name__
    priors = " and its priors load" if loaded.pipeline else " loads"
    print(f"{count} files are as {trained.MANIFEST} says; {kind}{priors}")


if __name__ == "__main__":
    sys.exit(main(sys.argv))
