"""How well signals are reconstructed: errors of each channel, in its own units."""

import numpy as np

from vqzoo import plots, registry
from vqzoo.measures.inference import in_batches

ORDER = 3.6
ITEMS = ("sequence",)
TITLE = "Signals"
TEXT = (
    "Relative error is the squared error of rebuilt signals over their variance, of "
    "each channel: 0 for equal signals and 1 for their mean."
)
GLANCE = {"relative_error": "relative error of test signals"}
SHOWN = 4


def channel_errors(signals, rebuilt):
    """Relative error of each channel: float `(C,)`.

    Args:
        signals: float `(N, time, C)`.
        rebuilt: same shape.

    Raises:
        ValueError: if the shapes differ.
    """
    if signals.shape != rebuilt.shape or not len(signals):
        raise ValueError(
            f"expected two equal shapes, received {signals.shape} and {rebuilt.shape}"
        )
    errors = np.square(signals - rebuilt).mean(axis=(0, 1), dtype="float64")
    variances = signals.reshape(-1, signals.shape[-1]).var(axis=0, dtype="float64")
    return errors / np.maximum(variances, 1e-30)


@registry.named("signals")
def measure(subject, section):
    """Errors of test and training signals, and pictures of some."""
    subject.need_codes()
    rows = []
    for name, prefix, signals, codes in (
        ("test, not seen in training", "", subject.images, subject.codes),
        ("training", "train_", subject.train_images, subject.train_codes),
    ):
        rebuilt = in_batches(subject.model.reconstruct, signals, codes)
        errors = channel_errors(signals, rebuilt)
        section.add({"relative_error": float(errors.mean())}, prefix)
        rows.append((name, len(signals), errors.mean(), errors.max()))
        if not prefix:
            shown = signals[:SHOWN], rebuilt[:SHOWN]
            text = "Test signals and what comes back of their codes."
            section.picture("Signals", text, lambda both=shown: plots.signals(*both))
    header = ("signals", "number", "relative error", "of the worst channel")
    section.table("How signals come back", header, rows)
