"""Soft quantization: the mean of all codes, weighted by their probability."""

import keras
from keras import ops

from vqzoo.ops import straight_through
from vqzoo.quantizers import soft_codes
from vqzoo.quantizers.base import (
    add_learned,
    add_state,
    counted_rows,
    mean_squared_distance,
)
from vqzoo.registry import named

# Keeps a squared distance of 1e15 finite when it is divided by the variance.
_MIN_VARIANCE = 1e-20


@keras.saving.register_keras_serializable("vqzoo")
class SoftVectorQuantizer(soft_codes.MovedCodebook):
    """Replaces each latent by the posterior mean of the codes.

    The latent is taken for a code plus Gaussian noise of that code's variance, and the
    Bayesian estimate of the code, a convex combination of all of them, is what the
    decoder receives during training; its gradient is the true one. The variances are
    learned, one for each code. At inference the decoder receives the most probable
    code, or with `hard_at_inference=False` the soft vector too. Latents are taken in
    blocks of 2**22 / K: the N x K probabilities are never stored.

    Args:
        num_embeddings: int, K in the paper. Number of codes.
        embedding_dim: int, D in the paper. Length of a code.
        commitment_cost: float, beta in eq. 3 of the VQ-VAE, no unit. Defaults to 0.25.
        variance_init: float above 0, the variance per element that all codes start
            with, or None: measured on the first training batch, such that the
            probabilities neither sit on one code nor are flat. Defaults to None.
        hard_at_inference: bool. If False, the output at inference is not a function of
            the codes: it is not what `decode(encode(latents))` gives. Defaults to True.
        codebook_init: `"data"` (latents of the first training batch, with a little
            noise) or a Keras initializer. Defaults to `"data"`.
        assignment: must be None: there is no chosen code that could be perturbed.
        seed: int or None, of the start.
    Input shape: `(batch, ..., embedding_dim)`, float, any range.
    Output shape: same. Codes: `(batch, ...)`, int32, in [0, K): the most probable ones.
    Losses: with the most probable code, mean((sg(latents) - code) ** 2) and
        commitment_cost * mean((latents - sg(code)) ** 2).
    State: codebook_start `(K, D)`, not trainable, codebook_offset `(K, D)`, trainable,
        whose sum is the codebook; variance_scale `()`, not trainable, and
        log_variances `(K,)`, trainable, which make the variances; started `()`.
    Raises: ValueError: if a size or the variance is not positive, an assignment is
        given, or the last axis of the input is not `embedding_dim`.
    Source: Wu and Flierl 2020, arXiv 1905.11062; Coppock's thesis, section 2.4.7, eq.
        2.14. Differs: the variances are weights and not outputs of the encoder, the
        latents get no noise, all codes are equally likely beforehand; the two loss
        terms, which keep the codes on the latents, so that a hard choice works.
    Example:
        >>> quantizer = SoftVectorQuantizer(32, 64)
        >>> quantizer(np.ones((2, 8, 8, 64), "float32"), training=True).shape
        TensorShape([2, 8, 8, 64])
    """

    cost_arguments = {"commitment": "commitment_cost"}

    def __init__(
        self,
        num_embeddings,
        embedding_dim,
        *,
        commitment_cost=0.25,
        variance_init=None,
        hard_at_inference=True,
        codebook_init="data",
        assignment=None,
        seed=None,
        **kwargs,
    ):
        super().__init__(num_embeddings, embedding_dim, assignment=assignment, **kwargs)
        soft_codes.refuse_assignment(assignment)
        if variance_init is not None and not variance_init > 0:
            raise ValueError(
                "expected variance_init to be None or above 0, received "
                f"variance_init={variance_init}"
            )
        self._keep(locals())
        self.is_hybrid = not hard_at_inference

    def build(self, input_shape):
        super().build(input_shape)
        start = keras.initializers.Constant(self.variance_init or 1.0)
        self.variance_scale = add_state(self, "variance_scale", (), start)
        shape = (self.num_embeddings,)
        self.log_variances = add_learned(self, "log_variances", shape)

    @property
    def variances(self):
        """Variance of each code per element, float32 `(K,)`."""
        return self._variances(self.variance_scale.value)

    def _variances(self, scale):
        return ops.maximum(scale * ops.exp(self.log_variances), _MIN_VARIANCE)

    def probabilities(self, latents):
        """p(e_k | latent) for `latents` `(..., D)`: float32 `(..., K)`, whole."""
        latents = ops.cast(latents, "float32")
        densities = _log_densities(self._rows(latents), self.codebook, self.variances)
        p = ops.softmax(densities, axis=1)
        return ops.reshape(p, (*ops.shape(latents)[:-1], self.num_embeddings))

    def _quantize(self, latents, training, mask=None):
        rows = self._rows(latents)
        codebook, variances = self.codebook, self.variances
        if training:
            codebook, variances = self._start(rows, mask)
        code = ops.take(codebook, _best(rows, codebook, variances), axis=0)
        if training or not self.hard_at_inference:
            quantized = _mean(rows, codebook, variances)
        else:
            quantized = straight_through(rows, code)
        return quantized, {
            "codebook": mean_squared_distance(code, rows, mask),
            "commitment": mean_squared_distance(rows, code, mask),
        }

    def _nearest(self, latents):
        codes = _best(self._rows(latents), self.codebook, self.variances)
        return ops.reshape(codes, ops.shape(latents)[:-1])

    def _start(self, rows, mask):
        """Codebook and variances of a training step; the first ones place them."""
        before, known = ops.copy(self.started.value), self.codebook
        codebook = self._start_codebook(rows, mask)
        if self.variance_init is not None:
            return codebook, self.variances
        # exp(-d / unit) is a Gaussian whose variance is half of the unit.
        # A latent that has just become a code is at no distance.
        codes = ops.where(before > 0, known, codebook)
        nearest = self._choose(rows, codes, training=False)[1]
        counted = counted_rows(rows, mask)
        measured = 0.5 * soft_codes.distance_unit(rows, nearest, counted)
        fresh = ops.logical_and(before < 1, ops.any(counted))
        scale = ops.where(fresh, measured, self.variance_scale.value)
        self.variance_scale.assign(scale)
        return codebook, self._variances(scale)


def _log_densities(rows, codebook, variances):
    """Log of N(z; e_k, variance_k I) without its constant: `(n, K)`."""
    distances = soft_codes.squared_distances(rows, codebook)
    normalizers = 0.5 * codebook.shape[1] * ops.log(variances)
    return -distances / (2 * variances) - normalizers


def _mean(rows, codebook, variances):
    """Eq. 2.14: the mean of the codes under p(e_k | z), `(N, D)`."""

    def mean(rows, valid, index, codebook, variances):
        p = ops.softmax(_log_densities(rows, codebook, variances), axis=1)
        return (ops.matmul(p, codebook),), (ops.sum(valid),)

    shared = (codebook, variances)
    return soft_codes.over_blocks(mean, rows, shared, codebook.shape[0])[0][0]


def _best(rows, codebook, variances):
    """The most probable code of each row, int32 `(N,)`. No gradient."""

    def best(rows, valid, index, codebook, variances):
        codes = ops.argmax(_log_densities(rows, codebook, variances), axis=1)
        return (ops.cast(codes, "int32"),), (ops.sum(valid),)

    rows, *shared = (ops.stop_gradient(x) for x in (rows, codebook, variances))
    return soft_codes.over_blocks(best, rows, shared, codebook.shape[0])[0][0]


@named("soft")
def _soft(settings, **options):
    options = settings.options(options, "commitment_cost", "assignment", "seed")
    return SoftVectorQuantizer(*settings.sizes(), **options)
