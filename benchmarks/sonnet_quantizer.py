"""Sonnet's quantizer as a Keras layer, for the comparison of quality."""

import sonnet
from keras import ops

from vqzoo.quantizers import Quantizer


class SonnetQuantizer(Quantizer):
    """`snt.nets.VectorQuantizerEMA` with the protocol of vqzoo's quantizers.

    The module computes; the layer casts to float32, hands on the loss, and finds codes
    with the module's own distances. It is not made to be saved.

    Args:
        num_embeddings: int, K.
        embedding_dim: int, D.
        commitment_cost: float, beta.
        decay: float.
    Input shape: `(batch, ..., embedding_dim)`, float.
    Output shape: same. Codes: `(batch, ...)`, int32, in [0, K).
    Losses: commitment_cost * mean((latents - sg(nearest)) ** 2).
    """

    def __init__(
        self, num_embeddings, embedding_dim, commitment_cost=0.25, decay=0.99, **kwargs
    ):
        super().__init__(num_embeddings, embedding_dim, **kwargs)
        self.module = sonnet.nets.VectorQuantizerEMA(
            embedding_dim, num_embeddings, commitment_cost, decay
        )

    def call(self, latents, training=False):
        outputs = self.module(ops.cast(latents, "float32"), is_training=bool(training))
        self.add_loss(outputs["loss"])
        return ops.cast(outputs["quantize"], self.compute_dtype)

    @property
    def codebook(self):
        """The code vectors, float32 `(K, D)`."""
        return ops.transpose(self.module.embeddings)

    def encode(self, latents):
        """Nearest codes of `latents` `(..., D)`: int32 `(...)`, in [0, K)."""
        outputs = self.module(ops.cast(latents, "float32"), is_training=False)
        return ops.cast(outputs["encoding_indices"], "int32")

    def decode(self, codes):
        """Code vectors of `codes` `(...)`, int: float `(..., D)`."""
        return ops.cast(self.module.quantize(codes), self.compute_dtype)
