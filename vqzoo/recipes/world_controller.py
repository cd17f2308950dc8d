"""The controller of a world model, trained in dreams or in the real game.

    python -m vqzoo.recipes.world_controller
    vqzoo train world_controller --world=runs/world_memory/...

`--controller=linear` is evolved by CMA-ES, `--controller=actor_critic` learns in dreams
by lambda returns; `--train_in=environment` evolves in the real game. At the end the
controller plays 16 real games, beside a random policy.

Source: Ha and Schmidhuber 2018, arXiv 1803.10122, section 2.4; Micheli et al. 2023
(IRIS), arXiv 2209.00588, section 2.3. Differs: the actor sees latents and the memory's
features, not frames; advantages are scaled to unit deviation.
"""

from vqzoo import training

RECIPE = training.ControllerRecipe(
    name="world_controller", learning_rate=3e-4, clip_norm=1.0
)

if __name__ == "__main__":
    training.main(RECIPE)
