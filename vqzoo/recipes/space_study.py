"""What noise on the indices does to the latent space: size, continuity, priors.

    python -m vqzoo.recipes.space_study

Holds the explanations of the thesis, which it did not test, against numbers: without
noise the latent space expands in training, with noise it does not; more codes work like
a smaller beta of a beta-VAE, so that codes are less continuous the more there are; and
noise lets a simpler prior suffice. Trains a small VQ-VAE (f = 4, 64 hidden channels)
from the same weights on the same batches with few codes and with many, with noise and
without. Codes are sorted in both, which changes no image and no loss. To the codes of
512 it fits a prior of one layer and one of six. Writes a table, curves over K, and a
verdict on each claim with intervals over the seeds, in verdicts.json.

Some 6 minutes a seed on one core.

Source: Coppock's thesis, sections 4.9.1, 4.9.2 and chapter 5, point 4. Differs: small
networks and images; what it says of volume, continuity and simple priors as numbers.
"""

from vqzoo import studies, training

SIZES = (32, 512)
LEAST, MOST = SIZES[0], SIZES[-1]
KINDS = {"plain": 0.0, "noisy": 1.0}
PRIOR = "prior=gated_pixelcnn prior_options=('num_layers={}','output_channels=256')"
EXPANSION = "expansion.bottom_latent_expansion"
UNIGRAM = "run.bottom_unigram_bits_per_code"
BITS = "run.bottom_bits_per_code"


def _gap(prior, kind):
    """Bits per code above those of six layers: of a prior, or of frequencies alone."""
    best = f"[{kind} {MOST}, six layers]"
    bits = f"[{kind} {MOST}, {prior}]{BITS}" if prior else f"{best}{UNIGRAM}"
    return f"{bits} - {best}{BITS}"


def _falls(kind):
    """That the codes of a kind are less continuous with more of them."""
    return " and ".join(
        (
            f"[{kind} {MOST}]codebook.bottom_ordering > "
            f"[{kind} {LEAST}]codebook.bottom_ordering",
            f"[{kind} {MOST}]continuity.bottom_relative_lipschitz > "
            f"[{kind} {LEAST}]continuity.bottom_relative_lipschitz",
            f"[{kind} {LEAST}]brittleness.bottom_0.25_1_psnr > "
            f"[{kind} {MOST}]brittleness.bottom_0.25_1_psnr",
        )
    )


RECIPE = studies.SweepRecipe(
    name="space_study",
    model="vqvae_32",
    model_options=("num_channels=64", "residual_channels=16"),
    image_size=32,
    batch_size=64,
    epochs=6,
    max_steps_per_epoch=100,
    learning_rate=1e-3,
    sorted_codes=True,
    conditions=tuple(
        f"{kind}@{size}: num_embeddings={size} noise_stddev={sigma}"
        for kind, sigma in KINDS.items()
        for size in SIZES
    ),
    measurements=(
        "reconstruction",
        "codebook",
        "continuity",
        "brittleness",
        "expansion",
    ),
    shown=(
        "reconstruction.psnr",
        "codebook.bottom_perplexity",
        EXPANSION,
        "expansion.bottom_codebook_expansion",
        "expansion.bottom_latent_norm",
        "codebook.bottom_ordering",
        "continuity.bottom_relative_lipschitz",
        "continuity.bottom_next_code_psnr",
        "brittleness.bottom_0.25_1_psnr",
        UNIGRAM,
        BITS,
    ),
    axis="K",
    num_images=2000,
    prior_settings=(
        "epochs=5",
        "max_steps_per_epoch=100",
        "batch_size=64",
        "learning_rate=1e-3",
        "learning_rate_schedule=cosine",
        "class_conditional=False",
    ),
    prior_conditions=(
        f"one layer: {PRIOR.format(1)}",
        f"six layers: {PRIOR.format(6)}",
    ),
    prior_measurements=("run",),
    models_with_priors=tuple(f"{kind} {MOST}" for kind in KINDS),
    claims=(
        "(a) without noise the latent space expands in training, and more than with it"
        ": "
        + " and ".join(
            (
                *(f"[plain {size}]{EXPANSION} > 0" for size in SIZES),
                *(
                    f"[plain {size}]{EXPANSION} > [noisy {size}]{EXPANSION}"
                    for size in SIZES
                ),
            )
        ),
        "(b) the more codes, the less continuous they are: "
        + " and ".join(map(_falls, KINDS)),
        f"(c) with noise a simpler prior suffices: {_gap('one layer', 'plain')} > "
        f"{_gap('one layer', 'noisy')} and {_gap(None, 'plain')} > "
        f"{_gap(None, 'noisy')}",
    ),
)

if __name__ == "__main__":
    training.main(RECIPE)
