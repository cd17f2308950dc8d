"""Exact likelihoods of code grids, and sampling in raster order with caches."""

import math

import keras
import numpy as np
from keras import ops

from vqzoo.arguments import check_positive, is_int, is_number
from vqzoo.ops import put_at
from vqzoo.priors import conditions, guidance


def log_probs_of(prior, inputs, codes, arrays, batch_size=128):
    """Log probabilities of codes under the logits that a prior gives for inputs.

    Args:
        prior: a prior over code grids.
        inputs: int32 `(batch, height, width)`, the codes that the prior is shown.
        codes: int32 `(batch, height, width)`, those whose probabilities are taken.
        arrays: dict of the condition's arrays, as from `conditions.arrays`.
        batch_size: int, grids at once.

    Returns:
        Float32 numpy `(batch, height, width)`, in nats.
    """
    arrays = {"codes": inputs, **arrays}
    parts = []
    for batch in batches({**arrays, "targets": codes}, batch_size):
        chosen = batch.pop("targets")[..., None]
        logits = ops.cast(prior.predict_on_batch(conditions.packed(batch)), "float32")
        log_p = ops.convert_to_numpy(ops.log_softmax(logits, axis=-1))
        parts.append(np.take_along_axis(log_p, chosen, axis=-1)[..., 0])
    return np.concatenate(parts)


def batches(arrays, batch_size):
    """A dict of arrays, so many rows at a time."""
    for start in range(0, len(next(iter(arrays.values()))), batch_size):
        yield {k: v[start : start + batch_size] for k, v in arrays.items()}


def random_numbers(generator, kind, shape):
    """Float32 numbers of a kind, `"uniform"`, `"normal"` or `"gumbel"`."""
    if kind == "normal":
        return generator.normal(size=shape).astype("float32")
    uniform = generator.random(shape, "float32")
    if kind == "uniform":
        return uniform
    return -np.log(-np.log(np.clip(uniform, 1e-7, 1 - 1e-7)))


def checked_batch(prior, shape):
    """The number of grids that a shape means.

    Raises:
        ValueError: if it is none, or not of the prior's grids.
    """
    batch, *grid = (shape,) if np.ndim(shape) == 0 else shape
    if np.ndim(shape) and tuple(grid) != prior.grid_shape:
        raise ValueError(
            f"expected grids of {prior.grid_shape}, received shape={tuple(shape)}"
        )
    if not is_int(batch) or batch < 1:
        raise ValueError(f"expected at least one grid, received shape={shape}")
    return int(batch)


def check_choice(prior, temperature, top_k, top_p):
    """Raises ValueError for a way to choose from logits that is out of its range."""
    check_positive(temperature=temperature)
    largest = prior.num_embeddings
    if top_k is not None and not (is_int(top_k) and 1 <= top_k <= largest):
        raise ValueError(
            f"expected an int top_k in [1, {largest}], received top_k={top_k}"
        )
    if top_p is not None and not (is_number(top_p) and 0 < top_p <= 1):
        raise ValueError(f"expected top_p in (0, 1], received top_p={top_p}")


def sampler_of(prior, make, *settings):
    """The compiled sampler of a prior with some settings, made once."""
    # Set past Keras, which would take a sampler for a layer of the prior and save it.
    samplers = prior.__dict__.setdefault("_samplers", {})
    key = (make, *settings)  # True and 1, of two kinds of samplers, are equal
    if key not in samplers:
        samplers[key] = make(prior, *settings)
    return samplers[key]


class Sampler(keras.Model):
    """Draws grids of codes from given random numbers: what `predict` compiles."""

    def __init__(self, prior, top_k, top_p, guidance_schedule, cached):
        super().__init__(name=f"{prior.name}_sampler", dtype="float32")
        self.prior = prior
        self.top_k, self.top_p = top_k, top_p
        self.guide = guidance.of(prior, guidance_schedule)
        self.run = in_order if cached else _whole

    def call(self, inputs):
        inputs = self.guide.both(inputs)
        random = {name: inputs.pop(name) for name in self.prior.random_inputs()}
        heat = inputs.pop("temperature")[:, None]
        scale = inputs.pop("guidance", None)
        last = max(math.prod(self.prior.grid_shape) - 1, 1)

        def draw(outputs, place):
            def draw_code(logits, uniform):
                share = ops.cast(place, "float32") / last
                logits = ops.cast(logits, "float32")
                logits = self.guide.guided(logits, scale, share) / heat
                return choose(keep(logits, self.top_k, self.top_p), uniform)

            here = {name: ops.take(a, place, axis=1) for name, a in random.items()}
            return self.guide.equal(self.prior.draw(outputs, here, heat, draw_code))

        drawn = self.run(self.prior, draw, inputs, ops.shape(heat)[0])
        return self.guide.one(drawn)


def _whole(prior, draw, inputs, batch):
    """Fills grids as `in_order` does; each position computes the whole network."""

    def fill(place, drawn):
        outputs = prior.outputs_of(_as_grids(prior, drawn), inputs)
        outputs = ops.reshape(outputs, (batch, -1, outputs.shape[-1]))
        return _put(drawn, draw(ops.take(outputs, place, axis=1), place), place)

    places = math.prod(prior.grid_shape)
    return _as_grids(prior, ops.fori_loop(0, places, fill, prior.blank(batch)))


def in_order(prior, draw, inputs, batch):
    """Fills grids position by position; each position computes only what is new.

    Args:
        prior: an autoregressive prior.
        draw: function from logits `(batch, K)` and a position, an int tensor in raster
            order, to int32 codes `(batch,)`.
        inputs: dict of the condition's tensors.
        batch: int or int tensor, number of grids.

    Returns:
        int32 tensor `(batch, height, width)`.
    """
    height, width = prior.grid_shape
    condition = conditions.features(prior.conditions, inputs)

    def fill_row(row, carried):
        drawn, state = carried
        state = prior.begin_row(state, _row_of(condition, row))

        def fill(column, carried):
            drawn, state = carried
            logits, state = prior.logits_at(state, column)
            here = draw(logits, row * width + column)
            state = prior.put(state, here, column)
            return _put(drawn, here, row * width + column), state

        drawn, state = ops.fori_loop(0, width, fill, (drawn, state))
        return drawn, prior.end_row(state)

    carried = (prior.blank(batch), prior.start(batch))
    return _as_grids(prior, ops.fori_loop(0, height, fill_row, carried)[0])


def _put(drawn, here, place):
    """What is drawn, with that of a position: arrays `(batch, positions, ...)`."""
    return keras.tree.map_structure(
        lambda array, value: put_at(array, value, place, axis=1), drawn, here
    )


def _as_grids(prior, drawn):
    return keras.tree.map_structure(
        lambda array: ops.reshape(array, (-1, *prior.grid_shape, *array.shape[2:])),
        drawn,
    )


def _row_of(condition, row):
    """The part of condition features `(batch, height or 1, ...)` for a row."""
    if condition is None:
        return None
    return ops.take(condition, 0 if condition.shape[1] == 1 else row, axis=1)


def keep(logits, top_k, top_p):
    """Logits `(batch, K)` with those that are not among the likeliest far below.

    Args:
        logits: float32 `(batch, K)`.
        top_k: int or None.
        top_p: float in (0, 1] or None; at least the likeliest is kept.
    """
    if top_k is not None:
        least = ops.top_k(logits, top_k)[0][:, -1:]
        logits = ops.where(logits < least, -1e9, logits)
    if top_p is not None:
        ordered = ops.top_k(logits, logits.shape[-1])[0]
        probabilities = ops.softmax(ordered, axis=-1)
        before = ops.cumsum(probabilities, axis=-1) - probabilities
        least = ops.where(before < top_p, ordered, float("inf"))
        least = ops.min(least, axis=-1, keepdims=True)
        logits = ops.where(logits < least, -1e9, logits)
    return logits


def choose(logits, uniform):
    """Draws a code from logits `(batch, K)` by uniform numbers `(batch,)` in [0, 1)."""
    cumulative = ops.cumsum(ops.softmax(logits, axis=-1), axis=-1)
    uniform = uniform * cumulative[:, -1]
    codes = ops.sum(ops.cast(cumulative <= uniform[:, None], "int32"), axis=-1)
    return ops.minimum(codes, logits.shape[-1] - 1)
