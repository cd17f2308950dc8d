"""Images as 32 tokens instead of a grid, between two vision transformers.

    python -m vqzoo.recipes.titok

`--model_options=tokenizer=FILE,targets=codes` is the first stage of the paper, whose
targets are the codes of a trained tokenizer; the second one continues from it with
`--model_options=tokenizer=FILE --start_from=RUN --only_decoder`.

Source: Yu et al. 2024 (TiTok), arXiv 2406.07550. Differs: small images and network; a
single stage on pixels, unless a tokenizer is given.
"""

from vqzoo import training

RECIPE = training.Recipe(
    name="titok",
    model="titok_64",
    num_embeddings=4096,
    embedding_dim=12,
    epochs=20,
    learning_rate=1e-3,
    learning_rate_schedule="cosine",
    warmup_share=0.05,
    quantizer="cosine",
)

if __name__ == "__main__":
    training.main(RECIPE)
