"""What priors are conditioned on: a class and the codes of the tiers above."""

import keras
import numpy as np
from keras import ops

from vqzoo.arguments import (
    argument_names,
    check_at_least,
    check_codes,
    plain,
)
from vqzoo.priors.condition_features import Conditions


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
    prior.context = tuple((tuple(shape), *sizes) for shape, *sizes in context)
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


def sizes(tier_shapes, num_embeddings, tier, num_classes, num_values=()):
    """What the prior of a tier is made for, by the names of its arguments.

    Args:
        tier_shapes: dict of grid shapes by tier, top first.
        num_embeddings: dict of numbers of codes by tier.
        tier: str.
        num_classes: int, 0 for none.
        num_values: dict of real numbers beside each code, by tiers that have some.
    """
    values = dict(num_values)
    known = {
        name: (shape, num_embeddings[name], *([values[name]] if name in values else []))
        for name, shape in tier_shapes.items()
    }
    names = list(known)
    grid_shape, size, *beside = known[tier]
    return {
        "grid_shape": grid_shape,
        "num_embeddings": size,
        "num_classes": num_classes,
        "context": [known[above] for above in names[: names.index(tier)]],
        **({"num_values": beside[0]} if beside else {}),
    }


def inputs(prior):
    """The symbolic inputs of a prior's condition, by name.

    Args:
        prior: with what `adopt` keeps.

    Returns:
        dict: `label` if there are classes, and `context_0`, `context_1`, ...
    """
    shapes = {"label": ()} if prior.num_classes else {}
    shapes |= {
        f"context_{i}": (*shape, *(1 + count for count in values))
        for i, (shape, _, *values) in enumerate(prior.context)
    }
    return {
        name: keras.Input(
            shape, dtype="float32" if len(shape) > 2 else "int32", name=name
        )
        for name, shape in shapes.items()
    }


def input_sizes(prior):
    """How many values each input of a prior's condition can have, by its name."""
    sizes = {"label": prior.num_classes + bool(prior.label_dropout)}
    return sizes | {
        f"context_{i}": size
        for i, (_, size, *values) in enumerate(prior.context)
        if not values
    }


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
    for shape, *_ in context:
        if any(side % above for side, above in zip(grid_shape, shape)):
            raise ValueError(
                f"expected the grids above to divide the grid {tuple(grid_shape)}, "
                f"received context={context}"
            )


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
    """The condition of each position of a row, in the shape and dtype of `like`.

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
    for index, (grids, sizes) in enumerate(zip(context, prior.context)):
        inputs_by_name[f"context_{index}"] = grids_array(
            f"context {index}", grids, batch_size, *sizes
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


def grids_array(name, grids, batch_size, shape, num_embeddings, num_values=0):
    """Codes, or those with real numbers beside them in one array, checked.

    Args:
        name: str, of what they are.
        grids: int `(batch, h, w)`, or float `(batch, h, w, 1 + V)`.
        batch_size: int.
        shape: `(h, w)`.
        num_embeddings: int, K.
        num_values: int, V.
    """
    shape = (batch_size, *shape)
    if not num_values:
        return codes_array(name, grids, shape, num_embeddings)
    grids = np.asarray(grids, "float32")
    if grids.shape != (*shape, 1 + num_values):
        raise ValueError(
            f"expected {name} of shape {(*shape, 1 + num_values)}, codes with "
            f"{num_values} numbers beside each, received shape={grids.shape}"
        )
    codes_array(name, grids[..., 0].round().astype("int32"), shape, num_embeddings)
    return grids


def _integers(name, values, size, least=0):
    return ops.convert_to_numpy(check_codes(values, size, name=name, least=least))
