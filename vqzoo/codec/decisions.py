"""Codes as binary decisions, whose odds any two machines round alike.

The index of a code is coded bit by bit, the highest first, each bit with the odds that
the weights of the codes below it give: together they cost what the code's probability
says. How two machines come to the same probabilities:

- All weights are float64. Sums are of positive numbers, pair by pair, so that rounding
  stays near 1e-16 of each; what reaches the odds of a prior's logits is some 1e-14.
- The log odds of a bit are rounded to steps of 1/16 nat, at most 12 nats, each with a
  probability of a fixed table of multiples of 2**-24. That costs a code about 0.001
  bits.
- A value that lies within 2**-24 nats of the boundary between two steps could be
  rounded to either. The encoder sees it and writes into the file which it took: two or
  three bytes for one decision in half a million.

So the codes that come back are those that went in wherever the log odds of the two
machines agree to 2**-24 (6e-8) nats: whatever their processors, libraries, threads and
batch sizes, and whether the network was run as a whole or position by position. It does
not hold for numbers that were rounded to float32 on the way, which jump by 1e-7 of
their size; a prior's clone (`exact.py`) is float64 throughout.
"""

import numpy as np

STEPS_PER_NAT = 16
LARGEST_STEP = 12 * STEPS_PER_NAT
TOLERANCE = 2.0**-24  # nats, in which two machines may differ
_LEAST_LOG_WEIGHT = -600.0  # beside 0; its exponential is a normal number


def num_levels(num_embeddings):
    """How many bits name one of the codes: an int, at least 1."""
    return max(1, (num_embeddings - 1).bit_length())


def weights_of(logits):
    """Weights `(n, K)` of codes, positive and at most 1, from logits."""
    logits = np.asarray(logits, "float64")
    logits = logits - logits.max(axis=-1, keepdims=True)
    return np.exp(np.maximum(logits, _LEAST_LOG_WEIGHT))


def decisions(weights, codes):
    """The decisions that lead to known codes.

    Args:
        weights: float64 `(n, K)`, positive; or `(1, K)`, the same for all.
        codes: int `(n,)`, in [0, K).

    Returns:
        `(values, bits)`: float64 `(n, levels)`, the log odds of a 1 in steps, not
        rounded; and int32 `(n, levels)`.
    """
    sums = _subtree_sums(weights)
    levels = np.arange(len(sums), 0, -1)
    bits = (codes[:, None] >> (levels - 1) & 1).astype("int32")
    values = [
        _log_odds(subtrees, codes >> level) for subtrees, level in zip(sums, levels)
    ]
    return np.stack(values, axis=1), bits


def decide(weights, count, read):
    """The codes to which decisions lead.

    Args:
        weights: float64 `(count, K)` or `(1, K)`.
        count: int, how many codes.
        read: function from values `(count,)`, as in `decisions`, to bits `(count,)`;
            it is called for each level.

    Returns:
        int64 `(count,)`. Bits that no encoder wrote can lead to K or more.
    """
    codes = np.zeros(count, "int64")
    for subtrees in _subtree_sums(weights):
        codes = 2 * codes + read(_log_odds(subtrees, codes))
    return codes


def rounded(values):
    """The nearest steps of values: int64, not yet within the largest."""
    limit = LARGEST_STEP + 2.0
    return np.rint(np.clip(np.nan_to_num(values), -limit, limit)).astype("int64")


def is_ambiguous(values, steps):
    """Whether another machine could round values to other steps: bool, same shape."""
    inside = np.abs(steps) <= LARGEST_STEP + 1
    to_boundary = 0.5 - np.abs(np.where(inside, values - steps, 0.0))
    return inside & (to_boundary < TOLERANCE * STEPS_PER_NAT)


def _subtree_sums(weights):
    """Sums over all subtrees: for each level float64 `(n, 2 ** (level + 1))`."""
    size = weights.shape[-1]
    missing = 2 ** num_levels(size) - size
    sums = [np.pad(weights, [(0, 0), (0, missing)])]
    while sums[-1].shape[-1] > 2:
        sums.append(sums[-1][:, 0::2] + sums[-1][:, 1::2])
    return sums[::-1]


def _log_odds(sums, prefixes):
    """Log odds of a 1 behind prefixes `(n,)`, in steps.

    Infinite where there is no code on one side, and not a number where on neither.
    """
    rows = np.arange(len(prefixes)) % len(sums)
    zeros, ones = sums[rows, 2 * prefixes], sums[rows, 2 * prefixes + 1]
    with np.errstate(divide="ignore", invalid="ignore"):
        return STEPS_PER_NAT * (np.log(ones) - np.log(zeros))
