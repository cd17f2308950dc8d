"""A model as a SavedModel: images, vectors or sequences, and codes, in and out."""

import numpy as np
import tensorflow as tf

from vqzoo.export import image_files, sampling, wire
from vqzoo.export.graph import check_batch_sizes, check_not_empty, only_if


def save(model, path, pipeline=None):
    """Writes a model as a SavedModel with its signatures.

    `serving_default` (images -> reconstructions), `encode` (images -> codes of each
    tier) and `decode` (codes of each tier -> images), for any batch size. Images are
    uint8, codes int32. An input of another shape or dtype, or a code that the codebook
    does not have, is an error. With priors there is also `sample` (classes,
    temperatures and seeds -> images and their codes). Each has a twin in which the
    bytes of JPEG and PNG files stand for images (`image_files.trace`). Only the
    variables that the signatures read are saved: neither the averages behind a codebook
    nor seeds nor the state of an optimizer.

    Args:
        model: a model of vqzoo.models, as `cloning.clone` gives it.
        path: `pathlib.Path` of the folder to write.
        pipeline: `pipeline.Pipeline` of the model and its float32 priors, or None.

    Returns:
        `(signatures, weights)`: a JSON dict with the dtype and the shape of every input
        and output, and the number of saved weights.
    """
    functions = trace(model)
    if pipeline is not None:
        functions[sampling.NAME] = sampling.trace(pipeline)
    if wire.of(model).has_files:
        functions |= image_files.trace(functions, model.image_shape)
    read = {id(v): v for f in functions.values() for v in f.variables}
    module = tf.Module()
    module.weights = list(read.values())
    tf.saved_model.save(module, str(path), signatures=functions)
    weights = sum(int(np.prod(v.shape)) for v in module.weights)
    codes = list(functions["encode"].structured_outputs)
    return {name: _describe(f, codes) for name, f in functions.items()}, weights


def trace(model):
    """The signatures of a model, `{name: tf.ConcreteFunction}`."""
    way = wire.of(model)
    items = tf.TensorSpec([None, *model.item_shape], way.dtype, way.items)
    codes = {
        f"{tier}_codes": tf.TensorSpec([None, *grid], tf.int32, f"{tier}_codes")
        for tier, grid in zip(model.tier_names, way.grids(model))
    }
    sizes = [layer.num_embeddings for layer in model.quantizers]

    @tf.function(autograph=False)
    def encode(**received):
        return dict(zip(codes, model.encode(_checked_items(received, items, way))))

    @tf.function(autograph=False)
    def decode(**received):
        received = {
            name: _check_codes(name, received[name], spec.shape[1:], size)
            for (name, spec), size in zip(codes.items(), sizes)
        }
        return {way.items: way.send(model.decode(check_batch_sizes(received)))}

    @tf.function(autograph=False)
    def reconstruct(**received):
        rebuilt = model.reconstruct(_checked_items(received, items, way))
        return {"reconstructions": way.send(rebuilt)}

    return {
        "serving_default": reconstruct.get_concrete_function(**{way.items: items}),
        "encode": encode.get_concrete_function(**{way.items: items}),
        "decode": decode.get_concrete_function(**codes),
    }


def _checked_items(received, spec, way):
    """Items as the model takes them, of a dict of them alone.

    A server feeds what it is sent, whatever shape the signature names, and these are
    convolutions, which take any; so the shape is checked as the graph runs.
    """
    items = tf.ensure_shape(received[way.items], spec.shape)
    return way.receive(check_not_empty(way.items, items))


def _check_codes(name, codes, grid, num_embeddings):
    codes = tf.ensure_shape(codes, [None, *grid])
    codes = check_not_empty(name, codes)
    inside = tf.logical_and(codes >= 0, codes < num_embeddings)
    lowest, highest = tf.reduce_min(codes), tf.reduce_max(codes)
    text = f"expected {name} in [0, {num_embeddings}), received values from"
    return only_if(tf.reduce_all(inside), [text, lowest, "to", highest], codes)


def _describe(function, codes):
    """Inputs and outputs by name; those of codes in the order of `codes`."""
    inputs = image_files.input_specs(function)
    names = [name for name in codes if name in inputs] or list(inputs)
    outputs = function.structured_outputs
    return {
        "inputs": {name: _spec(inputs[name]) for name in names},
        "outputs": {name: _spec(spec) for name, spec in outputs.items()},
    }


def _spec(spec):
    return {"dtype": spec.dtype.name, "shape": spec.shape.as_list()}
