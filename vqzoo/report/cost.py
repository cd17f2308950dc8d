"""The section on what the model costs."""

import numpy as np

from vqzoo.measures import cost, inference
from vqzoo.report.document import Skipped

TEXT = (
    "Weights, multiply-adds of an image in convolutions and matrix products, images "
    "per second on this machine, and the footprint as hours x power x carbon "
    "intensity, all three printed."
)
BATCH = 64


def fill(subject, section):
    """Weights, work, speed and footprint."""
    model = subject.model
    trainable = sum(int(np.prod(w.shape)) for w in model.trainable_weights)
    rows = [("weights", model.count_params()), ("of these trained", trainable)]
    section.add({"weights": model.count_params(), "trainable_weights": trainable})
    for name, function, images in _functions(subject):
        with section.attempt(f"multiply-adds of {name}"):
            count = cost.multiply_adds(function, (1, *images.shape[1:]))
            section.add({f"{name}_multiply_adds": count})
            rows.append((f"multiply-adds of an image, {name}", count))
        seconds = 0.2 if subject.options.get("quick") else 2.0
        graph = inference.compiled(function)
        speed = cost.images_per_second(graph, images, seconds)
        section.add({f"{name}_images_per_second": speed})
        rows.append((f"images per second, {name}, {len(images)} at once", speed))
    section.table("Weights, work and speed", ("what", "value"), rows)
    with section.attempt("footprint of the training"):
        _footprint(subject, section)


def _functions(subject):
    """Name, function and a batch of its input."""
    model = subject.model
    images = np.resize(subject.images, (BATCH, *subject.images.shape[1:]))
    yield "encoding", lambda batch: tuple(model.encode(batch)), images
    yield "encoding and decoding", lambda batch: model(batch, training=False), images


def _footprint(subject, section):
    options = subject.options
    hours = (
        options.get("training_hours")
        or sum(row.get("seconds", 0.0) for row in subject.history) / 3600
    )
    if not hours:
        raise Skipped(
            "how long the model trained is not known: no history.csv is beside it; "
            "--training_hours says it"
        )
    given = {n: options[n] for n in ("watts", "carbon_intensity") if n in options}
    found = cost.footprint(hours, **given)
    section.add(found, "training_")
    section.table(
        "Footprint of the training",
        ("what", "value"),
        [
            ("hours", found["hours"]),
            ("power, assumed (W)", found["watts"]),
            ("carbon intensity, assumed (kg of CO2 a kWh)", found["carbon_intensity"]),
            ("energy (kWh)", found["energy_kwh"]),
            ("carbon dioxide (kg)", found["co2_kg"]),
        ],
        "Hours x power x carbon intensity, as in thesis 6.2.1. Power and intensity are "
        "those of --watts and --carbon_intensity, not measured.",
    )
