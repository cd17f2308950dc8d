"""A model as a SavedModel: uint8 images and int32 codes, in and out."""

import numpy as np

from vqzoo.export import image_files, sampling
from vqzoo.models import tiers


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
    import tensorflow as tf

    functions = trace(model)
    if pipeline is not None:
        functions[sampling.NAME] = sampling.trace(pipeline, _to_bytes, _only_if)
    functions |= image_files.trace(functions, model.image_shape, _only_if)
    read = {id(v): v for f in functions.values() for v in f.variables}
    module = tf.Module()
    module.weights = list(read.values())
    tf.saved_model.save(module, str(path), signatures=functions)
    weights = sum(int(np.prod(v.shape)) for v in module.weights)
    codes = list(functions["encode"].structured_outputs)
    return {name: _describe(f, codes) for name, f in functions.items()}, weights


def trace(model):
    """The signatures of a model, `{name: tf.ConcreteFunction}`."""
    import tensorflow as tf

    images = tf.TensorSpec([None, *model.image_shape], tf.uint8, "images")
    codes = {
        f"{tier}_codes": tf.TensorSpec([None, *grid], tf.int32, f"{tier}_codes")
        for tier, grid in zip(model.tier_names, tiers.grid_shapes(model))
    }
    sizes = [layer.num_embeddings for layer in model.quantizers]

    @tf.function(autograph=False)
    def encode(images):
        return dict(zip(codes, model.encode(_to_floats(images, model.image_shape))))

    @tf.function(autograph=False)
    def decode(**received):
        received = [
            _check_codes(name, received[name], spec.shape[1:], size)
            for (name, spec), size in zip(codes.items(), sizes)
        ]
        received = _check_batch_sizes(list(codes), received)
        return {"images": _to_bytes(model.decode(received))}

    @tf.function(autograph=False)
    def reconstruct(images):
        rebuilt = rebuild(model, _to_floats(images, model.image_shape))
        return {"reconstructions": _to_bytes(rebuilt)}

    return {
        "serving_default": reconstruct.get_concrete_function(images),
        "encode": encode.get_concrete_function(images),
        "decode": decode.get_concrete_function(**codes),
    }


def is_hybrid(model):
    """Whether what a model makes of images is no function of their codes."""
    return any(layer.is_hybrid for layer in model.quantizers)


def rebuild(model, images):
    """Float images as a model rebuilds them: by their codes, unless it is hybrid."""
    return model(images) if is_hybrid(model) else model.decode(model.encode(images))


def _to_floats(images, image_shape):
    """Images uint8 as float32 in [-0.5, 0.5].

    A server feeds what it is sent, whatever shape the signature names, and these are
    convolutions, which take any; so the shape is checked as the graph runs.
    """
    import tensorflow as tf

    images = tf.ensure_shape(images, [None, *image_shape])
    images = _check_not_empty("images", images)
    return tf.cast(images, tf.float32) * (1.0 / 255.0) - 0.5


def _to_bytes(images):
    """Images float32 as uint8: to the nearest of the 256 levels, within them."""
    import tensorflow as tf

    levels = tf.round((images + 0.5) * 255.0)
    return tf.cast(tf.clip_by_value(levels, 0.0, 255.0), tf.uint8)


def _check_codes(name, codes, grid, num_embeddings):
    import tensorflow as tf

    codes = tf.ensure_shape(codes, [None, *grid])
    codes = _check_not_empty(name, codes)
    inside = tf.logical_and(codes >= 0, codes < num_embeddings)
    lowest, highest = tf.reduce_min(codes), tf.reduce_max(codes)
    text = f"expected {name} in [0, {num_embeddings}), received values from"
    return _only_if(tf.reduce_all(inside), [text, lowest, "to", highest], codes)


def _check_not_empty(name, tensor):
    import tensorflow as tf

    # TensorFlow's convolutions fail on an empty batch, with a word about depths.
    text = f"expected a batch of 1 or more {name}, received a batch of 0"
    return _only_if(tf.shape(tensor)[0] > 0, [text], tensor)


def _check_batch_sizes(names, codes):
    import tensorflow as tf

    first = tf.shape(codes[0])[0]
    checked = codes[:1]
    for name, tier_codes in zip(names[1:], codes[1:]):
        size = tf.shape(tier_codes)[0]
        text = [f"expected as many {name} as {names[0]}, received", size, "and", first]
        checked.append(_only_if(tf.equal(size, first), text, tier_codes))
    return checked


def _only_if(condition, text, tensor):
    """`tensor` itself, or where it runs an error of `text` unless `condition`."""
    import tensorflow as tf

    with tf.control_dependencies([tf.debugging.Assert(condition, text)]):
        return tf.identity(tensor)


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
