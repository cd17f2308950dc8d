"""Frequency latents: codes where they are frequent, otherwise the latents themselves.

    python -m vqzoo.recipes.frequency_latents

The most used 80 % of the codes are kept, by a moving count.
`--quantizer_options=share=1,codebook=ema` is the VQ-VAE; `projected=True` among the
options projects the other latents. The codebook follows the latents by moving average:
with `codebook=gradient` fewer codes than that are in use, and all of them are kept.

Source: Vila's report on hybrid latents, sections 2.2 and 3.2. Differs: the network is
`vqvae_32`.
"""

from vqzoo import training

RECIPE = training.Recipe(
    name="frequency_latents",
    model="vqvae_32",
    quantizer="frequency_latents",
    quantizer_options=("share=0.8", "codebook=ema"),
    epochs=8,
)

if __name__ == "__main__":
    training.main(RECIPE)
