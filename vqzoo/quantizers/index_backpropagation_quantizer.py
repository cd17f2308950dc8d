"""Vector quantizer whose gradient reaches every code through the choice itself."""

import keras
from keras import ops

from vqzoo.arguments import check_positive
from vqzoo.ops import mean_of, straight_through
from vqzoo.quantizers import soft_codes
from vqzoo.quantizers.base import counted_rows, mean_squared_distance
from vqzoo.registry import named


@keras.saving.register_keras_serializable("vqzoo")
class IndexBackpropagationQuantizer(soft_codes.MovedCodebook):
    """Replaces each latent by the nearest code; the gradient passes the one-hot choice.

    Forward, the one-hot vector of the nearest code picks the code. Backward, it is
    taken for the softmax over all codes, so that each step moves every code and the
    latents feel where the neighboring codes lie. At inference the nearest code is
    taken, at the cost of a look-up, with the plain straight-through gradient.

    The probability of code k is proportional to exp(-|z - e_k|^2 / (temperature * u)),
    where u is the batch's mean squared distance to the nearest code, so that the
    softmax reaches as far whatever D and the scale of the latents are. The entropy loss
    keeps all codes in use; it takes a low temperature. Latents are taken in blocks of
    2**22 / K, whose probabilities are computed anew on the way back: the N x K table is
    never stored.

    Args:
        num_embeddings: int, K in the paper. Number of codes.
        embedding_dim: int, D in the paper. Length of a code.
        commitment_cost: float, beta, no unit. Defaults to 0.25.
        entropy_weight: float, of the entropy of each latent's probabilities minus the
            entropy of their mean, in nats. Defaults to 0.001.
        temperature: float above 0, in the unit u. Defaults to 0.1.
        codebook_init: `"data"` (latents of the first training batch, with a little
            noise) or a Keras initializer. Defaults to `"data"`.
        assignment: `NoisyAssignment` or another assignment, or None: a perturbation of
            the chosen code during training. The decoder receives the perturbed code and
            the codebook loss moves it; the commitment loss pulls to the nearest code.
        seed: int or None, of the start.
    Input shape: `(batch, ..., embedding_dim)`, float, any range.
    Output shape: same. Codes: `(batch, ...)`, int32, in [0, K).
    Losses: the double quantization loss: mean((sg(latents) - assigned) ** 2),
        commitment_cost * mean((latents - sg(nearest)) ** 2) and
        mean((latents - quantized) ** 2), whose gradient passes the softmax; with an
        entropy_weight, that times the difference of entropies.
    State: codebook_start `(K, D)`, not trainable, codebook_offset `(K, D)`, trainable,
        whose sum is the codebook; started `()`.
    Raises: ValueError: if a size or the temperature is not positive, a weight is
        negative, or the last axis of the input is not `embedding_dim`.
    Source: Shi et al. 2024, arXiv 2412.02692. Differs: scores are squared
        distances in a measured unit instead of inner products, which saturate
        when the latents grow; the codes start on latents; each term is a mean per
        element; beta is on the commitment, as in the VQ-VAE.
    Example:
        >>> quantizer = IndexBackpropagationQuantizer(512, 64)
        >>> quantizer(np.ones((2, 8, 8, 64), "float32")).shape
        TensorShape([2, 8, 8, 64])
    """

    cost_arguments = {"commitment": "commitment_cost", "entropy": "entropy_weight"}

    def __init__(
        self,
        num_embeddings,
        embedding_dim,
        *,
        commitment_cost=0.25,
        entropy_weight=0.001,
        temperature=0.1,
        codebook_init="data",
        assignment=None,
        seed=None,
        **kwargs,
    ):
        super().__init__(num_embeddings, embedding_dim, assignment=assignment, **kwargs)
        check_positive(temperature=temperature)
        self._keep(locals())

    def _quantize(self, latents, training, mask=None):
        rows, codebook = self._rows(latents), self.codebook
        if training:
            codebook = self._start_codebook(rows, mask)
        _, nearest, _, assigned = self._choose(latents, codebook, training)
        entropy = None
        if training or self.entropy_weight:
            mixture, entropy = self._mix(rows, codebook, nearest, mask)
        if training:
            quantized = assigned + (mixture - ops.stop_gradient(mixture))
        else:
            quantized = straight_through(rows, nearest)
        terms = {
            "codebook": mean_squared_distance(assigned, rows, mask),
            "commitment": mean_squared_distance(rows, nearest, mask),
            "index": mean_of(ops.square(quantized - rows), mask),
        }
        if self.entropy_weight:
            terms["entropy"] = entropy
        return quantized, terms

    def _mix(self, rows, codebook, nearest, mask):
        """Sum of p_k sg(e_k) for each row, and the difference of the entropies."""
        unit = self.temperature * soft_codes.distance_unit(
            rows, nearest, counted_rows(rows, mask)
        )

        def mix(rows, valid, index, codebook):
            distances = soft_codes.squared_distances(rows, codebook)
            log_p = ops.log_softmax(-distances / unit, axis=1)
            mixture = ops.matmul(ops.exp(log_p), ops.stop_gradient(codebook))
            p = valid * ops.exp(log_p)
            sums = ops.sum(p, axis=0), ops.sum(p * log_p), ops.sum(valid)
            return (mixture,), sums

        (mixture,), (sum_p, sum_p_log_p, count) = soft_codes.over_blocks(
            mix, rows, (codebook,), self.num_embeddings, mask
        )
        joint = soft_codes.mixture_entropy(sum_p, count)
        return mixture, -sum_p_log_p / ops.maximum(count, 1.0) - joint


@named("ibq")
def _ibq(settings, **options):
    options = settings.options(options, "commitment_cost", "assignment", "seed")
    return IndexBackpropagationQuantizer(*settings.sizes(), **options)
