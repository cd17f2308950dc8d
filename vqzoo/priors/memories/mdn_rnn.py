"""The memory of the world models of Ha and Schmidhuber."""

import keras
from keras import ops

from vqzoo.priors import mixture
from vqzoo.priors.memories.recurrent import RecurrentMemory
from vqzoo.registry import named


@named("mdn_rnn")
@keras.saving.register_keras_serializable("vqzoo")
class MDNRNN(RecurrentMemory):
    """An LSTM that predicts a mixture of Gaussians for each latent of a frame.

    The latents of a frame are independent given the state. It computes in float32 under
    any policy. Temperature t divides logits by t and multiplies standard deviations by
    the square root of t.

    Args:
        tiers: sequence of `(shape, 0)` of the latents of a frame, as of a VAE with 32
            latents `(((32,), 0),)`.
        num_units: int, of the LSTM.
        num_mixtures: int, Gaussians per latent.
        **kwargs: what all memories take, such as `num_actions`: see `Memory`.
    Input shape: `(batch, frames, frame_size)`, float, any range; with actions a dict
        of these as `latents` and of `actions`, int32 `(batch, frames)` or float
        `(batch, frames, action_dim)`.
    Output shape: `(batch, frames, frame_size, 3 * num_mixtures)`, float32, as
        `priors.mixture.parts` reads them; with actions a dict of these as `latents`,
        and of logits `rewards` `(batch, frames, R)` and `ends` `(batch, frames)`.
    Raises: ValueError: if a size is not positive, or tiers have codes.
    Source: Ha and Schmidhuber 2018, arXiv 1803.10122, section 2.3 and appendix A.2; the
        temperature as in their code. Differs: it also predicts the first frame,
        and rewards as classes.
    Example:
        >>> memory = MDNRNN((((3,), 0),), num_units=8, num_frames=4)
        >>> memory.sample(2, seed=0).shape
        (2, 4, 3)
    """

    takes_codes = False
    smoke_options = {"num_units": 16}

    def __init__(self, tiers, *, num_units=256, num_mixtures=5, **kwargs):
        kwargs["dtype"] = "float32"
        self._make(locals(), "num_units", "num_mixtures")

    def _make_ends(self):
        self.mixture = keras.layers.Dense(
            self.frame_size * 3 * self.num_mixtures, dtype="float32", name="mixture"
        )

    def _inputs(self, latents, actions):
        parts = [latents, *self._encoded(actions, "float32")]
        return ops.concatenate(parts, axis=-1)

    def _described(self, features):
        outputs = self.mixture(features)
        shape = (-1, *outputs.shape[1:-1], self.frame_size, 3 * self.num_mixtures)
        return ops.reshape(outputs, shape)

    def _frame_loss(self):
        def nats(latents, outputs):
            parts = mixture.parts(outputs, self.num_mixtures, 1)
            values = ops.convert_to_tensor(latents, outputs.dtype)[..., None]
            return -mixture.log_density(values, *parts)

        return nats

    def _log_probs(self, outputs, latents):
        outputs = ops.convert_to_tensor(outputs)
        nats = ops.convert_to_numpy(self._frame_loss()(latents, outputs))
        return -nats.sum(axis=-1, dtype="float64")

    def _more_random(self, places):
        return {"normal": places}

    def _draw(self, outputs, random, heat, column):
        del column
        rows = ops.reshape(outputs, (-1, outputs.shape[-1]))
        heat = ops.repeat(heat, self.frame_size, axis=0)
        drawn = mixture.draw(
            *mixture.parts(rows, self.num_mixtures, 1),
            heat,
            ops.reshape(random["uniform"], (-1,)),
            ops.reshape(random["normal"], (-1, 1)),
        )
        return ops.reshape(drawn, (-1, self.frame_size))
