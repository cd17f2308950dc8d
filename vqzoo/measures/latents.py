"""How latents lie, as points of a plane, and where a walk through them leads."""

import functools

import numpy as np

from vqzoo import plots, registry
from vqzoo.measures.findings import Skipped
from vqzoo.measures.inference import decode_with, in_batches
from vqzoo.measures.representation import on_main_axes, represent

ORDER = 6
TITLE = "Latents in two dimensions"
TEXT = (
    "Test images by their flattened latents: on the two main axes, and on a map "
    "that keeps neighbors together (t-SNE; distances between groups, and their "
    "sizes, mean nothing). Then images that change as the latents move: all "
    "indices of a tier together, or one number of a vector."
)
SHOWN = 3
DIMENSIONS = 6


def main_axes(features, count=2):
    """Features on their axes of most variance.

    Args:
        features: float `(N, D)` or scipy sparse, N of at least 2.
        count: int; there are no more axes than N or D.

    Returns:
        `(points, shares)`: float `(N, count)`, zeros for axes that do not exist, and
        the share of the variance along each; shares of 0 where all features are equal.

    Raises:
        ValueError: if there are fewer than two rows.
    """
    from sklearn.decomposition import PCA

    features = np.reshape(np.asarray(features, "float32"), (len(features), -1))
    if len(features) < 2:
        raise ValueError(f"expected at least two rows, received {len(features)}")
    possible = min(count, *features.shape)
    if not np.ptp(features, axis=0).any():
        return np.zeros((len(features), count), "float32"), np.zeros(count)
    axes = PCA(possible, random_state=0)
    points = axes.fit_transform(features)
    missing = count - possible
    shares = np.pad(axes.explained_variance_ratio_, (0, missing))
    return np.pad(points, ((0, 0), (0, missing))), shares


def neighborhood_map(features, perplexity=30.0, seed=0):
    """Points in a plane that keep neighbors together: t-SNE.

    Args:
        features: float `(N, D)`; brought to their 50 main axes first.
        perplexity: float, about how many neighbors count; less where N is small.
        seed: int.

    Returns:
        Float32 `(N, 2)`. Distances between groups, and their sizes, mean nothing.

    Raises:
        ValueError: if there are fewer than 5 rows.

    Source: van der Maaten and Hinton 2008, Visualizing data using t-SNE, in
        scikit-learn.
    """
    from sklearn.manifold import TSNE

    if len(features) < 5:
        raise ValueError(f"expected at least 5 rows, received {len(features)}")
    points, _ = main_axes(
        features, min(50, *np.reshape(features, (len(features), -1)).shape)
    )
    perplexity = min(perplexity, (len(features) - 1) / 3)
    start = "pca" if np.ptp(points, axis=0).any() else "random"
    return TSNE(2, perplexity=perplexity, init=start, random_state=seed).fit_transform(
        points
    )


def walk_indices(decode, codes, num_embeddings, tier, num_steps=9):
    """Images while all indices of a tier move together along the codebook.

    In an ordered codebook the image changes little by little; in one without order the
    first step replaces it.

    Args:
        decode: function from a tuple of codes to images.
        codes: tuple of int `(N, h, w)`, top first.
        num_embeddings: int, K of the tier.
        tier: int, whose indices move.
        num_steps: int, odd: the codes as they are stand in the middle.

    Returns:
        `(images, offsets)`: float `(N, num_steps, H, W, C)`, clipped to [-0.5, 0.5],
        and the int by which the indices of each column have moved, at most K / 4;
        indices stop at the ends of the codebook.

    Raises:
        ValueError: if the number of steps is even.
    """
    if num_steps % 2 == 0:
        raise ValueError(f"expected an odd number of steps, received {num_steps=}")
    most = num_embeddings // 4
    offsets = np.rint(np.linspace(-most, most, num_steps)).astype(int)
    columns = []
    for offset in offsets:
        moved = np.clip(codes[tier].astype(int) + offset, 0, num_embeddings - 1)
        columns.append(decode_with(decode, codes, tier, moved.astype("int32")))
    return np.stack(columns, axis=1), offsets


def walk_values(decode, latents, dimensions, num_steps=9, deviations=2.0):
    """Images while one number of a latent vector moves, one row for each number.

    Args:
        decode: function from a tuple of one array `(B, D)` to images.
        latents: float `(N, D)`: the first is walked from, all give the spread.
        dimensions: ints below D.
        num_steps: int.
        deviations: float, how many standard deviations a number moves either way.

    Returns:
        `(images, offsets)`: float `(len(dimensions), num_steps, H, W, C)`, clipped, and
        the offsets in standard deviations.

    Raises:
        ValueError: if there is no such number.
    """
    if not all(0 <= dimension < latents.shape[1] for dimension in dimensions):
        raise ValueError(
            f"expected dimensions below {latents.shape[1]}, received {dimensions=}"
        )
    offsets = np.linspace(-deviations, deviations, num_steps)
    spread = latents.std(axis=0)
    rows = []
    for dimension in dimensions:
        walked = np.repeat(latents[:1], num_steps, axis=0)
        walked[:, dimension] += (offsets * spread[dimension]).astype(walked.dtype)
        rows.append(in_batches(decode, (walked,)))
    return np.clip(np.stack(rows), -0.5, 0.5), offsets


@registry.named("latents")
def measure(subject, section):
    """Projections and walks."""
    for name, features in _features(subject):
        with section.attempt(f"projections of the {name}"):
            _project(subject, section, name, features)
    with section.attempt("walks"):
        walk = _draw_walk_of_indices if subject.tiers else _draw_walk_of_values
        walk(subject, section)


def _features(subject):
    """Name and features `(N, D)` of what the model gives."""
    count = subject.sizes.points
    if not subject.tiers:
        latents = subject.codes[0][:count]
        yield "latents", latents.reshape(len(latents), -1)
    for tier, codes in zip(subject.tiers, subject.codes):
        if tier.code_axes:
            vectors = np.asarray(tier.layer.decode(codes[:count]), "float32")
            vectors = vectors.reshape(len(vectors), -1)
        else:
            codebook = on_main_axes(tier.codebook)
            vectors = represent(codes[:count], "vectors", codebook=codebook)
        yield f"{tier.name} code vectors", vectors


def _project(subject, section, name, features):
    colors = _colors(subject, len(features))
    points, shares = main_axes(features)
    key = name.replace(" ", "_")
    section.add(
        dict(zip((f"{key}_first_axis_share", f"{key}_second_axis_share"), shares))
    )
    section.picture(
        f"Main axes of the {name}",
        "Each point is a test image.",
        lambda: plots.scatter(
            points,
            axes=(
                f"first axis ({shares[0]:.0%} of variance)",
                f"second axis ({shares[1]:.0%} of variance)",
            ),
            **colors,
        ),
    )
    section.picture(
        f"Neighborhoods of the {name} (t-SNE)",
        "If points of one color lie together, images of one class have similar "
        "latents.",
        lambda: plots.scatter(neighborhood_map(features), **colors),
    )


def _colors(subject, count):
    """What points are colored by: their class, or else how bright they are."""
    names = subject.data.class_names
    if subject.labels is not None and 1 < len(names) <= 20:
        labels = subject.labels[:count]
        return {"labels": labels, "key": "class", "names": names}
    brightness = subject.images[:count].mean(axis=(1, 2, 3)) + 0.5
    return {"labels": brightness, "key": "mean brightness of the image"}


def _draw_walk_of_indices(subject, section):
    subject.need_whole_codes()
    for tier in subject.tiers:
        section.picture(
            f"All {tier.name} indices moved together",
            "The number above a column says how far each index moves; 0 is the "
            "unchanged image. In an ordered codebook the image changes gradually.",
            functools.partial(_strips_of_indices, subject, tier),
        )


def _strips_of_indices(subject, tier):
    images, offsets = walk_indices(
        subject.decode, subject.some_codes(SHOWN), tier.num_embeddings, tier.index
    )
    rows = {f"image {i + 1}": row for i, row in enumerate(images)}
    labels = [f"{n:+d}" if n else "0" for n in offsets]
    return plots.strips(rows, column_labels=labels)


def _draw_walk_of_values(subject, section):
    latents = subject.codes[0]
    if latents.ndim != 2 or len(subject.codes) > 1:
        raise Skipped("the latents are grids of several groups, not one vector")

    def draw():
        widest = np.argsort(-latents.std(axis=0), kind="stable")[:DIMENSIONS]
        images, offsets = walk_values(subject.decode, latents, widest)
        rows = {f"number {n}": row for n, row in zip(widest, images)}
        return plots.strips(
            rows, column_labels=[f"{offset:+.1f}" for offset in offsets]
        )

    section.picture(
        "One number of the latent moved",
        "Each row moves one of the numbers that differ most between images. The "
        "number above a column is in standard deviations.",
        draw,
    )
