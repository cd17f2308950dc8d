"""A next-scale prior over the codes of a multi-scale tokenizer.

    python -m vqzoo.recipes.next_scale_prior

Needs `--model`, such as a run of `var_tokenizer`. Extracts the codes of the data set,
fits a transformer that draws a whole scale at a time, and reports bits per code on the
test split. A tenth of the labels is dropped, so that `vqzoo sample --prior=RUN
--guidance=2` works.

Source: Tian et al. 2024 (VAR), arXiv 2404.02905. Differs: a smaller network, which
trains on two cores.
"""

from vqzoo import training

RECIPE = training.PriorRecipe(
    name="next_scale_prior",
    model="runs/var_tokenizer/model.keras",
    prior="next_scale",
    prior_options=(
        "num_layers=6",
        "num_channels=192",
        "num_heads=6",
        "label_dropout=0.1",
    ),
    epochs=10,
    batch_size=64,
    learning_rate=1e-3,
    learning_rate_schedule="cosine",
    warmup_share=0.05,
)

if __name__ == "__main__":
    training.main(RECIPE)
