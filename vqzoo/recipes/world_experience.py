"""Episodes of a real game, which world models learn from.

    python -m vqzoo.recipes.world_experience
    vqzoo train world_experience --environment=ALE/Pong-v5

Any environment of gymnasium whose observation is an image, by name. The folder holds an
episode a file and a card of what is in them; `--dataset=episodes --data_dir=FOLDER`
gives the frames to any recipe of an autoencoder. Needs the extra `world`.

Pong, 64 x 64: about 2,600 frames a second of one core (Intel Xeon), played, averaged
down and written.

Source: Ha and Schmidhuber 2018, arXiv 1803.10122, section 2: random rollouts.
"""

from vqzoo import training

RECIPE = training.ExperienceRecipe(name="world_experience")

if __name__ == "__main__":
    training.main(RECIPE)
