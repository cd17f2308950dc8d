"""The signature that draws images: priors, then the model, in one graph."""

NAME = "sample"


def trace(drawn, to_bytes, only_if):
    """The `sample` signature of a pipeline, a `tf.ConcreteFunction`.

    It takes `label`, int32 `(batch,)`, where -1 is any class and the only value for
    priors without classes; `temperature`, float32 `()`; and `seed`, int32 `()`. It
    gives uint8 `images`, the `label` of each and int32 codes of each tier. Equal inputs
    give equal outputs.

    Args:
        drawn: `pipeline.Pipeline`, float32 throughout.
        to_bytes: function from float images to uint8.
        only_if: function `(condition, text, tensor)` to the tensor, or an error.
    """
    import tensorflow as tf

    samplers = [prior.sampler() for prior in drawn.priors]
    num_classes = drawn.num_classes

    @tf.function(autograph=False)
    def sample(label, temperature, seed):
        batch = tf.shape(label)[0]
        label = only_if(batch > 0, ["expected a batch of 1 or more labels"], label)
        inside = tf.logical_and(label >= -1, label < num_classes)
        text = f"expected label in [-1, {num_classes}), received values up to"
        highest = tf.reduce_max(label)
        label = only_if(tf.reduce_all(inside), [text, highest], label)
        text = ["expected a temperature above 0, received", temperature]
        temperature = only_if(temperature > 0, text, temperature)
        if num_classes:
            drawn_label = tf.random.stateless_uniform(
                [batch], [seed, -1], 0, num_classes, tf.int32
            )
            label = tf.where(label < 0, drawn_label, label)
        codes = []
        for tier, (prior, sampler) in enumerate(zip(drawn.priors, samplers)):
            inputs = {"temperature": tf.fill([batch], temperature)}
            for index, (name, spec) in enumerate(prior.random_inputs.items()):
                inputs[name] = _random(*spec, batch, [seed, 16 * tier + index])
            if prior.num_classes:
                inputs["label"] = label
            for index in range(len(prior.context)):
                inputs[f"context_{index}"] = codes[index]
            found = sampler(inputs)
            codes.append(tf.ensure_shape(found, [None, *prior.grid_shape]))
        named = {f"{t}_codes": c for t, c in zip(drawn.tiers, codes)}
        images = to_bytes(drawn.model.decode(codes))
        return {"images": images, "label": label, **named}

    return sample.get_concrete_function(
        tf.TensorSpec([None], tf.int32, "label"),
        tf.TensorSpec([], tf.float32, "temperature"),
        tf.TensorSpec([], tf.int32, "seed"),
    )


def _random(kind, shape, batch, seed):
    """Random numbers `(batch, *shape)` of a kind, the same ones for the same seed."""
    import tensorflow as tf

    shape = tf.concat([[batch], shape], axis=0)
    if kind == "normal":
        return tf.random.stateless_normal(shape, seed)
    uniform = tf.random.stateless_uniform(shape, seed)
    if kind == "uniform":
        return uniform
    return -tf.math.log(-tf.math.log(tf.clip_by_value(uniform, 1e-7, 1 - 1e-7)))
