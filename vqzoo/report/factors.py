"""The section on disentanglement."""

import numpy as np

from vqzoo.measures.disentanglement import disentanglement_scores
from vqzoo.measures.representation import represent
from vqzoo.report.document import Skipped

TEXT = (
    "How far single numbers of a representation stand for single factors of the data: "
    "images of every combination of known factors. All are 1 at best. How a grid of "
    "codes is made a vector is part of the measure and stands in its name."
)


def fill(subject, section):
    """All measures, of each tier in the representation that was asked for."""
    factors = subject.options.get("factors")
    if factors is None:
        raise Skipped("it takes minutes to hours: --factors=sprites")
    sample_factors, images_of = factors
    shape = images_of(sample_factors(1, np.random.default_rng(0))).shape[1:]
    if shape[:2] != tuple(subject.model.image_shape[:2]):
        raise Skipped(
            f"the images with known factors are {shape[0]} x {shape[1]}, the model's "
            f"{' x '.join(map(str, subject.model.image_shape[:2]))}"
        )
    columns, representations = {}, _representations(subject)
    for name, vectors_of in representations.items():
        with section.attempt(name):
            columns[name] = disentanglement_scores(
                sample_factors,
                lambda rows, f=vectors_of: f(_images(subject, images_of(rows))),
                num_test=subject.sizes.factor_images,
            )
            key = name.replace(", ", "_").replace(" ", "_")
            prefix = f"{key}_" if len(representations) > 1 else ""
            section.add(columns[name], prefix)
    if columns:
        measures = next(iter(columns.values()))
        section.table(
            "Measures",
            ("measure", *columns),
            [
                (m.replace("_", " "), *(c[m] for c in columns.values()))
                for m in measures
            ],
        )


def _images(subject, images):
    """Images with as many channels as the model takes."""
    channels = subject.model.image_shape[2]
    return np.repeat(images, channels, axis=-1) if images.shape[-1] == 1 else images


def _representations(subject):
    """Functions from images to vectors, by name."""
    if not subject.tiers:
        return {"latents": lambda images: _flat(subject.encode(images)[0])}
    kind = subject.options.get("representation", "indices")

    def of_tier(tier):
        def vectors_of(images):
            codes = subject.encode(images)[tier.index]
            options = {"num_embeddings": tier.num_embeddings}
            if kind in ("sorted_indices", "vectors", "mean_vector"):
                options = {"codebook": tier.codebook}
            vectors = represent(codes, kind, **options)
            return vectors.toarray() if kind == "one_hot" else vectors

        return vectors_of

    return {f"{tier.name}, {kind}": of_tier(tier) for tier in subject.tiers}


def _flat(latents):
    return latents.reshape(len(latents), -1)
