"""The controller of a world model, trained in its dream alone or in the real game.

    python -m vqzoo.recipes.world_controller
    vqzoo train world_controller --world=runs/world_memory/...

`--controller=linear` is evolved by CMA-ES, `--controller=actor_critic` learns in
imagination by lambda returns; `--train_in=environment` evolves in the real game. The
end is played in the real game, 16 times, beside a policy that draws its actions.

Source: Ha and Schmidhuber 2018, arXiv 1803.10122, section 2.4; Micheli et al. 2023
(IRIS), arXiv 2209.00588, section 2.3. Differs: the actor sees latents and the memory's
features, not frames; advantages are scaled to one deviation.
"""

from vqzoo import training

RECIPE = training.ControllerRecipe(
    name="world_controller", learning_rate=3e-4, clip_norm=1.0
)

if __name__ == "__main__":
    training.main(RECIPE)
