"""Assignments: which code a latent gets during training.

Noise on the index of the chosen code is the signature of the library.
"""

import math

import keras
from keras import ops

from vqzoo.arguments import Configured, check_not_negative, check_one_of, check_positive
from vqzoo.ops import sample_code
from vqzoo.replicas import draw_rows

BOUNDARIES = ("reflect", "clip", "wrap")


class Assignment(Configured, keras.layers.Layer):
    """Abstract: gives a quantizer other codes than the nearest during training.

    Frozen, or in a frozen quantizer, it is at inference.

    One that acts on indices alone defines `call(codes, num_embeddings, training)`; one
    that needs the codebook is a `CodebookAssignment`.
    """

    needs_codebook = False
    # Share of the indices that it exchanges, where that does not depend on latents.
    moved_share = None

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True

    def assign(self, codes, latents, codebook):
        """Codes int32 `(N,)` for nearest `codes` `(batch, ...)`, during training.

        Args:
            codes: int32 `(batch, ...)`, N of them.
            latents: float32 `(N, D)`.
            codebook: float32 `(K, D)`.
        """
        codes = self(codes, num_embeddings=codebook.shape[0], training=True)
        return ops.reshape(codes, (-1,))


class CodebookAssignment(Assignment):
    """Abstract: one that looks at latents and codebook.

    It defines `call(codes, latents, codebook, training)`.
    """

    needs_codebook = True

    def assign(self, codes, latents, codebook):
        """Codes int32 `(N,)` of latents `(N, D)`, during training."""
        codes = ops.reshape(codes, (-1,))
        return self(codes, latents=latents, codebook=codebook, training=True)

    def compute_output_shape(
        self, codes_shape, latents_shape=None, codebook_shape=None
    ):
        return codes_shape

    def compute_output_spec(self, codes, latents, codebook, training=False):
        return keras.KerasTensor(codes.shape, dtype="int32")


@keras.saving.register_keras_serializable("vqzoo")
class NoisyAssignment(Assignment):
    """Adds discrete Gaussian noise to code indices during training.

    Each index k becomes k' = k + round(Normal(0, stddev ** 2)), drawn for each position
    on its own. Neighbors in the codebook are therefore exchanged
    now and then, and come to mean similar things. At inference the indices
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
        3.2. Differs: the text leaves the ends of the index range open. The caption of
        figure 3.2 calls sigma the variance of the noise, which is read here as a slip
        for its standard deviation. At a sigma of 0.2 that moves 1 % of the indices and
        not 26 %, at 0.5 32 % and not 48 %, at 1.0 62 % either way; for the other
        reading give `stddev=math.sqrt(sigma)`.
    Example:
        >>> noise = NoisyAssignment(1.0, seed=0)
        >>> noise(np.zeros((2, 4, 4), "int32"), num_embeddings=8, training=True).shape
        TensorShape([2, 4, 4])
    """

    def __init__(self, stddev=1.0, *, boundary="reflect", seed=None, **kwargs):
        super().__init__(**kwargs)
        check_not_negative(stddev=stddev)
        check_one_of(BOUNDARIES, boundary=boundary)
        stddev = float(stddev)
        self._keep(locals())
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.built = True

    @property
    def moved_share(self):
        """Share of the indices that become others, the ends left out: float."""
        return math.erfc(0.5 / (math.sqrt(2) * self.stddev)) if self.stddev else 0.0

    def call(self, codes, num_embeddings, training=False):
        codes = ops.cast(codes, "int32")
        if not (training and self.trainable) or self.stddev == 0:
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

    def compute_output_shape(self, codes_shape):
        return codes_shape

    def compute_output_spec(self, codes, num_embeddings, training=False):
        return keras.KerasTensor(codes.shape, dtype="int32")


@keras.saving.register_keras_serializable("vqzoo")
class StochasticAssignment(CodebookAssignment):
    """Draws the code of each latent from a softmax over distances during training.

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
        Differs: a hard draw instead of a Gumbel softmax, which
        `GumbelVectorQuantizer` has.
    Example:
        >>> assignment = StochasticAssignment(0.5, seed=0)
        >>> codes, points = np.arange(4), np.eye(4, dtype="float32")
        >>> assignment(codes, latents=points, codebook=points, training=True).shape
        TensorShape([4])
    """

    def __init__(self, temperature=1.0, *, seed=None, **kwargs):
        super().__init__(autocast=False, **kwargs)
        check_positive(temperature=temperature)
        temperature = float(temperature)
        self._keep(locals())
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.built = True

    def call(self, codes, latents, codebook, training=False):
        if not (training and self.trainable):
            return ops.cast(codes, "int32")
        return sample_code(latents, codebook, self.temperature, self.seed_generator)
