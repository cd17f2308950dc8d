"""What guidance gives and takes: samples at several scales beside real images."""

import numpy as np

from vqzoo import plots, registry
from vqzoo.measures.findings import Skipped
from vqzoo.measures.sets import compare_features

ORDER = 12.5
TITLE = "Guidance"
TEXT = (
    "Samples at several scales of classifier-free guidance; 1 is none. Precision "
    "rises with the scale, as images show more of their class, and recall falls, as "
    "they vary less. The scale of the least FD is the one to draw with."
)


@registry.named("guidance")
def measure(subject, section):
    """FD, precision, recall and the share named rightly, at each scale."""
    scales = subject.options.get("guidance_scales")
    if not scales:
        raise Skipped(
            "it draws samples at several scales, which takes long: "
            "--guidance_scales=1,1.5,2,3"
        )
    subject.need_priors()
    if not any(prior.label_dropout for prior in subject.pipeline.priors):
        raise Skipped(
            "the priors always saw their class: train them with "
            "--prior_options=label_dropout=0.1"
        )
    table, columns = [], {}
    for scale in subject.progress(scales, "scales"):
        columns = _at(subject, scale)
        section.add(columns, f"{scale:g}_")
        table.append((f"{scale:g}", *columns.values()))
    rows = np.array([numbers for _, *numbers in table], float).T
    name = f"FD-{subject.features_name}"
    series = {title: (scales, row) for title, row in zip(columns, rows)}
    distance = series.pop(f"fd_{subject.features_name}")
    section.table(
        f"{subject.sizes.samples:,} samples at each scale",
        ("scale", name, *(words.replace("_", " ") for words in series)),
        table,
        "Of the class: the share that the judge puts into the class it was drawn for.",
    )
    section.picture(
        "Quality and variety over the scale",
        "Further right means more guidance.",
        lambda: plots.panels(
            {name: {name: distance}, "share of images": series}, "scale of guidance"
        ),
    )


def _at(subject, scale):
    """Figures of samples at a scale: a dict of floats by name."""
    drawn = subject.draw(guidance=scale)
    images = np.clip(drawn.images, -0.5, 0.5)
    figures = compare_features(subject, subject.features(images))
    if subject.has_judge:
        figures["of_the_class"] = subject.judge.accuracy(images, drawn.labels)
    return figures
