"""A soft-VQ-VAE: during training the decoder sees a mixture of all codes.

    python -m vqzoo.recipes.soft_vqvae

It fails on the embedded photographs where one code is decoded, as here at inference:
19.3 dB with a perplexity of 7.7. The decoder learns mixtures, which tell it more: in
training its error falls to a quarter (0.0038 against 0.016, history.csv of its card),
while fewer and fewer codes are the nearest. Mixtures, for which no code stands, are
decoded as in the paper with `--quantizer_options=hard_at_inference=False`. In a search
(`search.json` of the card, one seed, 6 epochs) these have 26.6 dB and the codes of a
moving average 25.2 dB; single codes of the mixtures stay at 21.5 dB, and commitment
costs of 10 and 100 make it worse.

The weights are the probabilities of the codes; 32 codes, as the paper needed.

Source: Wu and Flierl 2020; Coppock's thesis, section 2.4.7, eq. 2.14. Differs: one
variance for each code, learned.
"""

from vqzoo import training

RECIPE = training.Recipe(
    name="soft_vqvae",
    model="vqvae_32",
    quantizer="soft",
    num_embeddings=32,
    epochs=8,
)

if __name__ == "__main__":
    training.main(RECIPE)
