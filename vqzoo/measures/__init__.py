"""Measures: from images, codes and models to numbers, and to what a page shows of them.

A measure for reports is a module here; `findings.modules` says which words it has. The
numbers come first, as functions of arrays and of `encode` or `decode`.
"""

from vqzoo.measures.codebook import (
    codebook_metrics,
    codebook_ordering,
    codebook_usage,
)
from vqzoo.measures.data import Data, Sizes, load_splits, sizes_of
from vqzoo.measures.distances import diversity, sliced_wasserstein
from vqzoo.measures.findings import Section, Skipped, as_json, measure
from vqzoo.measures.held_out import held_out_metrics
from vqzoo.measures.inference import decode_all, encode_all, in_batches
from vqzoo.measures.likelihood import bits_per_code, prior_bits, unigram_bits
from vqzoo.measures.probe import linear_probe
from vqzoo.measures.reconstruction import reconstruction_error
from vqzoo.measures.subject import Subject, subject_of

__all__ = [
    "Data",
    "Section",
    "Sizes",
    "Skipped",
    "Subject",
    "as_json",
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
    "load_splits",
    "measure",
    "prior_bits",
    "reconstruction_error",
    "sizes_of",
    "sliced_wasserstein",
    "subject_of",
    "unigram_bits",
]
