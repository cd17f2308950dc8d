"""Codes of bits that are drawn, each with its own probability."""

import math

import keras
from keras import ops

from vqzoo.arguments import check_not_negative
from vqzoo.ops import mean_of, straight_through
from vqzoo.quantizers import mixed_radix
from vqzoo.quantizers.base import Quantizer, add_learned
from vqzoo.quantizers.lookup_free_quantizer import check_range
from vqzoo.registry import named
from vqzoo.replicas import draw_rows

_MOST_BITS = 12  # in training each latent has a probability for every code


@keras.saving.register_keras_serializable("vqzoo")
class BinaryMapper(Quantizer):
    """Draws the bits of a code and looks up its vector.

    A linear map gives the logit of each bit. While training the bits are drawn, and
    the gradient is that of the probabilities of all codes; at inference a bit is the
    likelier of its values. A loss keeps more than some information from going through.

    Args:
        num_bits: int from 1 to 12. There are `2 ** num_bits` codes.
        embedding_dim: int, D. Length of a code.
        free_bits: float, what a latent may say for nothing, in bits. Defaults to 1.
        divergence_weight: float, weight of the loss. Defaults to 1.
        seed: int or None, of the draws.
    Input shape: `(batch, ..., embedding_dim)`, float, any range.
    Output shape: same. Codes: `(batch, ...)`, int32, in [0, K); the first bit is the
        lowest.
    Losses: divergence_weight * mean(max(0, num_bits log 2 - entropy of the bits -
        free_bits log 2)), in nats.
    State: kernel `(D, num_bits)`, bias `(num_bits,)`, codebook `(K, D)`, trainable.
    Raises: ValueError: if a number is out of its range.
    Source: Fleuret 2025, arXiv 2510.17558, section 3. Differs: a map to the logits and
        the vectors of the codes are part of it.
    Example:
        >>> quantizer = BinaryMapper(4, 8)
        >>> quantizer.encode(quantizer(np.ones((2, 3, 8), "float32"))).shape
        TensorShape([2, 3])
    """

    cost_arguments = {"divergence": "divergence_weight"}

    def __init__(
        self,
        num_bits,
        embedding_dim,
        *,
        free_bits=1.0,
        divergence_weight=1.0,
        seed=None,
        **kwargs,
    ):
        check_range("num_bits", num_bits, 1, _MOST_BITS)
        super().__init__(2**num_bits, embedding_dim, **kwargs)
        check_not_negative(free_bits=free_bits)
        self._keep(locals())
        self.seed_generator = keras.random.SeedGenerator(seed)

    def build(self, input_shape):
        super().build(input_shape)
        shape = (self.embedding_dim, self.num_bits)
        self.kernel = add_learned(self, "kernel", shape, "glorot_uniform")
        self.bias = add_learned(self, "bias", shape[1:])
        normal = keras.initializers.RandomNormal(stddev=1.0)
        shape = (self.num_embeddings, self.embedding_dim)
        self.codebook = add_learned(self, "codebook", shape, normal)

    def _quantize(self, latents, training, mask=None):
        logits = ops.matmul(latents, self.kernel) + self.bias
        bits = logits > 0
        if training:
            bits = self._drawn(logits)
        codes = mixed_radix.to_indices(bits, (2,) * self.num_bits)
        vectors = ops.take(self.codebook, codes, axis=0)
        if training:
            # The vectors learn from what was drawn, the logits from all codes.
            fixed = ops.stop_gradient(ops.convert_to_tensor(self.codebook))
            mixed = ops.matmul(self._probabilities(logits), fixed)
            vectors = vectors + mixed - ops.stop_gradient(mixed)
            # Bits are drawn of an infinite latent too, which nothing would show.
            vectors = ops.where(ops.isfinite(latents), vectors, float("nan"))
        else:
            vectors = straight_through(latents, vectors)
        return vectors, {"divergence": self._divergence(logits, mask)}

    def _drawn(self, logits):
        def draw(num_rows):
            shape = (num_rows, *logits.shape[1:])
            return keras.random.uniform(shape, seed=self.seed_generator)

        return draw_rows(draw, ops.shape(logits)[0]) < ops.sigmoid(logits)

    def _probabilities(self, logits):
        """Of all codes, `(..., K)`."""
        codes = ops.arange(self.num_embeddings, dtype="int32")
        signs = 2 * mixed_radix.to_digits(codes, (2,) * self.num_bits) - 1
        signs = ops.cast(signs, "float32")
        log_p = ops.log_sigmoid(logits[..., None, :] * signs)
        return ops.exp(ops.sum(log_p, axis=-1))

    def _divergence(self, logits, mask):
        entropy = ops.softplus(logits) - logits * ops.sigmoid(logits)
        more = self.num_bits - self.free_bits
        nats = more * math.log(2) - ops.sum(entropy, axis=-1, keepdims=True)
        return mean_of(ops.relu(nats), mask)

    def _nearest(self, latents):
        logits = ops.matmul(latents, self.kernel) + self.bias
        return mixed_radix.to_indices(logits > 0, (2,) * self.num_bits)


@named("binary_mapper")
def _binary_mapper(settings, num_bits=None, **options):
    num_bits = num_bits or min(_MOST_BITS, (settings.num_embeddings - 1).bit_length())
    options = settings.options(options, "seed")
    return BinaryMapper(num_bits, settings.embedding_dim, **options)
