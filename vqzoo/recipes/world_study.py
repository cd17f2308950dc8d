"""World models of codes beside those of a VAE's latents, with noise and without.

    python -m vqzoo.recipes.world_study

World models of Pong, on one experience, with three seeds each: the VAE of Ha and
Schmidhuber with a mixture density network; a VQ-VAE that collapsed, a healthy one, one
with the noisy assignment, and FSQ, with an LSTM over their codes, or with
`--code_memory=frame_transformer` a transformer. How well they foresee held-out
episodes, what a linear probe reads of the game's variables, at what bits a frame, and
what a controller reaches in the real game that learned in the dream alone.

Source: Coppock's thesis, section 7, its first avenue of further work.
"""

from vqzoo import studies, training

RECIPE = studies.WorldStudyRecipe(
    name="world_study",
    eye_options=("epochs=4", "max_steps_per_epoch=250"),
    memory_options=("epochs=4", "max_steps_per_epoch=100"),
    controller_options=("generations=20", "population=8", "test_games=16"),
)

if __name__ == "__main__":
    training.main(RECIPE)
