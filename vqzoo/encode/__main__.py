"""Encodes a collection: `vqzoo encode --model=export/x --input=PATTERN --output=DIR`.

An Apache Beam pipeline, here or on a cluster (`--runner=FlinkRunner`): Beam gets its
own options, as `--name=value`. A job that was stopped goes on when it is started again.
What cannot be decoded goes to `_bad-*.jsonl` with its key and the reason.
"""

import importlib.util
import os
import sys

from vqzoo import frame, registry
from vqzoo.datasets import MAX_BYTES, READING
from vqzoo.datasets.shards import Columns
from vqzoo.frame import Flag

job = registry.lazily("vqzoo.encode.job")
pipeline = registry.lazily("vqzoo.encode.pipeline")
whole = registry.lazily("vqzoo.encode.whole")

FORMATS = ("parquet", "tfrecord")
FLAGS = {
    "What is encoded": [
        Flag("model", "", "folder or .keras file of a model with codes"),
        Flag(
            "input",
            "",
            "shards such as 'images-{0000..0099}.tar' (tar, Parquet, TFRecord, "
            "ArrayRecord), a folder of images, or tfds:NAME:SPLIT",
        ),
        Flag("image_column", "", "name of the images in the shards; empty: the usual"),
        Flag("key_column", "", "name of the keys in the shards; empty: the usual"),
        Flag("label_column", "", "name of the labels in the shards; empty: the usual"),
        Flag(
            "precision",
            "",
            "of the network; empty: that in which it was trained",
            choices=("", "float32", "bfloat16"),
        ),
        Flag(
            "resize",
            "crop",
            "how images of other sizes are brought to the model's",
            choices=("crop", "upscale", "stretch", "pad"),
        ),
        Flag("value_range", *READING["value_range"], kind=float),
        Flag("max_bytes", *MAX_BYTES, at_least=1),
    ],
    "What is written": [
        Flag("output", "", "folder of the shards of codes, local or of a bucket"),
        Flag("format", "parquet", "of the shards of codes", choices=FORMATS),
        Flag("max_bad", 100, "most images that may be left out", at_least=0),
    ],
    "How": [
        Flag("batch_size", 128, "images of a batch", at_least=1),
        Flag(
            "threads", 0, "that decode images; 0: one for each core but one", at_least=0
        ),
        Flag(
            "workers",
            1,
            "processes on this machine, each with a model and all cores",
            at_least=1,
        ),
    ],
}


def main(argv):
    """Encodes as the command line says; returns the exit code of `frame`."""
    own, of_beam = _divided(argv)
    return frame.run(
        own, __doc__, FLAGS, lambda values: _encode(values, of_beam), prepare=_checked
    )


def _divided(argv):
    """Our arguments, and those of Beam."""
    ours = {flag.name for group in FLAGS.values() for flag in group} | {"help", "h"}
    own, other = [argv[0]], []
    for argument in argv[1:]:
        name = argument.lstrip("-").partition("=")[0]
        known = not argument.startswith("-") or name in ours
        (own if known else other).append(argument)
    if other:
        names = _names_of_beam()
        for argument in list(other):
            if argument.partition("=")[0] not in names:
                other.remove(argument)
                own.append(argument)  # An error of usage, which `frame` tells.
    return own, other


def _names_of_beam():
    import argparse

    try:
        from apache_beam.options import pipeline_options
    except ImportError:
        return ()
    parser = argparse.ArgumentParser(conflict_handler="resolve")
    for options in pipeline_options.PipelineOptions.__subclasses__():
        options._add_argparse_args(parser)
    return {name for action in parser._actions for name in action.option_strings}


def _checked(values):
    for name in ("model", "input", "output"):
        if not getattr(values, name):
            raise ValueError(f"expected --{name}=..., see --help")
    if len(values.value_range) not in (0, 2):
        raise ValueError(
            f"expected --value_range=LOW,HIGH, received {values.value_range}"
        )
    return values


def _encode(values, of_beam):
    columns = Columns(
        image=values.image_column, key=values.key_column, label=values.label_column
    )
    work = job.Job(
        model=values.model,
        pattern=values.input,
        output=os.path.expanduser(values.output).rstrip("/"),
        precision=values.precision,
        format=values.format,
        batch_size=values.batch_size,
        max_bad=values.max_bad,
        resize=values.resize,
        value_range=tuple(values.value_range),
        columns=columns,
        max_bytes=values.max_bytes,
        threads=values.threads,
        says=True,
    )
    if importlib.util.find_spec("apache_beam"):
        manifest = pipeline.run(work, of_beam, values.workers)
    elif values.workers == 1:
        manifest = whole.run(work)
    else:
        raise frame.Failure(
            "expected apache_beam for --workers above 1: pip install 'vqzoo[beam]'"
        )
    print(
        f"{manifest['images']:,} images in {len(manifest['shards'])} shards, "
        f"{manifest['bad']} bad: {work.output}"
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv))
