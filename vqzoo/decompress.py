"""Brings images back: `vqzoo decompress out.vqz out.png --model=FOLDER`.

IN is a `.vqz` file, a folder or an archive of them; OUT then is an image, whose suffix
says its format, or a folder that gets a PNG for each file. The model, and for files of
the mode prior the priors, must be those of the compression.
"""

import sys

from vqzoo.codec import command
from vqzoo.registry import lazily

batch = lazily("vqzoo.codec.batch")


def main(argv):
    """Decompresses as the command line says; returns the exit code of `frame`."""
    return command.run(argv, __doc__, {}, _decompress)


def _decompress(codec, source, target, values):
    return batch.decompress(
        codec,
        source,
        target,
        progress=command.progress,
        overwrite=values.overwrite,
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv))
