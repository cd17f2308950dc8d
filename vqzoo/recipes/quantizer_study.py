"""All quantizers in one network, with few and with many codes.

    python -m vqzoo.recipes.quantizer_study

Trains the same small VQ-VAE (f = 4, 64 hidden channels, 2 residual blocks of 16) from
the same weights on the same batches with each quantizer and each number of codes K.
Usage, perplexity and order are those of a codebook on the test images; the probe reads
the indices as numbers, where images have classes. `--only=1024` takes one K,
`--only=ema` one quantizer; `--epochs=10` trains for 6,000 steps.
`benchmarks/quantizer_training.py` measures speed and memory.

About a minute a run of up to 1,024 codes on one core, several where 65,536 are
searched; 64 runs a seed. docs/results shows CIFAR-10, with `--dataset=cifar10`.

Source: the papers of the quantizers, which their docstrings name. Differs: one network,
one budget for all of them.
"""

from vqzoo import studies, training

SIZES = (64, 1024, 16_384, 65_536)
# The most codes with which each was run: the soft ones hold N x K values with their
# gradients, the others collapse or are slow long before.
MOST = {
    name: most
    for most, names in {
        1024: "stochastic soft gumbel multi_head residual grouped_residual",
        16_384: "gradient batch_normalized ema cosine rotation ibq nsvq diveq",
        65_536: "low_dimensional sim_vq fsq lfq binary_spherical latent residual_fsq",
    }.items()
    for name in names.split()
}

RECIPE = studies.SweepRecipe(
    name="quantizer_study",
    model="vqvae_32",
    model_options=("num_channels=64", "residual_channels=16"),
    image_size=32,
    batch_size=64,
    epochs=1,
    max_steps_per_epoch=600,
    learning_rate=1e-3,
    conditions=tuple(
        f"{name}@{size}: quantizer={name} num_embeddings={size}"
        for name, most in MOST.items()
        for size in SIZES
        if size <= most
    ),
    seeds=(0,),
    measurements=("reconstruction", "codebook", "probe"),
    shown=(
        "reconstruction.psnr",
        "codebook.bottom_usage",
        "codebook.bottom_perplexity",
        "codebook.bottom_ordering",
        "probe.bottom_indices_accuracy",
    ),
    axis="codes",
)

if __name__ == "__main__":
    training.main(RECIPE)
