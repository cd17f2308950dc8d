"""Which part of the noisy recipe does what: noise, sorting, restarts, start, ends.

    python -m vqzoo.recipes.noise_controls

Trains `vqvae2_32` (codes 8 x 8 and 16 x 16) from the same weights on the same batches
as `vqvae2_noisy` sets it (sigma 1.0 / 0.2, sorted codes), with parts of it left out,
and without noise: collapsed plain, from a random start that nothing revives, and
healthy plain, over which the numbers of the others are shown too. Beside reflecting
noise at the ends of the index range, clipping and wrapping it around. `noise_sweep`
asks the same over sigma.

7 to 12 minutes a run on CIFAR-10, `--dataset=cifar10`, on two cores in float32; 10 runs
a seed, of which `--only` chooses.

Source: Coppock's thesis, chapter 4. Differs: smaller networks and images, open data,
controls beside the collapsed codebook.
"""

from vqzoo import studies, training

ALONE = "codebook_init=random_normal restart_threshold=0.0 sorted_codes=False"
PLAIN = "noise_stddev=0.0"

RECIPE = studies.SweepRecipe(
    name="noise_controls",
    model="vqvae2_32",
    image_size=32,
    batch_size=64,
    epochs=3,
    learning_rate_schedule="cosine",
    noise_stddev=(1.0, 0.2),
    sorted_codes=True,
    conditions=(
        f"collapsed plain: {PLAIN} {ALONE}",
        f"healthy plain: {PLAIN} sorted_codes=False",
        "noisy: noise_stddev=(1.0,0.2)",
        f"noise alone: {ALONE}",
        "noisy not sorted: sorted_codes=False",
        f"sorted no noise: {PLAIN}",
        "noisy no restarts: restart_threshold=0.0",
        "noisy clip: noise_boundary=clip",
        "noisy wrap: noise_boundary=wrap",
        "noise 1.0 and 0.3: noise_stddev=(1.0,0.3)",
    ),
    measurements=("reconstruction", "codebook", "probe"),
    shown=(
        "reconstruction.mean_squared_error",
        "reconstruction.psnr",
        "codebook.top_usage",
        "codebook.bottom_usage",
        "codebook.top_perplexity",
        "codebook.bottom_perplexity",
        "codebook.top_ordering",
        "codebook.bottom_ordering",
        "probe.top_indices_accuracy",
        "probe.top_sorted_indices_accuracy",
    ),
    baseline="healthy plain",
)

if __name__ == "__main__":
    training.main(RECIPE)
