"""How well a prior knows codes, in bits."""

import numpy as np


def bits_per_code(log_prob, *codes_and_conditions, batch_size=256):
    """Mean bits that a prior needs for a code.

    Args:
        log_prob: function from codes `(B, h, w)`, and what else is given, to log
            likelihoods `(B,)` in nats.
        *codes_and_conditions: arrays of N grids and of their conditions, codes first.
        batch_size: int.

    Returns:
        float.

    Raises:
        ValueError: if there are no codes.
    """
    codes = codes_and_conditions[0]
    if not len(codes):
        raise ValueError("expected at least one grid of codes, received 0")
    total = 0.0
    for start in range(0, len(codes), batch_size):
        parts = [each[start : start + batch_size] for each in codes_and_conditions]
        total += float(np.sum(log_prob(*parts), dtype=np.float64))
    return -total / codes.size / np.log(2)


def prior_bits(prior, codes, labels, codes_above):
    """Mean bits that a prior needs for a code of its tier.

    Args:
        prior: a prior of vqzoo.priors that has a likelihood.
        codes: int `(N, h, w)`.
        labels: ints `(N,)`, or None where the data has no classes.
        codes_above: sequence of int `(N, h, w)`, of the tiers above, top first.
    """
    labels = np.zeros(len(codes), "int32") if labels is None else labels

    def log_prob(codes, labels, *above):
        return prior.log_likelihood(codes, prior.condition(labels, above))

    return bits_per_code(log_prob, codes, labels, *codes_above)


def unigram_bits(codes, held_out, num_embeddings):
    """Mean bits that the frequencies of codes alone need for a held-out code.

    Args:
        codes: int array, of which the frequencies are taken, each code counted once
            more, so that none is impossible.
        held_out: int array.
        num_embeddings: int, K.

    Returns:
        float; log2(K) where the frequencies say nothing.
    """
    counts = np.bincount(np.ravel(codes), minlength=num_embeddings) + 1.0
    bits = -np.log2(counts / counts.sum())
    return float(np.mean(bits[np.ravel(held_out)]))
