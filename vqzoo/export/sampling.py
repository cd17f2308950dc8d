"""The signature that draws images: priors, then the model, in one graph."""

import tensorflow as tf

from vqzoo.export.graph import check_batch_sizes, only_if
from vqzoo.images import to_uint8

NAME = "sample"


def trace(pipeline):
    """The `sample` signature of a pipeline, a `tf.ConcreteFunction`.

    It takes `label`, int32, where -1 is any class and the only value for priors without
    classes; `temperature`, float32; and `seed`, int32; each `(batch,)`. It gives uint8
    `images`, the `label` of each and int32 codes of each tier. Equal inputs give equal
    outputs, row by row: which rows a server puts together to a batch changes none.

    Args:
        pipeline: `pipeline.Pipeline`; its priors are float32 throughout.
    """
    samplers = [prior.sampler() for prior in pipeline.priors]
    num_classes = pipeline.num_classes

    @tf.function(autograph=False)
    def sample(label, temperature, seed):
        label, temperature, seed = _check(label, temperature, seed, num_classes)
        if num_classes:
            any_label = _each_row(
                lambda key: tf.random.stateless_uniform(
                    [], key, 0, num_classes, tf.int32
                ),
                *(seed, -1, tf.int32),
            )
            label = tf.where(label < 0, any_label, label)
        codes = []
        for tier, (prior, sampler) in enumerate(zip(pipeline.priors, samplers)):
            inputs = {"temperature": temperature}
            for index, (name, spec) in enumerate(prior.random_inputs().items()):
                inputs[name] = _random(*spec, seed, 16 * tier + index)
            if prior.num_classes:
                inputs["label"] = label
            for index in range(len(prior.context)):
                inputs[f"context_{index}"] = codes[index]
            grid = [None, *prior.grid_shape]
            codes.append(tf.ensure_shape(sampler(inputs), grid))
        named = {f"{t}_codes": c for t, c in zip(pipeline.tiers, codes)}
        images = to_uint8(pipeline.model.decode(codes))
        return {"images": images, "label": label, **named}

    return sample.get_concrete_function(
        tf.TensorSpec([None], tf.int32, "label"),
        tf.TensorSpec([None], tf.float32, "temperature"),
        tf.TensorSpec([None], tf.int32, "seed"),
    )


def _check(label, temperature, seed, num_classes):
    """The inputs, or an error of what is wrong with them."""
    label, temperature, seed = (
        tf.ensure_shape(value, [None]) for value in (label, temperature, seed)
    )
    text = ["expected a batch of 1 or more labels"]
    label = only_if(tf.shape(label)[0] > 0, text, label)
    inside = tf.logical_and(label >= -1, label < num_classes)
    text = f"expected label in [-1, {num_classes}), received values from"
    lowest, highest = tf.reduce_min(label), tf.reduce_max(label)
    text = [text, lowest, "to", highest]
    label = only_if(tf.reduce_all(inside), text, label)
    text = ["expected a temperature above 0, received", tf.reduce_min(temperature)]
    temperature = only_if(tf.reduce_all(temperature > 0), text, temperature)
    return check_batch_sizes({"label": label, "temperature": temperature, "seed": seed})


def _each_row(draw, seeds, stream, dtype):
    """What `draw` makes of each row's own seed, `(batch, ...)`."""
    keys = tf.stack([seeds, tf.fill(tf.shape(seeds), stream)], axis=1)
    return tf.map_fn(draw, keys, fn_output_signature=dtype)


def _random(kind, shape, seeds, stream):
    """Random numbers `(batch, *shape)` of a kind, the same ones for the same seed."""
    draw = {
        "normal": tf.random.stateless_normal,
        "uniform": tf.random.stateless_uniform,
        "gumbel": tf.random.stateless_uniform,
    }[kind]
    numbers = _each_row(lambda key: draw(shape, key), seeds, stream, tf.float32)
    if kind != "gumbel":
        return numbers
    return -tf.math.log(-tf.math.log(tf.clip_by_value(numbers, 1e-7, 1 - 1e-7)))
