"""Activations, normalization, blocks, kernels, attention: at equal weights and steps.

    python -m vqzoo.recipes.architecture_study

The small VQ-VAE of `quantizer_study` (188,035 weights, K = 512) with one thing changed
in each row, and its widths so that the number of weights is the same to 1.5 %: the
activation, a normalization before each, how many residual blocks there are, kernels of
the strided convolutions and of the residual blocks, and self-attention over the grid of
codes. The last rows change what trains it: the learning rate, and batches of other
sizes over as many images.

About a minute a run on one core, 16 rows a seed. `--dataset=folder
--data_dir=cifar10.tar.xz` is CIFAR-10.

Source: Coppock's thesis, chapter 5, point 2, which proposes it.
"""

from vqzoo import studies, training


def _network(num_channels, residual_channels, *options):
    """The model's options of a row, as a condition writes them."""
    widths = (f"num_channels={num_channels}", f"residual_channels={residual_channels}")
    return f"model_options={(*widths, *options)}".replace(" ", "")


RECIPE = studies.SweepRecipe(
    name="architecture_study",
    model="vqvae_32",
    model_options=("num_channels=64", "residual_channels=16"),
    image_size=32,
    batch_size=64,
    epochs=1,
    max_steps_per_epoch=600,
    learning_rate=1e-3,
    conditions=(
        "as it is: learning_rate=1e-3",
        f"GELU: {_network(64, 16, 'activation=gelu')}",
        f"SiLU: {_network(64, 16, 'activation=silu')}",
        f"batch normalization: {_network(64, 16, 'normalization=batch')}",
        f"group normalization: {_network(64, 16, 'normalization=group')}",
        f"no residual blocks: {_network(74, 16, 'num_residual_blocks=0')}",
        f"1 residual block: {_network(64, 32, 'num_residual_blocks=1')}",
        f"4 residual blocks: {_network(64, 8, 'num_residual_blocks=4')}",
        f"strided kernels of 3: {_network(56, 36, 'encoder_kernel_size=3')}",
        f"strided kernels of 6: {_network(56, 16, 'encoder_kernel_size=6')}",
        f"residual kernels of 1: {_network(72, 16, 'residual_kernel_size=1')}",
        f"residual kernels of 5: {_network(56, 12, 'residual_kernel_size=5')}",
        f"attention: {_network(64, 12, 'attention=True')}",
        "learning rate of 3e-4: learning_rate=3e-4",
        "batches of 32: batch_size=32 max_steps_per_epoch=1200",
        "batches of 128: batch_size=128 max_steps_per_epoch=300",
    ),
    measurements=("reconstruction", "codebook", "run"),
    shown=(
        "reconstruction.psnr",
        "codebook.bottom_perplexity",
        "run.training_seconds",
    ),
    num_images=5000,
    baseline="as it is",
)

if __name__ == "__main__":
    training.main(RECIPE)
