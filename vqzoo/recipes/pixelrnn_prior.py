"""PixelRNN priors over the codes of a trained model.

    python -m vqzoo.recipes.pixelrnn_prior

As `pixelsnail_prior`, with Row LSTMs instead of convolutions and attention: four
of 64 units, as `pixelrnn_row_8`. `--prior_options=cell=diagonal,num_layers=4` is the
Diagonal BiLSTM.

Source: van den Oord et al. 2016, arXiv 1601.06759; Coppock's thesis, section 2.4.2.
Differs: fewer and smaller layers, so that it trains on two cores.
"""

from vqzoo import training

RECIPE = training.PriorRecipe(
    name="pixelrnn_prior",
    prior="pixelrnn",
    prior_options=("cell=row", "num_layers=4"),
    epochs=2,
    batch_size=64,
    learning_rate=1e-3,
    learning_rate_schedule="cosine",
)

if __name__ == "__main__":
    training.main(RECIPE)
