"""The signature that draws items: priors, then the model, in one graph."""

import tensorflow as tf

from vqzoo.export import wire
from vqzoo.export.graph import check_batch_sizes, only_if
from vqzoo.priors import guidance

NAME = "sample"


def trace(pipeline):
    """The `sample` signature of a pipeline, a `tf.ConcreteFunction`.

    It takes `label`, int32, where -1 is any class and the only value for priors without
    classes; `temperature`, float32; and `seed`, int32; each `(batch,)`. Where a prior
    was fitted with and without labels it takes `guidance` too, float32, of which 1 is
    none and costs one pass. It gives items as they are
    sent, such as uint8 `images`, the `label` of each and int32
    codes of each tier. Equal inputs give equal outputs, row by row: which rows a server
    puts together to a batch changes none.

    Args:
        pipeline: `pipeline.Pipeline`; its priors are float32 throughout.
    """
    if pipeline.has_values:
        raise ValueError(
            "expected priors of codes alone, received priors of hybrid latents, which "
            "`vqzoo sample` draws from"
        )
    draws = [_draw_of(prior) for prior in pipeline.priors]
    num_classes, way = pipeline.num_classes, wire.of(pipeline.model)
    shapes = [
        [side or given for side, given in zip(grid, prior.grid_shape)]
        for grid, prior in zip(way.grids(pipeline.model), pipeline.priors)
    ]
    specs = {
        "label": tf.TensorSpec([None], tf.int32, "label"),
        "temperature": tf.TensorSpec([None], tf.float32, "temperature"),
        "seed": tf.TensorSpec([None], tf.int32, "seed"),
    }
    if any(prior.label_dropout for prior in pipeline.priors):
        specs["guidance"] = tf.TensorSpec([None], tf.float32, "guidance")

    @tf.function(autograph=False)
    def sample(**received):
        received = _check(received, num_classes)
        label, temperature, seed = (
            received[name] for name in ("label", "temperature", "seed")
        )
        if num_classes:
            any_label = _each_row(
                lambda key: tf.random.stateless_uniform(
                    [], key, 0, num_classes, tf.int32
                ),
                *(seed, -1, tf.int32),
            )
            label = tf.where(label < 0, any_label, label)
        codes = []
        for tier, (prior, draw) in enumerate(zip(pipeline.priors, draws)):
            inputs = {"temperature": temperature}
            if prior.label_dropout:
                inputs["guidance"] = received["guidance"]
            for index, (name, spec) in enumerate(prior.random_inputs().items()):
                inputs[name] = _random(*spec, seed, 16 * tier + index)
            if prior.num_classes:
                inputs["label"] = label
            for index in range(len(prior.context)):
                inputs[f"context_{index}"] = codes[index]
            grid = [None, *prior.grid_shape]
            codes.append(tf.ensure_shape(draw(inputs), grid))
        items = way.send(pipeline.model.decode(codes))
        # A step of one code is an axis of priors, and none of signatures.
        codes = (tf.reshape(c, [-1, *shape]) for c, shape in zip(codes, shapes))
        named = {f"{t}_codes": c for t, c in zip(pipeline.tiers, codes)}
        return {way.items: items, "label": label, **named}

    return sample.get_concrete_function(**specs)


def _draw_of(prior):
    """A function from a sampler's inputs to codes; who does not guide pays one pass."""
    sampler = prior.sampler()
    if not prior.label_dropout:
        return sampler
    guided = prior.sampler(guidance_schedule="constant")

    def draw(inputs):
        plain = {k: v for k, v in inputs.items() if k != "guidance"}
        return tf.cond(
            tf.reduce_any(inputs["guidance"] != guidance.NO_GUIDANCE),
            lambda: guided(inputs),
            lambda: sampler(plain),
        )

    return draw


def _check(received, num_classes):
    """The inputs, or an error of what is wrong with them."""
    received = {name: tf.ensure_shape(v, [None]) for name, v in received.items()}
    label, temperature = received.pop("label"), received["temperature"]
    text = ["expected a batch of 1 or more labels"]
    label = only_if(tf.shape(label)[0] > 0, text, label)
    inside = tf.logical_and(label >= -1, label < num_classes)
    text = f"expected label in [-1, {num_classes}), received values from"
    lowest, highest = tf.reduce_min(label), tf.reduce_max(label)
    text = [text, lowest, "to", highest]
    label = only_if(tf.reduce_all(inside), text, label)
    text = ["expected a temperature above 0, received", tf.reduce_min(temperature)]
    temperature = only_if(tf.reduce_all(temperature > 0), text, temperature)
    # Labels first: errors compare the sizes of the others with theirs.
    received = {"label": label, **received, "temperature": temperature}
    if "guidance" in received:
        scale = received["guidance"]
        text = ["expected guidance of at least 0, received", tf.reduce_min(scale)]
        inside = tf.math.is_finite(scale) & (scale >= 0)
        received["guidance"] = only_if(tf.reduce_all(inside), text, scale)
    return dict(zip(received, check_batch_sizes(received)))


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
