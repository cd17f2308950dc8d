"""Where the priors are surprised: bits of each code of an image, given those before."""

import numpy as np

from vqzoo.app import pictures, sample, widgets
from vqzoo.app.edits import IMAGES

HELP = (
    "The bits that each code takes under the priors, given the class, the tiers "
    "above and the codes before it: from black (none) to white (the most in "
    "either image). White codes surprised the priors. If the priors know "
    "classes, the text says which class the codes fit."
)
LIKELIEST = "the likeliest class"
SHOWN_CLASSES = 3


def missing(pipeline):
    """Why there is nothing to see, Markdown; empty where there is."""
    if pipeline is None:
        return "**There is no prior.** The tab *Sample* explains how to train one."
    kinds = {prior.likelihood for prior in pipeline.priors}
    if kinds != {"exact"}:
        return "**These priors draw codes, but give no probabilities.**"
    return ""


def bits(pipeline, codes, labels):
    """Bits of each code under the priors.

    Args:
        pipeline: `pipeline.Pipeline` of priors whose likelihood is exact.
        codes: tuple of int `(N, h, w)`, top first.
        labels: ints `(N,)`, or None of priors without classes.

    Returns:
        tuple of float `(N, h, w)`.
    """
    maps = []
    for tier, prior in enumerate(pipeline.priors):
        condition = prior.condition(labels, codes[:tier])
        maps.append(-prior.log_probs(codes[tier], condition) / np.log(2))
    return tuple(maps)


def of_classes(pipeline, codes):
    """Bits of each code under each class, and what the classes share.

    Args:
        pipeline: as in `bits`.
        codes: tuple of int `(N, h, w)`, top first.

    Returns:
        `(maps, shares)`: tuple of float `(C, N, h, w)`, and the probability of each
        class given the codes, all alike before: float `(C, N)`. C is 1 without classes.
    """
    labels = range(pipeline.num_classes) if pipeline.num_classes else [None]
    count = len(codes[0])
    each = [
        bits(pipeline, codes, None if label is None else np.full(count, label))
        for label in labels
    ]
    maps = tuple(np.stack(tier) for tier in zip(*each))
    total = sum(tier.sum(axis=(2, 3), dtype="float64") for tier in maps)
    shares = np.exp2(total.min(axis=0) - total)
    return maps, shares / shares.sum(axis=0)


def look(explored, pipeline, images, name):
    """Pictures of the bits of each tier of two images, and texts.

    Args:
        explored: `Explored`.
        pipeline: as in `bits`.
        images: float `(2, H, W, C)`.
        name: str, a class, or `LIKELIEST`, or None without classes.

    Returns:
        list: for each image a uint8 picture for each tier, then Markdown.
    """
    codes = tuple(tier[..., 0] for tier in explored.encode(images))
    maps, shares = of_classes(pipeline, codes)
    chosen = shares.argmax(axis=0)
    if name not in (None, LIKELIEST):
        chosen[:] = pipeline.label_of(name)
    seen = []
    for index, image in enumerate(IMAGES):
        own = [tier[chosen[index], index] for tier in maps]
        for tier, bits_of_tier in zip(maps, own):
            white = max(tier[chosen[i], i].max() for i in range(len(IMAGES)))
            seen.append(pictures.enlarge(pictures.shades(bits_of_tier, white)))
        seen.append(_text(explored, pipeline, image, own, shares[:, index]))
    return seen


def _text(explored, pipeline, image, maps, shares):
    total = sum(float(tier.sum()) for tier in maps)
    pixels = np.prod(explored.image_shape[:2])
    tiers = ", ".join(
        f"{name} {tier.mean():.2f} bits per code"
        for name, tier in zip(explored.tiers, maps)
    )
    text = (
        f"**{image}: {total:,.0f} bits**, {total / pixels:.3f} bits per pixel; {tiers}."
    )
    if len(shares) == 1:
        return text
    names = sample.classes(pipeline)[1:]  # without the entry for all of them
    best = np.argsort(-shares)[:SHOWN_CLASSES]
    fits = ", ".join(f"{names[label]} {shares[label]:.0%}" for label in best)
    return f"{text} Likeliest classes: {fits}."


def build(page):
    """Puts the tab's components on a `widgets.Page`.

    Returns:
        `(function, inputs, outputs)`: what to run when the images change, which does
        nothing until the tab was opened; None where there is nothing to see.
    """
    gr, explored, pipeline = page.gr, page.explored, page.loaded.pipeline
    if reason := missing(pipeline):
        gr.Markdown(reason, elem_id="likelihood-missing")
        return None
    gr.Markdown(HELP)
    opened = gr.State(False)
    name = gr.State(None)
    if pipeline.num_classes:
        names = [LIKELIEST, *sample.classes(pipeline)[1:]]
        name = gr.Dropdown(
            names, value=LIKELIEST, label="Class", elem_id="likelihood-class"
        )
    outputs = []
    for image in IMAGES:
        with gr.Row():
            outputs += [
                widgets.picture_of(
                    gr,
                    f"{image}, {tier}",
                    f"likelihood-{image.split()[0].lower()}-{tier}",
                )
                for tier in explored.tiers
            ]
        outputs.append(
            gr.Markdown(elem_id=f"likelihood-{image.split()[0].lower()}-text")
        )

    def show(images, name):
        return [True, *look(explored, pipeline, images, name)]

    def refresh(images, name, was_opened):
        if not was_opened:  # It takes seconds: nobody waits for what nobody sees.
            return [gr.skip()] * len(outputs)
        return look(explored, pipeline, images, name)

    inputs = [page.images, name]
    page.tab.select(
        show, inputs, [opened, *outputs], **{**page.quiet, "show_progress": "minimal"}
    )
    if pipeline.num_classes:
        name.select(refresh, [*inputs, opened], outputs, **page.quiet)
    return refresh, [*inputs, opened], outputs
