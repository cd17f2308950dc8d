"""Compresses images: `python -m vqzoo.compress in.png out.vqz --model=FOLDER`.

IN is an image, a folder or an archive of images; OUT then is a `.vqz` file, or a folder
that gets one for each image. What cannot be read is skipped and counted.
"""

import sys

from absl import flags

from vqzoo.codec import batch, command

FLAGS = (
    (
        flags.DEFINE_string,
        "mode",
        "auto",
        "prior, unigram or raw; auto: the first of them that there is",
    ),
    (
        flags.DEFINE_string,
        "class",
        "",
        "the class of all images, by name or number; empty: the likeliest of each",
    ),
    (
        flags.DEFINE_list,
        "tiers",
        [],
        "tiers whose codes are kept, by name; empty: all that the decoder looks at",
    ),
)


def main(argv):
    """Compresses as the command line says, and returns the exit code.

    Args:
        argv: list of str, the program's name first.

    Returns:
        int: 0 when a file is written, 1 when that failed for a reason that the user can
        mend, 2 on an unknown flag or an impossible value.
    """
    return command.run(argv, __doc__, FLAGS, _compress)


def _compress(codec, source, target, values):
    return batch.compress(
        codec,
        source,
        target,
        mode=values.mode,
        label=codec.label_of(values["class"].value),
        tiers=values.tiers or None,
        progress=command.progress,
        overwrite=values.overwrite,
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv))
