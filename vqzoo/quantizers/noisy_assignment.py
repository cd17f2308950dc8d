"""Noise on the chosen code index, the signature of the library."""

import keras
from keras import ops

from vqzoo.ops import draw_rows

BOUNDARIES = ("reflect", "clip", "wrap")


@keras.saving.register_keras_serializable("vqzoo")
class NoisyAssignment(keras.layers.Layer):
    """Adds discrete Gaussian noise to code indices while training.

    Each index k becomes k' = k + round(Normal(0, stddev ** 2)), drawn for each position
    on its own. Codes that stand beside each other in the codebook are so exchanged
    now and then, which makes them come to mean similar things. At inference the indices
    pass unchanged. Give it to a quantizer as `assignment`; the quantizer decides what
    k' is used for.

    Args:
        stddev: float, sigma in the thesis, in index steps. 0 turns the noise off.
        boundary: what happens to an index beyond the ends of [0, K): `"reflect"` (the
            end itself is the mirror: -1 becomes 1), `"clip"` or `"wrap"`. Defaults to
            `"reflect"`.
        seed: int or None, of the noise.
    Input shape: codes, any shape with a batch axis first, int32, in [0, K).
        `num_embeddings` (int, K) goes with them: `layer(codes, num_embeddings=512)`.
    Output shape: same, int32, in [0, K).
    State: none beside the seed. Replicas of one batch draw from the same stream, each
        its own rows, so that the noise equals one device's on the joined batch.
    Raises: ValueError: if `stddev` is negative or `boundary` is unknown.
    Source: Coppock's thesis on noisy vector quantization, section 3.1, figures 3.1 and
        3.2. Differs: the text leaves the ends of the index range open.
    Example:
        >>> noise = NoisyAssignment(1.0, seed=0)
        >>> noise(np.zeros((2, 4, 4), "int32"), num_embeddings=8, training=True).shape
        TensorShape([2, 4, 4])
    """

    def __init__(self, stddev=1.0, *, boundary="reflect", seed=None, **kwargs):
        super().__init__(**kwargs)
        if not stddev >= 0:
            raise ValueError(
                f"expected a stddev of at least 0, received stddev={stddev}"
            )
        if boundary not in BOUNDARIES:
            raise ValueError(
                f"expected boundary to be one of {BOUNDARIES}, received "
                f"boundary={boundary!r}"
            )
        self.stddev = float(stddev)
        self.boundary = boundary
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.built = True

    def call(self, codes, num_embeddings, training=False):
        codes = ops.cast(codes, "int32")
        if not training or self.stddev == 0:
            return codes
        return self._bound(codes + self._offsets(codes), num_embeddings)

    def _offsets(self, codes):
        def draw(num_rows):
            shape = (num_rows, *ops.shape(codes)[1:])
            return keras.random.normal(
                shape, stddev=self.stddev, seed=self.seed_generator
            )

        return ops.cast(ops.round(draw_rows(draw, ops.shape(codes)[0])), "int32")

    def _bound(self, codes, num_embeddings):
        last = num_embeddings - 1
        if self.boundary == "clip" or last == 0:
            return ops.clip(codes, 0, last)
        if self.boundary == "wrap":
            return ops.mod(codes, num_embeddings)
        return last - ops.abs(last - ops.mod(codes, 2 * last))

    def compute_output_spec(self, codes, num_embeddings, training=False):
        return keras.KerasTensor(codes.shape, dtype="int32")

    def get_config(self):
        config = super().get_config()
        config.update(stddev=self.stddev, boundary=self.boundary, seed=self.seed)
        return config
