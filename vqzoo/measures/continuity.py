"""How far an image changes with the vectors that its decoder receives."""

import numpy as np

from vqzoo import registry
from vqzoo.measures.inference import compiled, in_batches
from vqzoo.measures.reconstruction import reconstruction_error

ORDER = 8.5
TITLE = "Continuity"
TEXT = (
    "Local Lipschitz constant of the decoder: how much an image changes at most "
    "for a small change of a tier's vectors in random directions. The relative "
    "constant is in units of how much images and vectors vary, so the scale of "
    "the latents does not matter. And what is left of an image if a quarter of "
    "a tier's code vectors are replaced by the nearest other code vector, "
    "whatever its index."
)
DIRECTIONS = 8
STEP = 0.01  # of the spread of the vectors
SHARE = 0.25


def lipschitz(function, vectors, *, directions=DIRECTIONS, step=STEP, seed=0):
    """Local Lipschitz constant of a function, in random directions.

    Args:
        function: from float `(B, ...)` to float `(B, ...)`.
        vectors: float `(N, ...)`, where it is taken.
        directions: int, of which the steepest counts: a lower bound.
        step: float, length of a step in units of the spread of the vectors.
        seed: int, of the directions.

    Returns:
        dict: `lipschitz`, the median over the vectors, and `relative_lipschitz`, in
        units in which vectors and values have the same spread: 1 for a linear map that
        is equally steep everywhere and in all directions.
    """
    generator = np.random.default_rng(seed)
    vectors = np.asarray(vectors, "float32")
    values = in_batches(function, vectors)
    most = np.zeros(len(vectors))
    for _ in range(directions):
        moves = generator.normal(size=vectors.shape).astype("float32")
        moves *= step * vectors.std()
        changes = in_batches(function, vectors + moves) - values
        most = np.maximum(most, _lengths(changes) / _lengths(moves))
    spreads = [_lengths(rows - rows.mean(axis=0)).mean() for rows in (vectors, values)]
    constant = float(np.median(most))
    relative = constant * spreads[0] / spreads[1] if spreads[1] > 0 else 0.0
    return {"lipschitz": constant, "relative_lipschitz": float(relative)}


def _lengths(rows):
    return np.linalg.norm(rows.reshape(len(rows), -1).astype("float64"), axis=1)


def nearest_other(codebook):
    """The code that is nearest to each code but itself: int `(K,)`.

    Args:
        codebook: float `(K, D)`, K of at least 2.
    """
    from sklearn.neighbors import NearestNeighbors

    found = NearestNeighbors(n_neighbors=1).fit(codebook)
    return found.kneighbors(return_distance=False)[:, 0]  # none is its own neighbor


@registry.named("continuity")
def measure(subject, section):
    """The constants and the loss of each tier."""
    subject.need_whole_codes()
    quantizers = subject.model.quantizers
    codes = subject.some_codes(subject.sizes.few)
    vectors = [np.asarray(layer.decode(c)) for layer, c in zip(quantizers, codes)]
    decode = compiled(subject.model.from_quantized)
    images = np.clip(in_batches(decode, tuple(vectors)), -0.5, 0.5)
    rows = []
    for tier in subject.tiers:
        found = lipschitz(
            lambda own, index=tier.index: decode(
                (*vectors[:index], own, *vectors[index + 1 :])
            ),
            vectors[tier.index],
        )
        with section.attempt(f"next codes of the {tier.name} tier"):
            if tier.num_embeddings > 1:
                near = nearest_other(tier.codebook)
                chosen = np.random.default_rng(0).random(codes[tier.index].shape)
                own = codes[tier.index]
                own = np.where(chosen < SHARE, near[own], own)
                moved = (*codes[: tier.index], own, *codes[tier.index + 1 :])
                changed = np.clip(in_batches(subject.decode, moved), -0.5, 0.5)
                found["next_code_psnr"] = reconstruction_error(images, changed)["psnr"]
        section.add(found, f"{tier.name}_")
        rows.append((tier.name, *found.values()))
    header = ("tier", "Lipschitz constant", "relative", "PSNR of next codes (dB)")
    section.table(
        "Continuity of the decoder",
        header[: len(rows[0])],
        rows,
        f"Of {len(images)} test images, {DIRECTIONS} directions.",
    )
