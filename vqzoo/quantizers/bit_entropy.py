"""Entropies of codes made of independent bits, without a table of all codes."""

from keras import ops

from vqzoo.ops import mean_of


def row_entropy(logits, mask=None):
    """Mean entropy of the rows, in nats.

    Bits drawn independently have the sum of their entropies.

    Args:
        logits: float32 `(N, bits)`, log of p(1) / p(0) of each bit.
        mask: bool, for each of the rows, whether it counts; or None for all.

    Returns:
        Float32 scalar, the same as over the table of all `2 ** bits` codes.

    Source: Zhao et al. 2024, arXiv 2406.07548, section 4.
    """
    entropies = ops.softplus(logits) - logits * ops.sigmoid(logits)
    return mean_of(ops.sum(entropies, axis=-1, keepdims=True), mask)


def mixture_entropy(logits, group_bits, mask=None):
    """Entropy of the mean over the rows of their distributions over codes, in nats.

    In the mean over rows bits depend on each other. A row's table over codes is the
    outer product of the tables of two halves of its bits, so that the sum over rows is
    one product of matrices of `2 ** (bits / 2)` columns.

    Args:
        logits: float32 `(N, bits)`, log of p(1) / p(0) of each bit.
        group_bits: int. Up to that many bits the entropy is exact; more of them are
            cut into groups, and the sum of their entropies is an upper bound.
        mask: as in `row_entropy`.

    Returns:
        Float32 scalar, at most bits * log 2.
    """
    num_bits = logits.shape[-1]
    num_groups = -(-num_bits // group_bits)
    ends = [num_bits * group // num_groups for group in range(num_groups + 1)]
    total = 0.0
    for start, end in zip(ends[:-1], ends[1:]):
        middle = (start + end) // 2
        low, high = _table(logits, start, middle), _table(logits, middle, end)
        if mask is not None:
            low = ops.where(ops.reshape(mask, (-1, 1)), low, 0.0)
        sums = ops.matmul(ops.transpose(low), high)
        mean = ops.divide_no_nan(sums, ops.sum(sums))
        total = total - ops.sum(mean * ops.log(ops.maximum(mean, 1e-30)))
    return total


def _table(logits, start, end):
    """Probabilities of all values of the bits from start to end, `(N, 2 ** bits)`."""
    table = ops.ones_like(logits[:, :1])
    for bit in range(start, end):
        column = logits[:, bit : bit + 1]
        pair = (table * ops.sigmoid(-column), table * ops.sigmoid(column))
        table = ops.concatenate(pair, axis=1)
    return table
