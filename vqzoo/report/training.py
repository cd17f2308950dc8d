"""The section on the training that led to the model."""

from vqzoo import plots
from vqzoo.measures.stability import largest_jump
from vqzoo.report.document import Skipped

TEXT = (
    "The epochs of the model's run, from its history.csv: losses, the use of the "
    "codes; and the largest rise of a loss: of the training loss from each few steps "
    "to the next, as losses.csv has them, of the validation loss from one epoch to the "
    "next."
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
    _jumps(subject, section, {k: v for k, (_, v) in series.items()})
    _codebooks(subject, section, epochs)


def _jumps(subject, section, of_epochs):
    places, courses = {}, {}
    for words, losses in of_epochs.items():
        courses[words] = losses
        places[words] = [f"epoch {row['epoch']:,.0f}" for row in subject.history]
    if len(subject.losses) > 1:
        courses["training"] = [row["loss"] for row in subject.losses]
        places["training"] = [f"step {row['step']:,}" for row in subject.losses]
    elif "training" in courses:
        section.remarks.append(
            "There is no losses.csv of the run, so that rises of the training loss "
            "within an epoch are not seen: it is compared from epoch to epoch."
        )
    rows = []
    for words, losses in courses.items():
        with section.attempt(f"jumps of the {words} loss"):
            found = largest_jump(losses)
            section.add({**found, "records": len(losses)}, f"{words}_loss_")
            place = places[words][found["record"]] if found["jump"] else "-"
            rows.append((words, found["jump"], found["share"], place, len(losses)))
    if rows:
        section.table(
            "Largest rise of a loss",
            ("loss", "rise", "share of its range", "to", "values compared"),
            rows,
        )


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
