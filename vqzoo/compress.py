"""Compresses images: `vqzoo compress in.png out.vqz --model=FOLDER`.

IN is an image, a folder or an archive of images; OUT then is a `.vqz` file, or a folder
that gets one for each image. What cannot be read is skipped and counted.
"""

import sys

from vqzoo.codec import command
from vqzoo.datasets import READING
from vqzoo.frame import Flag
from vqzoo.registry import lazily

batch = lazily("vqzoo.codec.batch")

FLAGS = {
    "What is kept": [
        Flag(
            "mode",
            "auto",
            "prior, unigram or raw; auto: the first that the model allows",
            choices=("auto", "prior", "unigram", "raw"),
        ),
        Flag(
            "class",
            "",
            "class of all images, by name or number; empty: the likeliest class "
            "of each",
        ),
        Flag(
            "tiers",
            (),
            "names of the tiers whose codes are kept; empty: all that the decoder uses",
        ),
        Flag("value_range", *READING["value_range"], kind=float),
    ]
}


def main(argv):
    """Compresses as the command line says; returns the exit code of `frame`."""
    return command.run(argv, __doc__, FLAGS, _compress)


def _compress(codec, source, target, values):
    return batch.compress(
        codec,
        source,
        target,
        mode=values.mode,
        label=codec.label_of(getattr(values, "class")),
        tiers=values.tiers or None,
        value_range=values.value_range,
        progress=command.progress,
        overwrite=values.overwrite,
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv))
