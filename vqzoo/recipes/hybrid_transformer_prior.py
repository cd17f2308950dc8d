"""A transformer prior over hybrid latents: codes and the numbers beside them.

    python -m vqzoo.recipes.hybrid_transformer_prior

Extracts the codes of the data set and the real number beside each, fits a transformer
that draws a code and then its number, one position at a time, and reports bits of the
codes and nats of both on the test split. `vqzoo sample --prior=RUN` then draws images.
It is the prior that the report on hybrid latents leaves to future work.

`--model` is a model of projected or frequency latents, with one tier or more, such as
the artifact of the recipe `projected_latents` by default; `--dataset` should be
what it was trained on. Priors of codes alone take `--prior=transformer`.

Source: Vila's report on hybrid latents, section 3.2; mixtures of Gaussians: Bishop
1994. Differs: the report has no prior.
"""

from vqzoo import training

RECIPE = training.PriorRecipe(
    name="hybrid_transformer_prior",
    model="export/projected_latents/model.keras",
    prior="hybrid_transformer",
    prior_options=("num_layers=4", "num_channels=128", "num_heads=4"),
    epochs=16,
    batch_size=64,
    learning_rate=1e-3,
    learning_rate_schedule="cosine",
    warmup_share=0.05,
)

if __name__ == "__main__":
    training.main(RECIPE)
