"""Collapsed, healthy and noisy codes under the same priors: bits, samples, times.

    python -m vqzoo.recipes.codebook_study

Trains `vqvae_32` (8 x 8 codes of 512, one tier) with each codebook, says what its codes
are like, and fits each prior to them, with the class as condition. Samples are judged
by one classifier of real images: the Frechet distance of its features, precision and
recall, and the share that it gives the class that was asked for. Beside them stand as
many real test images, and the reconstructions, which no prior can pass. Of GANs come
the distance of their latents to the nearest codes and how diverse their maps are.

On one core with bfloat16 four minutes a codebook of CIFAR-10, `--dataset=cifar10`, five
a PixelCNN, thirteen a GAN; `--only=noisy` and `--only=maskgit` choose.

Source: Coppock's thesis, sections 4.4 to 4.7. Differs: one tier; small priors;
controls.
"""

from vqzoo import studies, training

FITTED = "learning_rate=1e-3 learning_rate_schedule=cosine batch_size=64"

RECIPE = studies.SweepRecipe(
    name="codebook_study",
    model="vqvae_32",
    image_size=32,
    batch_size=64,
    epochs=3,
    learning_rate_schedule="cosine",
    conditions=(
        "collapsed: codebook_init=random_normal restart_threshold=0.0",
        "healthy: noise_stddev=0.0",
        "noisy: noise_stddev=1.0 sorted_codes=True",
    ),
    measurements=(
        "reconstruction",
        "codebook",
        "probe",
        "judge",
        "brittleness",
        "interpolation",
        "sets",
    ),
    prior_conditions=(
        f"gated_pixelcnn: prior=gated_pixelcnn epochs=3 {FITTED} "
        "prior_options=('num_layers=6','num_channels=32')",
        f"maskgit: prior=maskgit epochs=5 {FITTED} "
        "prior_options=('num_layers=4','num_channels=96','num_heads=4')",
        "progressive_gan: gan=progressive scale_steps=(500,1500) learning_rate=1e-4 "
        "prior_options=('channels=(128,64)','noise_dim=128','num_residual_layers=2')",
        "dcgan: gan=dcgan gan_loss=non_saturating scale_steps=2000 learning_rate=2e-4 "
        "critic_learning_rate=2e-4 prior_options=('channels=(256,128)',)",
    ),
    prior_measurements=("judge", "sets", "samples", "run"),
    shown=(
        "reconstruction.psnr",
        "codebook.bottom_usage",
        "codebook.bottom_ordering",
        "probe.bottom_indices_accuracy",
        "brittleness.bottom_0.25_1_psnr",
        "brittleness.bottom_sorted_0.25_1_psnr",
        "interpolation.indices_likeness",
        "sets.reconstructions_fd_resnet",
        "run.bottom_bits_per_code",
        "sets.samples_fd_resnet",
        "sets.samples_precision",
        "sets.samples_recall",
        "sets.samples_of_the_class",
        "samples.diversity",
        "run.bottom_codes_used",
        "run.training_seconds",
        "run.seconds_per_sample",
    ),
)

if __name__ == "__main__":
    training.main(RECIPE)
