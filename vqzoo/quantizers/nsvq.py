"""Noise substitution: noise instead of the quantization error, during training."""

import keras

from vqzoo.arguments import check_shares
from vqzoo.ops import lengths, unit_norm
from vqzoo.quantizers.code_replacement import ReplacedCodes
from vqzoo.registry import named


@keras.saving.register_keras_serializable("vqzoo")
class NSVQ(ReplacedCodes):
    """Replaces the quantization error by noise of the same length during training.

    During training, the decoder receives latent + |latent - nearest code| * v / |v|,
    with v from a normal distribution: a point as far from the latent as its code is, in
    a random direction. That is differentiable in latents and codes, so that the loss of
    the model trains both and no loss of the codebook's own is needed. Codes that fall
    out of use restart beside used ones. At inference the nearest code is taken.

    Args:
        num_embeddings: int, K in the paper. Number of codes.
        embedding_dim: int, D in the paper. Length of a code.
        decay: float in [0, 1), of the average count of each code. Defaults to 0.99.
        restart_threshold: float in [0, 1). A code restarts when its average count
            is below this share of the mean; 0 restarts none. Defaults to 0.1.
        codebook_init: `"data"` (latents of the first training batch, with a little
            noise) or a Keras initializer. Defaults to `"data"`.
        seed: int or None, of the start, the noise and the restarts.
    Input shape: `(batch, ..., embedding_dim)`, float, any range.
    Output shape: same. Codes: `(batch, ...)`, int32, in [0, K).
    Losses: none.
    State: codebook_start `(K, D)`, not trainable, codebook_offset `(K, D)`, trainable,
        whose sum is the codebook; started `()`, ema_counts `(K,)`. Replicas draw noise
        of their own rows and place the same codes.
    Raises: ValueError: if a size is not positive, a rate is out of its range, there is
        an assignment, or the last axis of the input is not `embedding_dim`.
    Source: Vali and Backstrom 2022, IEEE Access 10, NSVQ. Differs: the codes start on
        latents; their use is a moving average and not a count over some batches; a
        code that restarts gets noise enough to part from the one beside it.
    Example:
        >>> quantizer = NSVQ(512, 64)
        >>> quantizer(np.ones((2, 8, 8, 64), "float32")).shape
        TensorShape([2, 8, 8, 64])
    """

    def __init__(
        self,
        num_embeddings,
        embedding_dim,
        *,
        decay=0.99,
        restart_threshold=0.1,
        codebook_init="data",
        seed=None,
        **kwargs,
    ):
        if kwargs.pop("assignment", None) is not None:
            raise ValueError(
                "expected assignment=None: during training the decoder receives noise, "
                "not a code that could be perturbed"
            )
        super().__init__(num_embeddings, embedding_dim, **kwargs)
        check_shares(decay=decay, restart_threshold=restart_threshold)
        self._keep(locals())

    def _substitute(self, rows, received):
        noise = self._draw_noise(rows)
        return rows + lengths(rows - received) * unit_norm(noise)


@named("nsvq")
def _nsvq(settings, **options):
    options = settings.options(options, "decay", "restart_threshold", "seed")
    return NSVQ(*settings.sizes(), **options)
