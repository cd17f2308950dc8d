"""Measures: numbers about images, codes and models, and how a page shows them.

A measure is a module with a function that `registry.named` calls as the module;
`findings.modules` says which words it has. The numbers come first, as functions of
arrays and of `encode` or `decode`. The other modules are what measures share: `subject`
and `data` (what is measured), `findings` (what comes out), `inference`, `distances`,
`representation`, `factor_information`, `factor_prediction`, `inception` and
`inception_network`; and
`held_out`, the numbers of training, of which a run writes the same names; and
`ranking`, of recommended items.
"""

from vqzoo.registry import on_demand

__all__, __getattr__ = on_demand(
    __name__,
    {
        "Data": "data.Data",
        "Section": "findings.Section",
        "Sizes": "data.Sizes",
        "Skipped": "findings.Skipped",
        "Subject": "subject.Subject",
        "as_json": "findings.as_json",
        "codebook_usage": "codebook.codebook_usage",
        "diversity": "distances.diversity",
        "held_out_metrics": "held_out.held_out_metrics",
        "in_batches": "inference.in_batches",
        "load_splits": "data.load_splits",
        "measure": "findings.measure",
        "names_of": "findings.names_of",
        "prior_figures": "likelihood.prior_figures",
        "reconstruction_error": "reconstruction.reconstruction_error",
        "sizes_of": "data.sizes_of",
        "sliced_wasserstein": "distances.sliced_wasserstein",
        "subject_of": "subject.subject_of",
        "unigram_bits": "likelihood.unigram_bits",
        "variety": "sets.variety",
    },
)
