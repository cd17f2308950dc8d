"""The section on how latents lie, and where a walk through them leads."""

import numpy as np

from vqzoo import plots
from vqzoo.measures import projection, traversal
from vqzoo.measures.representation import on_main_axes, represent
from vqzoo.report.document import Skipped

TEXT = (
    "Test images by their latents, flattened: on the two main axes, and on a map that "
    "keeps neighbors beside each other (t-SNE; distances between groups and their "
    "sizes mean nothing). Then images while the latents walk: all indices of a tier "
    "together, or one number of a vector."
)
SHOWN = 3
DIMENSIONS = 6


def fill(subject, section):
    """Projections and walks."""
    for name, features in _features(subject):
        with section.attempt(f"projections of the {name}"):
            _project(subject, section, name, features)
    with section.attempt("walks"):
        if subject.tiers:
            _walk_indices(subject, section)
        else:
            _walk_values(subject, section)


def _features(subject):
    count = subject.sizes.points
    if not subject.tiers:
        yield (
            "latents",
            subject.codes[0][:count].reshape(min(count, _size(subject)), -1),
        )
    for tier, codes in zip(subject.tiers, subject.codes):
        if tier.code_axes:
            vectors = np.asarray(tier.layer.decode(codes[:count]), "float32")
            yield f"{tier.name} code vectors", vectors.reshape(len(vectors), -1)
        else:
            book = on_main_axes(tier.codebook)
            vectors = represent(codes[:count], "vectors", codebook=book)
            yield f"{tier.name} code vectors", vectors


def _size(subject):
    return len(subject.images)


def _project(subject, section, name, features):
    colors = _colors(subject, len(features))
    points, shares = projection.main_axes(features)
    for axis, share in zip(("first", "second"), shares):
        key = name.replace(" ", "_")
        section.add({f"{key}_{axis}_axis_share": share})
    section.picture(
        f"Main axes of the {name}",
        "Each point is a test image.",
        plots.scatter(
            points,
            axes=(
                f"first axis ({shares[0]:.0%} of variance)",
                f"second axis ({shares[1]:.0%} of variance)",
            ),
            **colors,
        ),
    )
    places = projection.neighborhood_map(features)
    section.picture(
        f"Neighborhoods of the {name} (t-SNE)",
        "Points of one color together: images of a class have similar latents.",
        plots.scatter(places, **colors),
    )


def _colors(subject, count):
    """What points are colored by: their class, or else how bright they are."""
    names = subject.data.class_names
    if subject.labels is not None and 1 < len(names) <= 20:
        labels = subject.labels[:count]
        return {"labels": labels, "key": "class", "names": names}
    brightness = subject.images[:count].mean(axis=(1, 2, 3)) + 0.5
    return {"labels": brightness, "key": "mean brightness of the image"}


def _walk_indices(subject, section):
    subject.need_whole_codes()
    codes = subject.some_codes(SHOWN)
    for tier in subject.tiers:
        images, offsets = traversal.walk_indices(
            subject.decode, codes, tier.num_embeddings, tier.index
        )
        rows = {f"image {i + 1}": each for i, each in enumerate(images)}
        section.picture(
            f"All {tier.name} indices moved together",
            "The number above is by how much each index moves; 0 is the image itself. "
            "In an ordered codebook the change is gradual.",
            plots.strips(
                rows, column_labels=[f"{n:+d}" if n else "0" for n in offsets]
            ),
        )


def _walk_values(subject, section):
    latents = subject.codes[0]
    if latents.ndim != 2 or len(subject.codes) > 1:
        raise Skipped("the latents are grids of several groups, not one vector")
    widest = np.argsort(-latents.std(axis=0), kind="stable")[:DIMENSIONS]
    images, offsets = traversal.walk_values(subject.decode, latents, widest)
    rows = {f"number {n}": each for n, each in zip(widest, images)}
    section.picture(
        "One number of the latent moved",
        "Each row moves one of the numbers that differ most between images, by so many "
        "standard deviations.",
        plots.strips(rows, column_labels=[f"{offset:+.1f}" for offset in offsets]),
    )
