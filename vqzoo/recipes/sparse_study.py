"""k-sparse autoencoders with few and with many active units.

    python -m vqzoo.recipes.sparse_study

Of 1,000 units k are active, for the four k of the paper's figure. With each stand the
share of the image that the filter of a unit changes, how many units are ever active,
and a linear probe of the classes on the units, where images have classes. The fewer are
active, the more of an image each has to draw. `--dataset=folder
--data_dir=fashion-mnist` is nearest to the figure, which shows MNIST.

About a minute a run on one core; 4 runs.

Source: Coppock's thesis, figure 2.7; Makhzani and Frey 2013, arXiv 1312.5663, figure 1.
Differs: convolutions around the sparse layer; no schedule of k.
"""

from vqzoo import studies, training

RECIPE = studies.SweepRecipe(
    name="sparse_study",
    model="sparse_autoencoder_32",
    image_size=32,
    batch_size=64,
    epochs=2,
    learning_rate=1e-3,
    learning_rate_schedule="cosine",
    conditions=tuple(
        f"active units@{k}: model_options=('num_channels=64','residual_channels=16',"
        f"'num_active={k}')"
        for k in (10, 25, 40, 70)
    ),
    seeds=(0,),
    measurements=("reconstruction", "filters", "probe"),
    shown=(
        "reconstruction.psnr",
        "filters.area",
        "filters.units_in_use",
        "probe.latents_accuracy",
    ),
    axis="active units",
)

if __name__ == "__main__":
    training.main(RECIPE)
