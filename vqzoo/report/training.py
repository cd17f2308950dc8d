"""The section on the training that led to the model."""

from vqzoo import plots
from vqzoo.evaluation.stability import largest_jump
from vqzoo.report.document import Skipped

TEXT = (
    "The epochs of the model's run, from its history.csv: losses, the use of the "
    "codes, and the largest rise of a loss from one epoch to the next."
)
LOSSES = {"loss": "training", "val_loss": "validation"}


def fill(subject, section):
    """Curves of losses and of codebooks."""
    if not subject.history:
        raise Skipped("there is no history.csv of a run beside the model")
    epochs = [row["epoch"] for row in subject.history]
    series = {}
    for name, words in LOSSES.items():
        if all(name in row for row in subject.history):
            series[words] = epochs, [row[name] for row in subject.history]
    if series:
        section.picture(
            "Loss",
            "What training minimizes, on the data trained with and on held-out data.",
            plots.curves(series, "epoch", "loss"),
        )
    rows = []
    for words, (_, losses) in series.items():
        with section.attempt(f"jumps of the {words} loss"):
            found = largest_jump(losses)
            section.add(found, f"{words}_loss_")
            rows.append((words, found["jump"], found["share"], found["record"] + 1))
    if rows:
        section.table(
            "Largest rise of a loss",
            ("loss", "rise", "share of its range", "to epoch"),
            rows,
        )
    _codebooks(subject, section, epochs)


def _codebooks(subject, section, epochs):
    for kind, unit in (("perplexity", "set perplexity"), ("usage", "share in use")):
        series = {}
        for tier in subject.tiers:
            name = f"val_{tier.name}_{kind}"
            if all(name in row for row in subject.history):
                series[tier.name] = epochs, [row[name] for row in subject.history]
        if series:
            section.picture(
                f"Codes over training: {unit}",
                "Of the validation images, after each epoch.",
                plots.curves(series, "epoch", unit),
            )
