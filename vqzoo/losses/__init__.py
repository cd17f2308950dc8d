"""Losses of autoencoders in training, by the names of `--loss`.

A term of images is a function under `registry.named`, from `Sources` to a function of
images and outputs that gives float32 `(batch,)`. `adversarial` holds the game with a
discriminator, `composed` the model that is fitted with all of them. What comes out of a
run is the autoencoder alone.
"""

from vqzoo.registry import on_demand

__all__, __getattr__ = on_demand(
    __name__,
    {
        "Adversary": "adversarial.Adversary",
        "ComposedModel": "composed.ComposedModel",
        "Sources": "sources.Sources",
        "load_classifier": "sources.load_classifier",
        "make_lpips": "lpips.make_lpips",
        "make_perceptual": "perceptual.make_perceptual",
        "patch_discriminator": "discriminators.networks.patch_discriminator",
        "style_discriminator": "discriminators.networks.style_discriminator",
    },
)
