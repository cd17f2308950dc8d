"""Draws images: `python -m vqzoo.sample --prior=RUN --class=lion --n=64`."""

import json
import pathlib
import sys

import numpy as np
from absl import flags

from vqzoo import plots, trained

USAGE_ERROR = 2


def main(argv):
    """Draws images as the command line says, and returns the exit code.

    Args:
        argv: list of str, the program's name first.

    Returns:
        int: 0 when the picture is written, 1 when that failed for a reason that the
        user can mend, 2 on an unknown flag or an impossible value.
    """
    values = _flags()
    try:
        rest = values(argv)[1:]
        if values.help:
            print(f"{__doc__}\n{values.get_help()}")
            return 0
        if rest:
            raise ValueError(f"expected flags such as --n=64, received {rest}")
        if not values.prior:
            raise ValueError("expected --prior=RUN, the folder of a prior's run")
    except (flags.Error, ValueError) as error:
        print(f"{error}\nSee --help for all flags.", file=sys.stderr)
        return USAGE_ERROR
    try:
        _draw(values)
    except (OSError, ValueError) as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    return 0


def _flags():
    values = flags.FlagValues()
    for define, name, default, text in (
        (flags.DEFINE_string, "prior", "", "folder of a prior's finished run"),
        (flags.DEFINE_string, "class", "", "a class by name or number; empty: all"),
        (flags.DEFINE_integer, "n", 64, "number of images"),
        (flags.DEFINE_float, "temperature", 1.0, "below 1: likelier, less diverse"),
        (flags.DEFINE_integer, "top_k", 0, "draw only the k likeliest codes; 0: all"),
        (flags.DEFINE_float, "top_p", 1.0, "draw only codes of this much probability"),
        (flags.DEFINE_integer, "seed", 0, "equal seeds draw equal images"),
        (flags.DEFINE_integer, "batch_size", 64, "images at once"),
        (flags.DEFINE_string, "out", "samples.png", "the picture to write"),
        (flags.DEFINE_string, "codes", "", "also write codes and images here, .npz"),
        (flags.DEFINE_bool, "help", False, "show this help"),
    ):
        define(name, default, text, flag_values=values)
    return values


def _draw(values):
    from tqdm import tqdm

    pipeline = trained.load(values.prior, needs_priors=True).pipeline
    name = values["class"].value
    label = pipeline.label_of(name) if name else None
    samples = pipeline.sample(
        values.n,
        label,
        temperature=values.temperature,
        top_k=values.top_k or None,
        top_p=None if values.top_p == 1 else values.top_p,
        seed=values.seed,
        batch_size=values.batch_size,
        progress=lambda batches: tqdm(batches, desc="batches"),
    )
    columns = max(1, int(np.ceil(np.sqrt(values.n))))
    title = f"{values.n} samples{f' of {name}' if name else ''}"
    figure = plots.image_grid(samples.images, title, columns)
    out = pathlib.Path(values.out)
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out)
    bits = -samples.log_prob.mean() / np.log(2)
    known = "" if np.isnan(bits) else f", {bits:.0f} bits each under the priors"
    print(f"{out}: {values.n} images{known}")
    if values.codes:
        np.savez_compressed(values.codes, **samples.to_arrays(pipeline.tiers))
        print(f"{values.codes}: {json.dumps(list(pipeline.tiers))} and images")


if __name__ == "__main__":
    sys.exit(main(sys.argv))
