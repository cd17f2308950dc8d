"""Classifier-free guidance: a class says more where it is set against no class.

Source: Ho and Salimans 2022, arXiv 2207.12598. The scale is the one that most samplers
of codes use: 0 is without a class, 1 with it as the prior was fitted, above 1 beyond.
"""

import math

import keras
from keras import ops

from vqzoo.arguments import is_number

NO_GUIDANCE = 1.0
# How far guidance is on, by the share of a grid that is drawn.
SCHEDULES = {
    "constant": lambda share: 1.0,
    "linear": lambda share: share,
    "cosine": lambda share: (1 - ops.cos(share * math.pi)) / 2,
}


def check(prior, guidance, schedule):
    """Raises ValueError for guidance that is out of its range or unknown to a prior."""
    if not is_number(guidance) or not 0 <= guidance < math.inf:
        raise ValueError(f"expected guidance of at least 0, received {guidance=}")
    if schedule not in SCHEDULES:
        raise ValueError(
            f"expected a guidance_schedule of {', '.join(SCHEDULES)}, received "
            f"guidance_schedule={schedule!r}"
        )
    if guidance != NO_GUIDANCE and not prior.label_dropout:
        raise ValueError(
            "expected a prior that was fitted with and without labels "
            f"(label_dropout=0.1) for guidance, received {guidance=} for a prior of "
            f"{prior.num_classes} classes and label_dropout={prior.label_dropout}"
        )


class Guide:
    """What a sampler does with a batch whose classes guide it.

    Both passes are one batch: the rows with their classes, then the same rows with the
    null class.

    Args:
        prior: a prior with `label_dropout`.
        schedule: str of `SCHEDULES`.
    """

    def __init__(self, prior, schedule):
        self.null_class = prior.num_classes
        self.at = SCHEDULES[schedule]

    def both(self, inputs):
        """A dict of tensors `(batch, ...)` as `(2 batch, ...)`, the null class last."""
        label = inputs["label"]
        inputs = {name: ops.concatenate([a, a]) for name, a in inputs.items()}
        null = ops.full_like(label, self.null_class)
        return {**inputs, "label": ops.concatenate([label, null])}

    def guided(self, logits, scale, share):
        """Logits `(2 batch, ...)` of two passes as guided ones, equal in both halves.

        Args:
            logits: float32, of a batch as from `both`.
            scale: float32 `(2 batch,)`.
            share: float or tensor in [0, 1], how much of the grid is drawn.
        """
        with_class, without = ops.split(logits, 2, axis=0)
        scale = ops.reshape(self.one(scale), (-1,) + (1,) * (len(logits.shape) - 1))
        scale = 1.0 + (scale - 1.0) * self.at(share)
        logits = without + scale * (with_class - without)
        # Rows of scale 1 are to the bit those of a batch that nothing guides.
        logits = ops.where(scale == NO_GUIDANCE, with_class, logits)
        return ops.concatenate([logits, logits])

    def one(self, drawn):
        """Of two passes the one with the classes, `(batch, ...)`."""
        return keras.tree.map_structure(lambda a: ops.split(a, 2, axis=0)[0], drawn)

    def equal(self, drawn):
        """What the pass with the classes drew, for both."""
        return keras.tree.map_structure(
            lambda a: ops.concatenate([a, a]), self.one(drawn)
        )


class NoGuide:
    """The same of a sampler without guidance: a batch stays what it is."""

    def both(self, inputs):
        return dict(inputs)

    def guided(self, logits, scale, share):
        del scale, share
        return logits

    def one(self, drawn):
        return drawn

    equal = one


def of(prior, schedule):
    """The guide of a sampler; `schedule` None is no guidance."""
    return NoGuide() if schedule is None else Guide(prior, schedule)
