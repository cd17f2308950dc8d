"""Measurements: functions from arrays and from `encode` or `decode` to numbers."""

from vqzoo.measures.codebook import (
    codebook_metrics,
    codebook_ordering,
    codebook_usage,
)
from vqzoo.measures.distances import diversity, sliced_wasserstein
from vqzoo.measures.held_out import held_out_metrics
from vqzoo.measures.inference import decode_all, encode_all, in_batches
from vqzoo.measures.likelihood import bits_per_code, prior_bits, unigram_bits
from vqzoo.measures.probe import linear_probe
from vqzoo.measures.reconstruction import reconstruction_error

__all__ = [
    "bits_per_code",
    "codebook_metrics",
    "codebook_ordering",
    "codebook_usage",
    "decode_all",
    "diversity",
    "encode_all",
    "held_out_metrics",
    "in_batches",
    "linear_probe",
    "prior_bits",
    "reconstruction_error",
    "sliced_wasserstein",
    "unigram_bits",
]
