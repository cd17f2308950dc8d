"""A recurrent memory of frames of codes."""

import keras
from keras import ops

from vqzoo.priors import raster
from vqzoo.priors.memories import codes
from vqzoo.priors.memories.recurrent import RecurrentMemory
from vqzoo.registry import named


@named("code_lstm")
@keras.saving.register_keras_serializable("vqzoo")
class CodeLSTM(RecurrentMemory):
    """An LSTM that predicts a distribution over codes at each position of a frame.

    Like the latents of `MDNRNN`, the codes of a frame are independent given the state:
    a frame takes one step.

    Args:
        tiers: sequence of `(shape, number of codes)` of the tiers of a frame, as
            `(((8, 8), 512),)`.
        num_units: int, of the LSTM.
        num_channels: int, of each position before and after the LSTM.
        **kwargs: what all memories take, such as `num_actions`: see `Memory`.
    Input shape: codes, int32 `(batch, frames, frame_size)`; with actions a dict, see
        `MDNRNN`.
    Output shape: `(batch, frames, frame_size, K)`, float32 logits, K the most codes of
        a tier; with actions a dict, see `MDNRNN`.
    Raises: ValueError: if a size is not positive, or tiers have no codes.
    Source: Ha and Schmidhuber 2018, arXiv 1803.10122, section 2.3. Differs: categorical
        distributions over codes instead of mixtures.
    Example:
        >>> memory = CodeLSTM((((2, 2), 8),), num_units=8, num_frames=4)
        >>> memory.sample(2, seed=0).shape
        (2, 4, 4)
    """

    smoke_options = {"num_units": 16, "num_channels": 4}

    def __init__(self, tiers, *, num_units=512, num_channels=16, **kwargs):
        self._make(locals(), "num_units", "num_channels")

    def _make_ends(self):
        self.codes = codes.Codes(self)
        dtype = self.layer_dtype
        self.embedding = keras.layers.Embedding(
            self.codes.total, self.num_channels, dtype=dtype, name="embedding"
        )
        self.squeeze = keras.layers.Dense(
            self.num_units, activation="relu", dtype=dtype, name="squeeze"
        )
        self.spread = keras.layers.Dense(
            self.frame_size * self.num_channels, dtype=dtype, name="spread"
        )
        self.norm = keras.layers.LayerNormalization(dtype=dtype, name="norm")
        self.logits = keras.layers.Dense(
            self.codes.most, dtype="float32", name="logits"
        )

    def _inputs(self, latents, actions):
        tokens = self.embedding(self.codes.tokens(latents))
        shape = (-1, *tokens.shape[1:-2], self.frame_size * self.num_channels)
        features = self.squeeze(ops.reshape(tokens, shape))
        encoded = self._encoded(actions, features.dtype)
        return ops.concatenate([features, *encoded], axis=-1)

    def _described(self, features):
        places = self.spread(features)
        shape = (-1, *places.shape[1:-1], self.frame_size, self.num_channels)
        places = ops.gelu(self.norm(ops.reshape(places, shape)))
        return self.logits(places) + self.codes.outside

    def _frame_loss(self):
        return codes.loss()

    def _log_probs(self, outputs, latents):
        return codes.log_probs(outputs, latents)

    def _draw(self, outputs, random, heat, column):
        del column
        logits = ops.reshape(outputs / heat[..., None], (-1, self.codes.most))
        drawn = raster.choose(logits, ops.reshape(random["uniform"], (-1,)))
        return ops.reshape(drawn, (-1, self.frame_size))
