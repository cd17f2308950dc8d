"""What images lose when every index moves to its neighbor: plain and noisy codes.

    python -m vqzoo.recipes.moved_indices

Takes the plain and the noisy VQ-VAE-2 of `export/`, moves indices of each tier by 1 and
more, as they are and after the codes were sorted along the main axis of their codebook,
and measures the PSNR to the images before, of 200 test images. Trains nothing;
`--dataset=cifar10` is what the models were trained on.

A minute on two cores.

Source: Coppock's thesis, section 4.1 and figure 4.1. Differs: sorted codes beside them.
"""

from vqzoo import studies, training

RECIPE = studies.SweepRecipe(
    name="moved_indices",
    conditions=(
        "plain: trained=export/vqvae2/model.keras",
        "noisy: trained=export/vqvae2_noisy/model.keras",
    ),
    seeds=(0,),
    measurements=("brittleness",),
    shown=(
        "brittleness.bottom_1_1_psnr",
        "brittleness.bottom_sorted_1_1_psnr",
        "brittleness.bottom_0.25_1_psnr",
        "brittleness.bottom_sorted_0.25_1_psnr",
    ),
)

if __name__ == "__main__":
    training.main(RECIPE)
