"""Draws images: `vqzoo sample --prior=RUN --class=lion --n=64`."""

import functools
import json
import pathlib
import sys

import numpy as np

from vqzoo import frame, plots, trained
from vqzoo.frame import Flag

DRAWING = [
    Flag("temperature", 1.0, "below 1: likelier and less diverse samples"),
    Flag("top_k", 0, "draw only the k likeliest codes; 0: all", at_least=0),
    Flag(
        "top_p",
        1.0,
        "draw only the likeliest codes that together have this probability; 1: all",
    ),
    Flag(
        "guidance",
        1.0,
        "scale of classifier-free guidance: 1 is none, larger scales show "
        "more of the class",
        at_least=0,
    ),
    Flag(
        "guidance_schedule",
        "constant",
        "constant, or linear or cosine: guidance grows from the first code to the last",
        choices=("constant", "linear", "cosine"),
    ),
    Flag(
        "num_steps", 0, "passes of a masked prior over a grid; 0: its own", at_least=0
    ),
]
REJECTION = [
    Flag(
        "reject",
        "",
        "a .keras file from images to logits of the classes, which says how well "
        "images show their class",
    ),
    Flag("keep", 0.5, "the share that is kept, the best of each class"),
]
FLAGS = {
    "What is drawn": [
        Flag("prior", "", "folder of a prior's finished run"),
        Flag("class", "", "a class by name or number; empty: all"),
        Flag("n", 64, "number of images", at_least=1),
        Flag("seed", 0, "the same seed draws the same images"),
        Flag("batch_size", 64, "images at once", at_least=1),
    ],
    "How likely it is": DRAWING,
    "What is rejected": REJECTION,
    "What is written": [
        Flag("out", "samples.png", "the picture to write"),
        Flag("codes", "", "also write codes and images here, .npz"),
    ],
}


def main(argv):
    """Draws images as the command line says; returns the exit code of `frame`."""
    return frame.run(argv, __doc__, FLAGS, _draw, prepare=_with_prior)


def _with_prior(values):
    if not values.prior:
        raise ValueError("expected --prior=RUN, the folder of a prior's run")
    return check_rejection(values)


def check_rejection(values):
    """The flags; ValueError for a share to keep without a classifier."""
    if not values.reject and values.keep != 0.5:
        raise ValueError("expected --reject=CLASSIFIER with --keep, which it scores by")
    return values


def drawing(values):
    """What the flags `DRAWING` say, as `Pipeline.sample` takes it."""
    return {
        "temperature": values.temperature,
        "top_k": values.top_k or None,
        "top_p": None if values.top_p == 1 else values.top_p,
        "guidance": values.guidance,
        "guidance_schedule": values.guidance_schedule,
        "num_steps": values.num_steps or None,
    }


def drawer(values, pipeline):
    """`Pipeline.sample`, or the same where a classifier chooses of what is drawn."""
    if not values.reject:
        return pipeline.sample
    from vqzoo import losses
    from vqzoo.measures.judge import Classifier
    from vqzoo.priors import rejection

    network = losses.load_classifier(values.reject, pipeline.model.image_shape)
    known = network.outputs[0].shape[-1]
    if pipeline.num_classes and known != pipeline.num_classes:
        raise ValueError(
            f"expected a classifier of the {pipeline.num_classes} classes of the "
            f"priors, received --reject={values.reject} of {known}"
        )
    score = Classifier(network).confidence
    return functools.partial(rejection.sample, pipeline, score=score, keep=values.keep)


def _draw(values):
    from tqdm import tqdm

    pipeline = trained.load(values.prior, needs_priors=True).pipeline
    name = getattr(values, "class")
    label = pipeline.label_of(name) if name else None
    draw = drawer(values, pipeline)
    samples = draw(
        values.n,
        label,
        **drawing(values),
        seed=values.seed,
        batch_size=values.batch_size,
        progress=lambda batches: tqdm(batches, desc="batches"),
    )
    title = f"{values.n} samples{f' of {name}' if name else ''}"
    classes = () if name else pipeline.class_names
    figure = plots.samples(samples.images, samples.labels, classes, title)
    out = pathlib.Path(values.out)
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out)
    bits = -samples.log_prob.mean() / np.log(2)
    unit = "bits"
    if pipeline.has_values:
        bits, unit = bits * np.log(2), "nats"  # of a density
    known = "" if np.isnan(bits) else f", {bits:.0f} {unit} each under the priors"
    print(f"{out}: {values.n} images{known}")
    if values.codes:
        np.savez_compressed(values.codes, **samples.to_arrays(pipeline.tiers))
        print(f"{values.codes}: {json.dumps(list(pipeline.tiers))} and images")


if __name__ == "__main__":
    sys.exit(main(sys.argv))
