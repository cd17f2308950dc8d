"""How training went, and how smoothly, from what the run recorded."""

import numpy as np

from vqzoo import plots, registry
from vqzoo.measures.findings import Skipped

ORDER = 15
ITEMS = ("image", "vector", "sequence")
TITLE = "Training"
TEXT = (
    "The epochs of the model's run, from its history.csv: the losses, the use "
    "of the codes, and the largest rise of a loss. For the training loss this "
    "is the rise from one row of losses.csv to the next, for the validation "
    "loss from one epoch to the next."
)
LOSSES = {"loss": "training", "val_loss": "validation"}


def largest_jump(losses):
    """The largest rise of a loss from one record to the next.

    Args:
        losses: sequence of float, at least two, in the order of training.

    Returns:
        dict: `jump`, in the units of the loss, 0 for one that never rises; `share`, the
        jump over the range of all losses, in [0, 1]; `record`, the index of the record
        after the jump, 0 where there is none.

    Raises:
        ValueError: if there are fewer than two records, or one is not finite.

    Source: Vila, final project on hybrid latents, compares the stability of losses by
        eye; the number is ours.
    """
    losses = np.asarray(losses, "float64")
    if losses.ndim != 1 or len(losses) < 2 or not np.isfinite(losses).all():
        raise ValueError(
            f"expected two or more finite losses, received {losses.tolist()}"
        )
    rises = np.diff(losses)
    record = int(np.argmax(rises))
    if rises[record] <= 0:
        return {"jump": 0.0, "share": 0.0, "record": 0}
    jump = float(rises[record])
    return {"jump": jump, "share": jump / float(np.ptp(losses)), "record": record + 1}


@registry.named("training")
def measure(subject, section):
    """Curves of losses and of codebooks."""
    if not subject.history:
        raise Skipped("there is no history.csv beside the model")
    losses = curves(subject.history, LOSSES)
    _draw(
        section,
        "Loss",
        "The loss that training minimizes, on training data and on held-out data.",
        losses,
        "loss",
    )
    _jumps(subject, section, {words: values for words, (_, values) in losses.items()})
    for kind, unit in (("perplexity", "perplexity"), ("usage", "share in use")):
        names = {f"val_{tier.name}_{kind}": tier.name for tier in subject.tiers}
        title = f"Codes over training: {unit}"
        text = "Of the validation images, after each epoch."
        _draw(section, title, text, curves(subject.history, names), unit)


def curves(rows, names):
    """Epochs and values, by words, of what a whole history has of some names."""
    epochs = [row["epoch"] for row in rows]
    return {
        words: (epochs, [row[name] for row in rows])
        for name, words in names.items()
        if all(name in row for row in rows)
    }


def _draw(section, title, text, lines, unit):
    if lines:
        section.picture(title, text, lambda: plots.curves(lines, "epoch", unit))


def _jumps(subject, section, courses):
    places = [f"epoch {row['epoch']:,.0f}" for row in subject.history]
    places = dict.fromkeys(courses, places)
    if len(subject.losses) > 1:
        courses["training"] = [row["loss"] for row in subject.losses]
        places["training"] = [f"step {row['step']:,}" for row in subject.losses]
    elif "training" in courses:
        section.remarks.append(
            "The run has no losses.csv, so rises of the training loss within an epoch "
            "are not visible; it is compared from epoch to epoch."
        )
    rows = []
    for words, losses in courses.items():
        with section.attempt(f"jumps of the {words} loss"):
            rise = largest_jump(losses)
            section.add({**rise, "records": len(losses)}, f"{words}_loss_")
            place = places[words][rise["record"]] if rise["jump"] else "-"
            rows.append((words, rise["jump"], rise["share"], place, len(losses)))
    header = ("loss", "rise", "share of its range", "to", "values compared")
    section.table("Largest rise of a loss", header, rows)
