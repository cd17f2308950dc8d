"""A world model of a game, from the first episode to a controller that plays it.

    python -m vqzoo.recipes.world_model

`vqzoo train world_model --environment=ALE/Pong-v5` collects episodes, trains the eye
(an autoencoder of frames), the memory of its latents and a controller that learns only
in dreams, and plays the real game with it. Each stage is a recipe (world_experience,
those of autoencoders, world_memory, world_controller); --experience_options and the
like take its flags. Finished stages are not repeated. The folder is a world for
`vqzoo.load`, with all numbers and a film of the dream beside the game. Needs the extra
`world`.

Source: Ha and Schmidhuber 2018, arXiv 1803.10122; with codes: Micheli et al. 2023
(IRIS), arXiv 2209.00588. Differs: the stages are trained once, one after the other.
"""

from vqzoo import studies, training

RECIPE = studies.WorldModelRecipe(
    name="world_model",
    eye_options=("epochs=4", "max_steps_per_epoch=500"),
    memory_options=("epochs=4",),
)

if __name__ == "__main__":
    training.main(RECIPE)
