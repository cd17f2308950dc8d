"""The squared error against perceptual and adversarial losses, at equal bits.

    python -m vqzoo.recipes.vqgan_study
    python -m vqzoo.recipes.vqgan_study --dataset=folder --data_dir=nature.tar

The network, the codes, the steps and the batches of the recipe `vqgan`, with its loss
and with the squared error alone. Reconstructions are compared as sets in the features
of a classifier that no loss has seen, beside the distance of real images; pictures show
the same images under both.

Data without classes, as faces, are seen through classifiers of other images:
`--classifier=PATH` for the loss and `--judge=PATH` for the distances, without the
measurements `judge` and `probe` (`--measurements`, `--shown`).

Source: Esser et al. 2021, arXiv 2012.09841, section 4.4. Differs: small networks and
images; classifiers replace VGG16 and Inception.
"""

import dataclasses

from vqzoo import studies, training
from vqzoo.recipes import vqgan

_SAME = {
    f.name: getattr(vqgan.RECIPE, f.name) for f in dataclasses.fields(training.Recipe)
}

RECIPE = studies.SweepRecipe(
    **{**_SAME, "name": "vqgan_study"},
    conditions=(
        "squared error: loss=l2 classifier='' discriminator_options=()",
        "vqgan:",
    ),
    measurements=("reconstruction", "codebook", "probe", "judge", "sets"),
    shown=(
        "reconstruction.psnr",
        "reconstruction.ssim",
        "sets.paired_reconstructions_fd_resnet",
        "sets.reconstructions_fd_resnet",
        "sets.floor_fd_resnet",
        "sets.reconstructions_perceptual_resnet",
        "sets.reconstructions_of_the_class",
        "probe.bottom_indices_accuracy",
        "codebook.bottom_usage",
    ),
    baseline="squared error",
)

if __name__ == "__main__":
    training.main(RECIPE)
