"""A transformer over codes that draws images of a class, and can be guided to it.

    python -m vqzoo.recipes.rotary_transformer_prior

Extracts the codes of the data set and of its mirrored images, fits a transformer of
rotary blocks to them, with a tenth of the labels dropped, and reports bits per code on
the test split. `vqzoo sample --prior=RUN --guidance=1.5` then draws images that show
more of their class. The weights that are kept are a moving average.

`--model` is the model whose codes are learned, by default a VQ-VAE of CIFAR-10 that was
trained for the squared error and for what a classifier sees. On one core an epoch of
CIFAR-10 and its mirrored images takes about 5 minutes.

Source: Sun et al. 2024 (LlamaGen), arXiv 2406.06525. Differs: a network of a million
weights, which trains on two cores; the class acts by adaptive norms.
"""

from vqzoo import training

RECIPE = training.PriorRecipe(
    name="rotary_transformer_prior",
    model="export/rotary_transformer_prior/model.keras",
    prior="rotary_transformer",
    prior_options=(
        "num_layers=4",
        "num_channels=128",
        "num_heads=4",
        "label_dropout=0.1",
    ),
    flip=True,
    epochs=15,
    batch_size=64,
    optimizer="adamw",
    weight_decay=0.05,
    learning_rate=1e-3,
    learning_rate_schedule="cosine",
    warmup_share=0.03,
    clip_norm=1.0,
    average_decay=0.999,
)

if __name__ == "__main__":
    training.main(RECIPE)
