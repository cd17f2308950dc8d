"""The memory of a world model: it predicts a game, given frames and actions.

    python -m vqzoo.recipes.world_memory
    vqzoo train world_memory --experience=runs/world_experience/... --model=runs/...

`--experience` is a run of world_experience, `--model` any trained autoencoder of its
frames, which encodes them once, onto the disk. Codes need `--memory=frame_transformer`
or `code_lstm`, real-valued latents `mdn_rnn`. The folder is a world: `vqzoo.load` opens
it, `world.step(actions)` continues a dream.

Source: Ha and Schmidhuber 2018, arXiv 1803.10122, section 2.3; Micheli et al. 2023
(IRIS), arXiv 2209.00588, section 2.2. Differs: a VAE's latents are its means, not
samples.
"""

from vqzoo import training

RECIPE = training.MemoryRecipe(
    name="world_memory",
    epochs=10,
    batch_size=16,
    learning_rate=1e-3,
    learning_rate_schedule="cosine",
    warmup_share=0.05,
    clip_norm=1.0,
)

if __name__ == "__main__":
    training.main(RECIPE)
