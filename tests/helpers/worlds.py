"""Small worlds for tests, with the weights that they begin with."""

import keras
import numpy as np

from vqzoo.datasets import experience
from vqzoo.layers import VectorQuantizerEMA
from vqzoo.models import VAE, VQVAE
from vqzoo.priors import MDNRNN, CodeLSTM, FrameTransformer
from vqzoo.world import dream
from vqzoo.world.actions import Actions

NUMBERS = Actions(low=(-1.0, 0.0), high=(1.0, 1.0))


def small(kind="code_lstm", actions=None, num_starts=3):
    """A world of 16 x 16 frames: codes of 4 x 4 in 8, or 3 latents of a VAE."""
    keras.utils.set_random_seed(0)
    actions = actions or Actions(count=3)
    options = {"image_shape": (16, 16, 3), "num_channels": 4, "residual_channels": 2}
    options["num_residual_blocks"] = 1
    known = {
        "num_actions": actions.count,
        "action_dim": actions.action_dim,
        "reward_values": (-1.0, 0.0, 1.0),
        "num_frames": 4,
    }
    codes = (((4, 4), 8),)
    if kind == "mdn_rnn":
        model = VAE(latent_dim=3, stride=4, **options)
        memory = MDNRNN((((3,), 0),), num_units=4, num_mixtures=2, **known)
    else:
        quantizer = VectorQuantizerEMA(8, 4)
        model = VQVAE(quantizer, stride=4, **options)
        if kind == "code_lstm":
            memory = CodeLSTM(codes, num_units=6, num_channels=3, **known)
        else:
            sizes = {"num_layers": 1, "num_channels": 8, "num_heads": 2, "seed": 0}
            memory = FrameTransformer(codes, context=2, **sizes, **known)
    generator = np.random.default_rng(0)
    rows = experience.row_type((16, 16, 3), actions.action_dim)
    starts = np.zeros((num_starts, 2), rows)
    starts["frame"] = generator.integers(256, size=starts["frame"].shape)
    starts["action"] = actions.random(generator, num_starts, 2)
    return dream.World(model, memory, actions, starts, environment="Catch-v0")
