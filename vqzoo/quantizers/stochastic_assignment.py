"""Codes drawn at random, the nearer the likelier."""

import keras
from keras import ops

from vqzoo.ops import sample_code


@keras.saving.register_keras_serializable("vqzoo")
class StochasticAssignment(keras.layers.Layer):
    """Draws the code of each latent from a softmax over distances while training.

    The probability of code k is proportional to exp(-|z - e_k|^2 / temperature). At
    inference the nearest code is taken. Give it to a quantizer as `assignment`.

    Args:
        temperature: float above 0, in units of a squared distance between latents.
        seed: int or None, of the draws.
    Input shape: the nearest codes `(N,)`, int32; with them go `latents`, float
        `(N, D)`, and `codebook`, float `(K, D)`.
    Output shape: codes `(N,)`, int32, in [0, K).
    State: none beside the seed. Every replica draws with the same noise.
    Raises: ValueError: if `temperature` is not positive.
    Source: Williams et al. 2020, arXiv 2002.08111; Coppock's thesis, eq. 2.15.
        Differs: a hard draw in the place of a Gumbel softmax, which
        `GumbelVectorQuantizer` has.
    Example:
        >>> assignment = StochasticAssignment(0.5, seed=0)
        >>> codes, points = np.arange(4), np.eye(4, dtype="float32")
        >>> assignment(codes, latents=points, codebook=points, training=True).shape
        TensorShape([4])
    """

    def __init__(self, temperature=1.0, *, seed=None, **kwargs):
        super().__init__(autocast=False, **kwargs)
        if not temperature > 0:
            raise ValueError(
                f"expected a temperature above 0, received temperature={temperature}"
            )
        self.temperature = float(temperature)
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.built = True

    def call(self, codes, latents, codebook, training=False):
        if not training:
            return ops.cast(codes, "int32")
        return sample_code(latents, codebook, self.temperature, self.seed_generator)

    def compute_output_spec(self, codes, latents, codebook, training=False):
        return keras.KerasTensor(codes.shape, dtype="int32")

    def get_config(self):
        config = super().get_config()
        config.pop("autocast", None)
        config.update(temperature=self.temperature, seed=self.seed)
        return config
