"""One quantizer for several parts of each latent."""

import keras
from keras import ops

from vqzoo.arguments import check_positive_ints
from vqzoo.quantizers.base import Quantizer
from vqzoo.quantizers.vector_quantizer_ema import make_ema
from vqzoo.registry import named


@keras.saving.register_keras_serializable("vqzoo")
class MultiHeadQuantizer(Quantizer):
    """Cuts each latent into heads that share one quantizer and its codebook.

    Args:
        quantizer: a quantizer layer for one head.
        num_heads: int.
    Input shape: `(batch, ..., embedding_dim)`, float, any range, where `embedding_dim`
        is `num_heads` times that of the quantizer.
    Output shape: same. Codes: `(batch, ..., num_heads)`, int32, in [0, K).
    Losses: those of the quantizer, means over all heads.
    Raises: ValueError: if `num_heads` is not positive.
    Source: Kaiser et al. 2018, arXiv 1803.03382, sliced quantization. Differs:
        one codebook for all slices; `GroupedQuantizer` has one for each.
    Example:
        >>> quantizer = MultiHeadQuantizer(VectorQuantizerEMA(16, 4), 2)
        >>> quantizer.encode(quantizer(np.ones((2, 3, 8), "float32"))).shape
        TensorShape([2, 3, 2])
    """

    def __init__(self, quantizer, num_heads, **kwargs):
        check_positive_ints(num_heads=num_heads)
        dim = num_heads * quantizer.embedding_dim
        super().__init__(quantizer.num_embeddings, dim, **kwargs)
        self._keep(locals())
        self.code_axes = 1 + quantizer.code_axes

    @property
    def codebooks(self):
        """The code vectors that all heads share, a tuple of `(K, d)`."""
        return self.quantizer.codebooks

    def build(self, input_shape):
        super().build(input_shape)
        if not self.quantizer.built:
            inner = (*input_shape[:-1], self.num_heads, self.quantizer.embedding_dim)
            self.quantizer.build(inner)

    def _quantize(self, latents, training, mask=None):
        heads = self._cut(latents)
        return self.quantizer(heads, training=training, mask=mask), {}

    def start_from(self, latents, seed=0):
        """Starts the quantizer from all heads of a large sample of latents."""
        self.quantizer.start_from(self._cut(ops.convert_to_tensor(latents)), seed)

    def _cut(self, latents):
        heads = (self.num_heads, self.quantizer.embedding_dim)
        return ops.reshape(latents, (*ops.shape(latents)[:-1], *heads))

    def _codes(self, latents, mask):
        return self.quantizer.encode(self._cut(latents), mask)

    def decode(self, codes):
        """Vectors of `codes` `(..., num_heads)`: float `(..., D)`."""
        vectors = self.quantizer.decode(codes)
        return ops.reshape(vectors, (*ops.shape(vectors)[:-2], self.embedding_dim))

    def loss_terms(self, latents):
        """Loss terms of the quantizer by name, before their weights."""
        return self.quantizer.loss_terms(self._cut(latents))


@named("multi_head")
def _multi_head(settings, num_heads=4, **options):
    dim = settings.embedding_dim // num_heads
    return MultiHeadQuantizer(make_ema(settings, dim=dim, **options), num_heads)
