"""Measures: from images, codes and models to numbers, and to what a page shows of them.

A measure for reports is a module here; `findings.modules` says which words it has. The
numbers come first, as functions of arrays and of `encode` or `decode`.
"""

from vqzoo.registry import on_demand

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
__getattr__ = on_demand(
    __name__,
    {
        "Data": "data.Data",
        "Section": "findings.Section",
        "Sizes": "data.Sizes",
        "Skipped": "findings.Skipped",
        "Subject": "subject.Subject",
        "as_json": "findings.as_json",
        "bits_per_code": "likelihood.bits_per_code",
        "codebook_metrics": "codebook.codebook_metrics",
        "codebook_ordering": "codebook.codebook_ordering",
        "codebook_usage": "codebook.codebook_usage",
        "decode_all": "inference.decode_all",
        "diversity": "distances.diversity",
        "encode_all": "inference.encode_all",
        "held_out_metrics": "held_out.held_out_metrics",
        "in_batches": "inference.in_batches",
        "linear_probe": "probe.linear_probe",
        "load_splits": "data.load_splits",
        "measure": "findings.measure",
        "prior_bits": "likelihood.prior_bits",
        "reconstruction_error": "reconstruction.reconstruction_error",
        "sizes_of": "data.sizes_of",
        "sliced_wasserstein": "distances.sliced_wasserstein",
        "subject_of": "subject.subject_of",
        "unigram_bits": "likelihood.unigram_bits",
    },
)
