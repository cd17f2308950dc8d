"""A beta-VAE: four times the weight on the divergence.

    python -m vqzoo.recipes.beta_vae

Fewer nats in the latents and blurrier images than those of `vae`.
`--model_options=kl_target=25` holds the divergence at 25 nats instead.

Source: Higgins et al. 2017; Coppock's thesis, section 2.3.3, eq. 2.8 and 2.9. Differs:
convolutions.
"""

from vqzoo import training

RECIPE = training.Recipe(
    name="beta_vae",
    model="beta_vae_32",
    epochs=8,
)

if __name__ == "__main__":
    training.main(RECIPE)
