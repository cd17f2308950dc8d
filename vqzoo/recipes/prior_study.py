"""Priors compared on the same codes, with and without the class.

    python -m vqzoo.recipes.prior_study

Fits each prior to the top codes of one trained model, its best epoch by the validation
images, and takes its bits per code on the test images. PixelSNAIL and the gated
PixelCNN have nearly equal numbers of weights, and the former drops a tenth of its
features in training unless its name says otherwise; `pixelcnn` is the network of the
keras.io example. `--trained` is the model, the artifact of `vqvae2_noisy` by default;
`--dataset` should be what it was trained on, such as cifar10.

10 to 30 minutes a row on two cores; 10 rows a seed. docs/results shows `--epochs=3` of
CIFAR-10: `--prior_settings=epochs=3,...` with the others below.

Source: van den Oord et al. 2016, arXiv 1606.05328; Chen et al. 2018, arXiv 1712.09763.
Differs: codes of 8 x 8 instead of pixels; few epochs.
"""

from vqzoo import studies, training

SNAIL = (
    "'num_blocks=2','num_residual_blocks=2','num_channels=104',"
    "'residual_channels=104','kernel_size=3','num_heads=4'"
)
PRIORS = {
    "pixelcnn": "prior=pixelcnn",
    "gated_pixelcnn": "prior=gated_pixelcnn "
    "prior_options=('num_layers=12','num_channels=64')",
    "pixelsnail": f"prior=pixelsnail prior_options=({SNAIL})",
    "pixelsnail without dropout": f"prior=pixelsnail "
    f"prior_options=({SNAIL},'dropout=0.0')",
    "transformer": "prior=transformer "
    "prior_options=('num_layers=6','num_channels=144','num_heads=4')",
}

RECIPE = studies.SweepRecipe(
    name="prior_study",
    trained="export/vqvae2_noisy/model.keras",
    conditions=("noisy: ",),
    seeds=(0,),
    measurements=(),
    prior_settings=(
        "tiers=top",
        "epochs=10",
        "batch_size=64",
        "learning_rate=1e-3",
        "learning_rate_schedule=cosine",
    ),
    prior_conditions=tuple(
        f"{name}{words}: {settings} class_conditional={knows_class}"
        for words, knows_class in (("", False), (" knows the class", True))
        for name, settings in PRIORS.items()
    ),
    prior_measurements=("run",),
    shown=(
        "run.top_weights",
        "run.top_bits_per_code",
        "run.top_unigram_bits_per_code",
        "run.training_seconds",
    ),
)

if __name__ == "__main__":
    training.main(RECIPE)
