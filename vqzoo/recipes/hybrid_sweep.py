"""Frequency and projected latents: what quantizing fewer latents gains and costs.

    python -m vqzoo.recipes.hybrid_sweep

Of 512 codes the S most used ones are kept; latents of the others stay continuous, as
they are or projected onto the direction of their code. S = 512 is the VQ-VAE. Codebooks
follow the latents by moving average, with restarts: one that is learned by gradient
collapses to fewer codes than the least S keeps, so that S decides nothing. Writes a
table and curves of the errors and of the largest rise of the loss in training, which is
how stable it is. `--resume` continues, also with more `--seeds`.

About a minute a run on the embedded photographs, one core; 16 runs a seed.

Source: Vila's report on hybrid latents, sections 2 and 3. Differs: the network is
`vqvae_32`; the stability is a number.
"""

from vqzoo import studies, training

SIZES = (512, 502, 412, 312, 212, 112)
SHARES = {size: size / 512 for size in SIZES}

RECIPE = studies.SweepRecipe(
    name="hybrid_sweep",
    model="vqvae_32",
    quantizer="frequency_latents",
    epochs=4,
    conditions=(
        *(
            f"frequency@{size}: quantizer_options=('share={share}','codebook=ema')"
            for size, share in SHARES.items()
        ),
        *(
            f"frequency and projected@{size}: "
            f"quantizer_options=('share={share}','codebook=ema','projected=True')"
            for size, share in SHARES.items()
        ),
        "plain: quantizer=ema",
        "plain by gradient: quantizer=gradient",
        "projected: quantizer=projected_latents quantizer_options=('codebook=ema',)",
        "projected by gradient: quantizer=projected_latents",
    ),
    measurements=("reconstruction", "codebook", "training"),
    shown=(
        "reconstruction.mean_squared_error",
        "reconstruction.psnr",
        "codebook.bottom_usage",
        "training.training_loss_jump",
        "training.validation_loss_jump",
    ),
    axis="codes that are kept, of 512",
)

if __name__ == "__main__":
    training.main(RECIPE)
