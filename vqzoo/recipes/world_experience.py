"""Episodes of a real game, which world models learn from.

    python -m vqzoo.recipes.world_experience
    vqzoo train world_experience --environment=ALE/Pong-v5

`--environment` names any gymnasium environment whose observation is an image. The
folder holds one file per episode and a card that describes them; `--dataset=episodes
--data_dir=FOLDER` gives the frames to any recipe of an autoencoder. Needs the extra
`world`.

Pong, 64 x 64: about 2,600 frames per second on one core (Intel Xeon), played, averaged
down and written.

Source: Ha and Schmidhuber 2018, arXiv 1803.10122, section 2: random rollouts.
"""

from vqzoo import training

RECIPE = training.ExperienceRecipe(name="world_experience")

if __name__ == "__main__":
    training.main(RECIPE)
