"""Exact likelihoods of code grids, and sampling in raster order with caches."""

import functools

import keras
import numpy as np
from keras import ops

from vqzoo.ops import put_at
from vqzoo.priors import conditions


def log_prob(prior, codes, condition=None, batch_size=128):
    """Log likelihood of grids of codes.

    Args:
        prior: an autoregressive prior.
        codes: int `(batch, height, width)`.
        condition: dict with `label` and `context`, as the prior was trained; or None.
        batch_size: int, grids at once.

    Returns:
        Float64 numpy `(batch,)`, in nats.

    Raises:
        ValueError: if the codes or the condition do not fit to the prior.
    """
    codes = conditions.codes_array(
        "codes", codes, (len(codes), *prior.grid_shape), prior.num_embeddings
    )
    arrays = conditions.arrays(prior, len(codes), condition)
    of_codes = log_probs_of(prior, codes, codes, arrays, batch_size)
    return of_codes.sum(axis=(1, 2), dtype="float64")


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
    found = []
    for start in range(0, len(codes), batch_size):
        batch = {k: v[start : start + batch_size] for k, v in arrays.items()}
        logits = ops.cast(prior.predict_on_batch(conditions.packed(batch)), "float32")
        log_p = ops.convert_to_numpy(ops.log_softmax(logits, axis=-1))
        chosen = codes[start : start + batch_size, ..., None]
        found.append(np.take_along_axis(log_p, chosen, axis=-1)[..., 0])
    return np.concatenate(found)


def sample(prior, shape, condition, temperature, top_k, top_p, seed, cached=True):
    """Draws grids of codes, place after place.

    Args:
        prior: an autoregressive prior.
        shape: int, number of grids, or `(batch, height, width)`.
        condition: dict with `label` and `context`, as the prior was trained; or None.
        temperature: float above 0, by which the logits are divided.
        top_k: int or None. Only the likeliest `top_k` codes are drawn.
        top_p: float in (0, 1] or None. Only the likeliest codes are drawn whose
            probabilities together reach `top_p`.
        seed: int or None.
        cached: bool. Whether each place computes only what is new; else the whole
            network, which is what the caches are compared with.

    Returns:
        int32 numpy `(batch, height, width)`.

    Raises:
        ValueError: if an argument is out of its range or does not fit to the prior.
    """
    batch = checked_batch(prior, shape, temperature, top_k, top_p)
    arrays = conditions.arrays(prior, batch, condition)
    height, width = prior.grid_shape
    uniform = np.random.default_rng(seed).random((batch, height * width), "float32")
    heat = np.full((batch,), temperature, "float32")
    sampler = sampler_of(prior, Sampler, top_k, top_p, cached)
    codes = sampler.predict_on_batch(
        {"uniform": uniform, "temperature": heat, **arrays}
    )
    return np.asarray(codes)


def checked_batch(prior, shape, temperature, top_k, top_p):
    """The number of grids that a shape means.

    Raises:
        ValueError: if it is not the prior's shape, or a value is out of its range.
    """
    batch = shape if isinstance(shape, int) else shape[0]
    if not isinstance(shape, int) and tuple(shape[1:]) != prior.grid_shape:
        raise ValueError(
            f"expected grids of {prior.grid_shape}, received shape={tuple(shape)}"
        )
    if batch < 1:
        raise ValueError(f"expected at least one grid, received {batch}")
    if not temperature > 0:
        raise ValueError(
            f"expected a temperature above 0, received temperature={temperature}"
        )
    if top_k is not None and not 1 <= top_k <= prior.num_embeddings:
        raise ValueError(
            f"expected top_k in [1, {prior.num_embeddings}], received top_k={top_k}"
        )
    if top_p is not None and not 0 < top_p <= 1:
        raise ValueError(f"expected top_p in (0, 1], received top_p={top_p}")
    return batch


def sampler_of(prior, make, *settings):
    """The compiled sampler of a prior with some settings, made once."""
    # Set past Keras, which would take a sampler for a layer of the prior and save it.
    samplers = prior.__dict__.setdefault("_samplers", {})
    if settings not in samplers:
        samplers[settings] = make(prior, *settings)
    return samplers[settings]


class Sampler(keras.Model):
    """Draws grids of codes from given uniform numbers: what `predict` compiles."""

    def __init__(self, prior, top_k, top_p, cached):
        super().__init__(name=f"{prior.name}_sampler", dtype="float32")
        self.prior = prior
        self.top_k, self.top_p = top_k, top_p
        self.run = functools.partial(in_order, prior) if cached else self._whole

    def call(self, inputs):
        inputs = dict(inputs)
        uniform = inputs.pop("uniform")
        heat = inputs.pop("temperature")[:, None]

        def draw(logits, place):
            logits = keep(ops.cast(logits, "float32") / heat, self.top_k, self.top_p)
            return choose(logits, ops.take(uniform, place, axis=1))

        return self.run(draw, inputs, ops.shape(uniform)[0])

    def _whole(self, draw, inputs, batch):
        height, width = self.prior.grid_shape

        def each_place(place, codes):
            grids = ops.reshape(codes, (batch, height, width))
            arrays = conditions.packed({"codes": grids, **inputs})
            logits = self.prior(arrays, training=False)
            logits = ops.reshape(logits, (batch, height * width, -1))
            drawn = draw(ops.take(logits, place, axis=1), place)
            return put_at(codes, drawn, place, axis=1)

        codes = ops.zeros((batch, height * width), "int32")
        codes = ops.fori_loop(0, height * width, each_place, codes)
        return ops.reshape(codes, (batch, height, width))


def in_order(prior, draw, inputs, batch):
    """Fills grids place by place; each place computes only what is new.

    Args:
        prior: an autoregressive prior.
        draw: function from logits `(batch, K)` and a place, an int tensor in raster
            order, to int32 codes `(batch,)`.
        inputs: dict of the condition's tensors.
        batch: int or int tensor, number of grids.

    Returns:
        int32 tensor `(batch, height, width)`.
    """
    height, width = prior.grid_shape
    condition = conditions.features(prior.conditions, inputs)

    def each_row(row, carried):
        codes, state = carried
        state = prior.begin_row(state, _row_of(condition, row))

        def each_column(column, carried):
            codes, state = carried
            logits, state = prior.logits_at(state, column)
            drawn = draw(logits, row * width + column)
            state = prior.put(state, drawn, column)
            return put_at(codes, drawn, row * width + column, axis=1), state

        codes, state = ops.fori_loop(0, width, each_column, (codes, state))
        return codes, prior.end_row(state)

    codes = ops.zeros((batch, height * width), "int32")
    state = prior.start(batch)
    codes, _ = ops.fori_loop(0, height, each_row, (codes, state))
    return ops.reshape(codes, (batch, height, width))


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
