"""Does a GAN fit only noisy codes? Maps of indices, of plain and of noisy codes.

    python -m vqzoo.recipes.gan_space_study

The GANs of the thesis, as we read it, draw maps of indices. Their order means nothing
in a plain codebook. So the noise may be what decides, or only the order. Four codebooks
of a small `vqvae_32`, 8 x 8 codes of 512: collapsed plain, and with noise of sigma 0.5
and nothing else, as there; healthy plain; and noisy with sorted codes. On each the same
progressive GAN over maps of the index as it stands, and of the index sorted afterwards;
a DCGAN; a gated PixelCNN. Samples are judged as in `codebook_study`. Pictures show the
samples of all codebooks side by side, the critic's accuracy and the gates of attention
over training.

On Fashion-MNIST (`--dataset=folder --data_dir=fashion-mnist`), one core and bfloat16
about a minute for each codebook, GAN and PixelCNN; `--only` chooses.

Source: Coppock's thesis, sections 3.2, 4.6 and 4.7, figures 4.9 and 4.10. Differs: one
tier, smaller networks, few steps, images of 28 x 28 on a black frame; controls.
"""

from vqzoo import studies, training

ALONE = "codebook_init=random_normal restart_threshold=0.0"
SHORT = "scale_batch_sizes=16 measure_steps=250 average_decay=0.99"
PROGRESSIVE = (
    f"gan=progressive learning_rate=1e-3 critic_learning_rate=1e-3 {SHORT} "
    "scale_steps=(250,1500) prior_options=('channels=(64,48)','noise_dim=64',"
    "'num_residual_layers=1','attention_size=8')"
)

RECIPE = studies.SweepRecipe(
    name="gan_space_study",
    model="vqvae_32",
    model_options=("num_channels=64",),
    image_size=32,
    batch_size=64,
    epochs=1,
    max_steps_per_epoch=500,
    learning_rate=1e-3,
    learning_rate_schedule="cosine",
    conditions=(
        f"collapsed: {ALONE}",
        "healthy: noise_stddev=0.0",
        f"noisy: noise_stddev=0.5 {ALONE}",
        "noisy and sorted: noise_stddev=0.5 sorted_codes=True",
    ),
    num_images=2000,
    measurements=("reconstruction", "codebook"),
    prior_conditions=(
        f"indices: gan_space=indices {PROGRESSIVE}",
        f"sorted indices: gan_space=sorted_indices {PROGRESSIVE}",
        f"dcgan: gan=dcgan gan_space=indices gan_loss=non_saturating {SHORT} "
        "scale_steps=1500 learning_rate=2e-4 critic_learning_rate=2e-4 "
        "prior_options=('channels=(128,64)',)",
        "pixelcnn: prior=gated_pixelcnn epochs=1 max_steps_per_epoch=500 batch_size=64 "
        "learning_rate=1e-3 learning_rate_schedule=cosine "
        "prior_options=('num_layers=4','num_channels=32')",
    ),
    prior_measurements=("judge", "sets", "samples", "run"),
    shown=(
        "reconstruction.psnr",
        "codebook.bottom_usage",
        "codebook.bottom_ordering",
        "sets.reconstructions_fd_resnet",
        "sets.samples_fd_resnet",
        "sets.samples_precision",
        "sets.samples_recall",
        "sets.samples_of_the_class",
        "samples.diversity",
        "samples.nearest_sample",
        "run.bottom_codes_used",
        "run.training_seconds",
    ),
)

if __name__ == "__main__":
    training.main(RECIPE)
