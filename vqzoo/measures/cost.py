"""What a model costs: weights, multiply-adds, time, energy and carbon dioxide."""

import math
import time

import numpy as np

from vqzoo import registry
from vqzoo.measures.findings import Skipped

arguments = registry.lazily("vqzoo.arguments")
keras = registry.lazily("keras")
inference = registry.lazily("vqzoo.measures.inference")

ORDER = 16
TITLE = "Cost"
TEXT = (
    "Weights, multiply-adds per image in convolutions and matrix products, "
    "images per second on this machine, and the carbon footprint of the "
    "training: hours x power x carbon intensity."
)
GLANCE = {"weights": "weights"}
BATCH = 64
WATTS = 100.0  # a small machine with two busy cores
CARBON_INTENSITY = 0.432  # kg of CO2 a kWh: the European average in thesis 6.2.1
_WITH_KERNEL = ("Conv2D", "DepthwiseConv2dNative")
_PRODUCTS = ("MatMul", "BatchMatMulV2")


def multiply_adds(function, input_shape, dtype="float32"):
    """Multiplications with an addition in the convolutions and matrix products.

    Args:
        function: from a tensor to tensors.
        input_shape: shape of the tensor, with its batch.
        dtype: str, of the tensor.

    Returns:
        int, for the whole batch. Sums, activations and look-ups do not count.

    Raises:
        ValueError: on another backend than TensorFlow, whose graph is counted, or if a
            product runs within a loop, where it would be counted once.
    """
    if keras.backend.backend() != "tensorflow":
        raise ValueError(
            "expected KERAS_BACKEND=tensorflow, whose graph is counted, received "
            f"{keras.backend.backend()}"
        )
    import tensorflow as tf

    spec = tf.TensorSpec(input_shape, dtype)
    return graph_multiply_adds(tf.function(function).get_concrete_function(spec).graph)


def graph_multiply_adds(graph):
    """As `multiply_adds`, of the graph of a function, such as of a training step.

    Args:
        graph: of a concrete `tf.function`, whose shapes are known. What neither its
            outputs nor its effects need does not count, as it does not run.

    Raises:
        ValueError: if it has a loop.
    """
    needed, ahead = set(), [output.op for output in graph.outputs]
    ahead += graph.control_outputs
    while ahead:
        op = ahead.pop()
        if op not in needed:
            needed.add(op)
            ahead += [*(tensor.op for tensor in op.inputs), *op.control_inputs]
    loops = [op.name for op in needed if "While" in op.type]
    if loops:
        raise ValueError(f"expected a graph without loops, received {loops[0]}")
    return sum(map(_operation_multiply_adds, needed))


def _operation_multiply_adds(op):
    """Multiply-adds of an operation of TensorFlow's graph."""
    if op.type in _WITH_KERNEL:
        kernel, output = op.inputs[1].shape, op.outputs[0].shape
        per_place = math.prod(kernel) if op.type == "Conv2D" else math.prod(kernel[:2])
        places = output[:3] if op.type == "Conv2D" else output
        return per_place * math.prod(places)
    if op.type == "Conv2DBackpropInput":  # a transposed convolution
        return math.prod(op.inputs[1].shape) * math.prod(op.inputs[2].shape[:3])
    if op.type == "Conv2DBackpropFilter":
        return math.prod(op.outputs[0].shape) * math.prod(op.inputs[2].shape[:3])
    if op.type in _PRODUCTS:
        name = "transpose_a" if op.type == "MatMul" else "adj_x"
        inner = op.inputs[0].shape[-2 if op.get_attr(name) else -1]
        return math.prod(op.outputs[0].shape) * inner
    return 0


def images_per_second(function, images, seconds=2.0):
    """How many images a function works through in a second, once it is warm.

    Args:
        function: from images to anything.
        images: float `(B, H, W, C)`, one batch.
        seconds: float, for how long it runs; twice at least.

    Returns:
        float: the batch over the median time of a call.
    """
    _finish(function(images))
    times, began = [], time.perf_counter()
    while len(times) < 2 or time.perf_counter() - began < seconds:
        start = time.perf_counter()
        _finish(function(images))
        times.append(time.perf_counter() - start)
    return len(images) / sorted(times)[len(times) // 2]


def _finish(outputs):
    """Waits until outputs are there: a device may still compute them."""
    for output in keras.tree.flatten(outputs):
        keras.ops.convert_to_numpy(output)


def footprint(hours, watts=WATTS, carbon_intensity=CARBON_INTENSITY):
    """Energy and carbon dioxide of a computation: hours x power x carbon intensity.

    Args:
        hours: float, 0 or more.
        watts: float above 0, mean power of the machine.
        carbon_intensity: float, 0 or more, kg of CO2 equivalents per kWh.

    Returns:
        dict: `hours`, `watts`, `carbon_intensity`, `energy_kwh` and `co2_kg`.

    Raises:
        ValueError: if a number is out of its range.

    Source: Coppock's thesis, section 6.2.1; Lacoste et al. 2019, arXiv 1910.09700.
    """
    arguments.check_not_negative(hours=hours, carbon_intensity=carbon_intensity)
    arguments.check_positive(watts=watts)
    energy = hours * watts / 1000
    return {
        "hours": float(hours),
        "watts": float(watts),
        "carbon_intensity": float(carbon_intensity),
        "energy_kwh": energy,
        "co2_kg": energy * carbon_intensity,
    }


@registry.named("cost")
def measure(subject, section):
    """Weights, work, speed and footprint."""
    model = subject.model
    trainable = sum(int(np.prod(w.shape)) for w in model.trainable_weights)
    rows = [("weights", model.count_params()), ("of these trained", trainable)]
    section.add({"weights": model.count_params(), "trainable_weights": trainable})
    images = np.resize(subject.images, (BATCH, *subject.images.shape[1:]))
    seconds = 0.2 if subject.options.get("quick") else 2.0
    for name, function in {
        "encoding": lambda batch: tuple(model.encode(batch)),
        "encoding and decoding": lambda batch: model(batch, training=False),
    }.items():
        with section.attempt(f"multiply-adds of {name}"):
            count = multiply_adds(function, (1, *images.shape[1:]))
            section.add({f"{name}_multiply_adds": count})
            rows.append((f"multiply-adds of an image, {name}", count))
        speed = images_per_second(inference.compiled(function), images, seconds)
        section.add({f"{name}_images_per_second": speed})
        rows.append((f"images per second, {name}, {BATCH} at once", speed))
    section.table("Weights, work and speed", ("what", "value"), rows)
    with section.attempt("footprint of the training"):
        _training_footprint(subject, section)


def _training_footprint(subject, section):
    options = subject.options
    hours = (
        options.get("training_hours")
        or sum(row.get("seconds", 0.0) for row in subject.history) / 3600
    )
    if not hours:
        raise Skipped(
            "the time of the training is not known, because there is no history.csv "
            "beside the model: give it with --training_hours"
        )
    given = {n: options[n] for n in ("watts", "carbon_intensity") if n in options}
    numbers = footprint(hours, **given)
    section.add(numbers, "training_")
    words = (
        "hours",
        "power, assumed (W)",
        "carbon intensity, assumed (kg of CO2 per kWh)",
        "energy (kWh)",
        "carbon dioxide (kg)",
    )
    section.table(
        "Footprint of the training",
        ("what", "value"),
        list(zip(words, numbers.values())),
        "Hours x power x carbon intensity, as in section 6.2.1 of the thesis. Power "
        "and intensity are the values of --watts and --carbon_intensity; they are "
        "not measured.",
    )
