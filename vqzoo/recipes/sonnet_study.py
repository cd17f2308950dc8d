"""The VQ-VAE of DeepMind's example at its length, in float32 and in bfloat16.

    python -m vqzoo.recipes.sonnet_study

`vqvae_32` for 10,000 steps of 32 images with Adam at 3e-4, K = 512, D = 64, decay 0.99,
as in the notebook of Sonnet's example, and for 1,000 steps in both precisions. The
example divides the error by the variance of the pixels; here the commitment is
multiplied by it, which is the same to Adam. `python -m benchmarks.sonnet_quantizer
SWEEP` adds the row of Sonnet's own quantizer in the same network to the folder of this
sweep.

About 12 minutes for the long run on two cores in float32. docs/results shows CIFAR-10,
with `--dataset=cifar10`.

Source: van den Oord et al. 2017, arXiv 1711.00937; the VQ-VAE example of Sonnet 2.
Differs: a start from data and restarts of dead codes.
"""

from vqzoo import studies, training

VARIANCE = 0.0628  # of the pixels of CIFAR-10, in [-0.5, 0.5]

RECIPE = studies.SweepRecipe(
    name="sonnet_study",
    model="vqvae_32",
    image_size=32,
    commitment_cost=0.25 * VARIANCE,
    precision="float32",
    conditions=(
        "ours: epochs=8 max_steps_per_epoch=1250",
        "ours 1000 steps: epochs=1 max_steps_per_epoch=1000",
        "ours 1000 steps in bfloat16: epochs=1 max_steps_per_epoch=1000 "
        "precision=mixed_bfloat16",
    ),
    seeds=(0,),
    measurements=("reconstruction", "codebook"),
    shown=(
        "reconstruction.psnr_of_mean_error",
        "reconstruction.psnr",
        "reconstruction.mean_squared_error",
        "codebook.bottom_perplexity",
        "codebook.bottom_dead_codes",
    ),
    baseline="ours 1000 steps",
)

if __name__ == "__main__":
    training.main(RECIPE)
