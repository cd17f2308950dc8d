"""What priors are conditioned on: a class and the codes of the tiers above."""

import keras
import numpy as np
from keras import ops

from vqzoo.arguments import (
    Seeded,
    argument_names,
    check_at_least,
    check_codes,
    plain,
)
from vqzoo.layers import ResidualStack


def adopt(prior, arguments):
    """Keeps the arguments of a constructor as attributes, those of all priors checked.

    Args:
        prior: the prior, before it is built.
        arguments: dict, the constructor's `locals()` at its first line.

    Raises:
        ValueError: for sizes that no prior can have.
    """
    common = dict(arguments["kwargs"])
    prior._begin(common.pop("name", None))
    for name in argument_names(type(prior)):
        setattr(prior, name, plain(arguments[name]))
    _adopt_common(prior, **common)


def _adopt_common(prior, *, num_classes=0, context=(), label_dropout=0.0, dtype=None):
    _check_arguments(prior.grid_shape, prior.num_embeddings, num_classes, context)
    if not 0 <= label_dropout < 1 or label_dropout and not num_classes:
        raise ValueError(
            "expected label_dropout in [0, 1), and 0 without classes, received "
            f"{label_dropout=}, {num_classes=}"
        )
    prior.grid_shape = tuple(prior.grid_shape)
    prior.num_classes = num_classes
    prior.context = tuple((tuple(shape), size) for shape, size in context)
    prior.label_dropout = label_dropout
    prior.layer_dtype = keras.dtype_policies.get(dtype)


def config(prior):
    """What `adopt` was given, for a config."""
    # Named only where it is set: files without it stay the files that they were.
    dropout = {"label_dropout": prior.label_dropout} if prior.label_dropout else {}
    return {
        **dropout,
        **{name: getattr(prior, name) for name in argument_names(type(prior))},
        "num_classes": prior.num_classes,
        "context": prior.context,
        "dtype": keras.dtype_policies.serialize(prior.layer_dtype),
        "name": prior.name,
    }


def sizes(tier_shapes, num_embeddings, tier, num_classes):
    """What the prior of a tier is made for, by the names of its arguments.

    Args:
        tier_shapes: dict of grid shapes by tier, top first.
        num_embeddings: dict of numbers of codes by tier.
        tier: str.
        num_classes: int, 0 for none.
    """
    pairs = {name: (shape, num_embeddings[name]) for name, shape in tier_shapes.items()}
    names = list(pairs)
    return {
        "grid_shape": pairs[tier][0],
        "num_embeddings": pairs[tier][1],
        "num_classes": num_classes,
        "context": [pairs[above] for above in names[: names.index(tier)]],
    }


def inputs(prior):
    """The symbolic inputs of a prior's condition, by name.

    Args:
        prior: with what `adopt` keeps.

    Returns:
        dict: `label` if there are classes, and `context_0`, `context_1`, ...
    """
    shapes = {"label": ()} if prior.num_classes else {}
    shapes |= {f"context_{i}": shape for i, (shape, _) in enumerate(prior.context)}
    return {
        name: keras.Input(shape, dtype="int32", name=name)
        for name, shape in shapes.items()
    }


def input_sizes(prior):
    """How many values each input of a prior's condition can have, by its name."""
    sizes = {"label": prior.num_classes + bool(prior.label_dropout)}
    return sizes | {f"context_{i}": size for i, (_, size) in enumerate(prior.context)}


def packed(arrays):
    """What a prior is called with: a dict or, with nothing beside it, its one array."""
    return arrays if len(arrays) > 1 else next(iter(arrays.values()))


def _check_arguments(grid_shape, num_embeddings, num_classes, context):
    """Raises ValueError for sizes that no prior can have."""
    if len(grid_shape) != 2 or min(grid_shape) < 1:
        raise ValueError(
            "expected grid_shape to be a height and a width of at least 1, received "
            f"grid_shape={grid_shape}"
        )
    check_at_least(1, num_embeddings=num_embeddings)
    check_at_least(0, num_classes=num_classes)
    for shape, _ in context:
        if any(side % above for side, above in zip(grid_shape, shape)):
            raise ValueError(
                f"expected the grids above to divide the grid {tuple(grid_shape)}, "
                f"received context={context}"
            )


class Conditions(Seeded, keras.layers.Layer):
    """Features of a class and of the codes above, for each place of a grid.

    Args:
        grid_shape: `(height, width)` of the grid.
        num_classes: int.
        context: sequence of `(grid shape, number of codes)` of the tiers above.
        channels: int, of the features.
        num_blocks: int, residual blocks over the codes above.
        label_dropout: float, share of the labels that are replaced while training by
            the null class, `num_classes`; 0: there is none.
    """

    def __init__(
        self,
        grid_shape,
        num_classes,
        context,
        channels,
        num_blocks,
        label_dropout=0.0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.num_classes = num_classes
        self.label_dropout = label_dropout
        if label_dropout:
            self.seed_generator = keras.random.SeedGenerator()
        self.grid_shape = tuple(grid_shape)
        self.context = context
        dtype = self.dtype_policy
        # The names of these attributes are paths in saved files.
        self.of_label = None
        if num_classes:
            self.of_label = keras.layers.Embedding(
                num_classes + bool(label_dropout),
                channels,
                name="label",
                dtype=dtype,
            )
        self.of_codes = [
            keras.layers.Embedding(size, channels, name=f"context_{i}", dtype=dtype)
            for i, (_, size) in enumerate(context)
        ]
        self.blocks = None
        if context:
            self.blocks = ResidualStack(
                num_blocks, channels, name="blocks", dtype=dtype
            )
        self.channels = channels

    def build(self, input_shape):
        for layer in (self.of_label, *self.of_codes):
            if layer is not None:
                layer.build()
        if self.blocks is not None:
            self.blocks.build((None, *self.grid_shape, self.channels))

    def call(self, inputs, training=False):
        """Float `(batch, height or 1, width or 1, channels)`; None without any."""
        features = None
        for index, embed in enumerate(self.of_codes):
            maps = embed(inputs[f"context_{index}"])
            for axis, side in enumerate(self.grid_shape, start=1):
                maps = ops.repeat(maps, side // maps.shape[axis], axis=axis)
            features = maps if features is None else features + maps
        if features is not None:
            features = self.blocks(features)
        if self.of_label is not None:
            label = inputs["label"]
            if training and self.trainable and self.label_dropout:
                draws = keras.random.uniform(ops.shape(label), seed=self.seed_generator)
                label = ops.where(draws < self.label_dropout, self.num_classes, label)
            label = self.of_label(label)[:, None, None]
            features = label if features is None else features + label
        return features


def layer(prior, channels, num_blocks):
    """The layer for what a prior is conditioned on, or None if it is on nothing."""
    if not prior.num_classes and not prior.context:
        return None
    return Conditions(
        prior.grid_shape,
        prior.num_classes,
        prior.context,
        channels,
        num_blocks,
        prior.label_dropout,
        dtype=prior.layer_dtype,
        name="conditions",
    )


def row_condition(condition, like):
    """The condition of a row at each of its places, in the shape and dtype of `like`.

    Without a condition that is `like` itself.
    """
    if condition is None:
        return like
    return ops.cast(ops.broadcast_to(condition, ops.shape(like)), like.dtype)


def features(layer, inputs):
    """What `layer` makes of a prior's inputs; None where there is no layer."""
    return None if layer is None else layer(inputs)


def arrays(prior, batch_size, condition):
    """The condition as the arrays that a prior's inputs take, checked.

    Args:
        prior: a prior with `num_classes` and `context`.
        batch_size: int.
        condition: dict with `label`, int or ints `(batch,)`, and `context`, a sequence
            of int arrays, top first; or None.

    Returns:
        dict of int32 numpy arrays.

    Raises:
        ValueError: if the prior was not trained with such a condition, one is missing,
            or a value is out of its range.
    """
    condition = dict(condition or {})
    inputs_by_name = {}
    label = condition.pop("label", None)
    if label is None and prior.label_dropout:
        label = prior.num_classes  # the null class
    context = condition.pop("context", ())
    if condition:
        raise ValueError(
            "expected a condition of label and context, received "
            f"{', '.join(sorted(condition))} too"
        )
    if (label is not None) != bool(prior.num_classes):
        raise ValueError(
            f"expected {'a' if prior.num_classes else 'no'} label for a prior of "
            f"{prior.num_classes} classes, received label={label}"
        )
    if label is not None:
        label = _integers("label", label, input_sizes(prior)["label"])
        inputs_by_name["label"] = np.broadcast_to(label, (batch_size,))
    if len(context) != len(prior.context):
        raise ValueError(
            f"expected the codes of {len(prior.context)} tiers above as context, "
            f"received {len(context)}"
        )
    for index, (codes, (shape, size)) in enumerate(zip(context, prior.context)):
        inputs_by_name[f"context_{index}"] = codes_array(
            f"context {index}", codes, (batch_size, *shape), size
        )
    return inputs_by_name


def codes_array(name, codes, shape, num_embeddings, least=0):
    """Codes as an int32 array; ValueError unless of that shape and in the codebook."""
    codes = _integers(name, codes, num_embeddings, least)
    if codes.shape != tuple(shape):
        raise ValueError(
            f"expected {name} of shape {tuple(shape)}, received shape={codes.shape}"
        )
    return codes


def _integers(name, values, size, least=0):
    return ops.convert_to_numpy(check_codes(values, size, name=name, least=least))
