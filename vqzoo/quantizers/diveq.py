"""Differentiable vector quantization: the error's length times a fixed direction."""

import keras
from keras import ops

from vqzoo.arguments import check_not_negative, check_shares
from vqzoo.ops import lengths, unit_norm
from vqzoo.quantizers.code_replacement import ReplacedCodes
from vqzoo.registry import named


@keras.saving.register_keras_serializable("vqzoo")
class DiVeQ(ReplacedCodes):
    """Adds the error's length times the error's direction to the latent.

    During training, the decoder receives latent + |code - latent| * sg(d / |d|), where
    d is code - latent plus a little normal noise: nearly the code, and differentiable
    in latents and codes, so that the loss of the model trains both and no loss of the
    codebook's own is needed. Codes that fall out of use restart beside used ones. At
    inference the nearest code is taken.

    Args:
        num_embeddings: int, K. Number of codes.
        embedding_dim: int, D. Length of a code.
        variance: float, sigma^2 in the paper, of the noise on the direction, in squared
            units of the latents. With 0 the decoder receives the code. Defaults to
            0.001.
        decay: float in [0, 1), of the average count of each code. Defaults to 0.99.
        restart_threshold: float in [0, 1). A code restarts when its average count
            is below this share of the mean; 0 restarts none. Defaults to 0.1.
        codebook_init: `"data"` (latents of the first training batch, with a little
            noise) or a Keras initializer. Defaults to `"data"`.
        assignment: `NoisyAssignment`, `StochasticAssignment` or None: which code is
            taken for the nearest during training.
        seed: int or None, of the start, the noise and the restarts.
    Input shape: `(batch, ..., embedding_dim)`, float, any range.
    Output shape: same. Codes: `(batch, ...)`, int32, in [0, K).
    Losses: none.
    State: codebook_start `(K, D)`, not trainable, codebook_offset `(K, D)`, trainable,
        whose sum is the codebook; started `()`, ema_counts `(K,)`, of the nearest
        codes. Replicas draw noise of their own rows and place the same codes.
    Raises: ValueError: if a size is not positive, the variance is negative, a rate is
        out of its range, or the last axis of the input is not `embedding_dim`.
    Source: Vali et al. 2025, arXiv 2509.26469, DiVeQ. Differs: the codes start on
        latents; their use is a moving average; a code that restarts gets noise
        enough to part from the one beside it. The public package `diveq` takes its
        `noise_var` for the deviation, this class takes the root.
    Example:
        >>> quantizer = DiVeQ(512, 64)
        >>> quantizer(np.ones((2, 8, 8, 64), "float32")).shape
        TensorShape([2, 8, 8, 64])
    """

    def __init__(
        self,
        num_embeddings,
        embedding_dim,
        *,
        variance=1e-3,
        decay=0.99,
        restart_threshold=0.1,
        codebook_init="data",
        assignment=None,
        seed=None,
        **kwargs,
    ):
        super().__init__(num_embeddings, embedding_dim, assignment=assignment, **kwargs)
        check_not_negative(variance=variance)
        check_shares(decay=decay, restart_threshold=restart_threshold)
        self._keep(locals())

    def _substitute(self, rows, received):
        error = received - rows
        noise = self.variance**0.5 * self._draw_noise(rows)
        direction = unit_norm(error + noise)
        return rows + lengths(error) * ops.stop_gradient(direction)


@named("diveq")
def _diveq(settings, **options):
    names = ("decay", "restart_threshold", "assignment", "seed")
    return DiVeQ(*settings.sizes(), **settings.options(options, *names))
