"""Samples that a classifier takes for their class; the others are drawn in vain."""

import dataclasses
import math

import numpy as np

from vqzoo.arguments import is_number


def sample(pipeline, num_samples, labels, score, keep, *, seed=None, **options):
    """Draws more images than asked for, and keeps the best of each class.

    Args:
        pipeline: `Pipeline` of priors that know classes.
        num_samples: int, images that are kept.
        labels: as in `Pipeline.sample`.
        score: function of images float `(N, H, W, C)` and labels int `(N,)` to `(N,)`,
            higher for better ones.
        keep: float in (0, 1], the share that is kept.
        seed: int or None.
        **options: of `Pipeline.sample`.

    Returns:
        `Samples`.

    Raises:
        ValueError: if `keep` is out of its range or the priors know no classes.

    Source: Razavi et al. 2019 (VQ-VAE-2), arXiv 1906.00446, section 3.3.
    """
    if not is_number(keep) or not 0 < keep <= 1:
        raise ValueError(f"expected a share in (0, 1] to keep, received {keep}")
    if not pipeline.num_classes:
        raise ValueError(
            "expected priors of classes to reject by a classifier, received priors "
            "that know none"
        )
    if labels is None:
        labels = np.arange(num_samples) % pipeline.num_classes
        labels = np.random.default_rng(seed).permutation(labels)
    labels = np.broadcast_to(np.asarray(labels, "int32"), (num_samples,))
    drawn = pipeline.sample(
        math.ceil(num_samples / keep),
        np.resize(labels, math.ceil(num_samples / keep)),
        seed=seed,
        **options,
    )
    scores = np.asarray(score(np.clip(drawn.images, -0.5, 0.5), drawn.labels))
    best = np.argsort(-scores, kind="stable")
    kept = np.empty(num_samples, int)
    for label in np.unique(labels):
        places = np.flatnonzero(labels == label)
        kept[places] = best[drawn.labels[best] == label][: len(places)]
    return dataclasses.replace(
        drawn,
        images=drawn.images[kept],
        codes=tuple(grid[kept] for grid in drawn.codes),
        log_prob=drawn.log_prob[kept],
        labels=labels,
        values=tuple(grid[kept] for grid in drawn.values),
    )
