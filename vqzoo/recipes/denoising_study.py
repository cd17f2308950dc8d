"""A denoising autoencoder beside a plain one, on clean and on corrupted images.

    python -m vqzoo.recipes.denoising_study

Trains the same network on clean images and on images of which a quarter of the pixels
is masked, from the same weights on the same batches. Measures how near each brings
clean, masked and noisy test images to the clean ones. Verdicts say whether corruption
in training pays on corrupted images, and what it costs on clean ones.

About 2 minutes a run on one core; 2 runs a seed.

Source: Vincent et al. 2008; Coppock's thesis, section 2.2.3. Differs: convolutions; the
thesis states it without a number.
"""

from vqzoo import studies, training

CLEAN = "reconstruction.psnr"
MASKED, NOISY = "corruption.masked_0.25_psnr", "corruption.noise_0.1_psnr"
RECIPE = studies.SweepRecipe(
    name="denoising_study",
    model="autoencoder_32",
    image_size=32,
    epochs=8,
    conditions=(
        "plain: model_options=()",
        "masked in training: model=denoising_autoencoder_32",
    ),
    measurements=("reconstruction", "corruption"),
    shown=(CLEAN, MASKED, "corruption.masked_0.5_psnr", NOISY),
    claims=(
        f"trained on masked images, it restores masked ones better: "
        f"[masked in training]{MASKED} > [plain]{MASKED}",
        f"it restores noisy ones better too, which it never saw: "
        f"[masked in training]{NOISY} > [plain]{NOISY}",
        f"it costs nothing on clean images: "
        f"[masked in training]{CLEAN} > [plain]{CLEAN} - 0.1",
    ),
)

if __name__ == "__main__":
    training.main(RECIPE)
