"""World models of codes beside those of a VAE, with and without noise.

    python -m vqzoo.recipes.world_study

World models of Pong, on the same experience, with three seeds each: the VAE of Ha and
Schmidhuber with a mixture density network; a collapsed VQ-VAE, a healthy one, one with
the noisy assignment, and FSQ, with an LSTM over their codes, or a transformer with
`--code_memory=frame_transformer`. The table says how well they predict held-out
episodes, which variables of the game a linear probe reads, the bits per frame, and the
score in the real game of a controller that learned only in dreams.

Source: Coppock's thesis, chapter 5, its first avenue of further work.
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
