"""One quantizer for several parts of each latent."""

import keras
from keras import ops

from vqzoo.quantizers import quantization


@keras.saving.register_keras_serializable("vqzoo")
class MultiHeadQuantizer(keras.layers.Layer):
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
        super().__init__(autocast=False, **kwargs)
        if not isinstance(num_heads, int) or num_heads < 1:
            raise ValueError(
                f"expected num_heads to be a positive int, received "
                f"num_heads={num_heads}"
            )
        self.quantizer = quantizer
        self.num_heads = num_heads

    @property
    def num_embeddings(self):
        """Number of values of each index."""
        return self.quantizer.num_embeddings

    @property
    def embedding_dim(self):
        """Last axis of the latents."""
        return self.num_heads * self.quantizer.embedding_dim

    @property
    def codebooks(self):
        """The code vectors that all heads share, a tuple of `(K, d)`."""
        return quantization.codebooks(self.quantizer)

    @property
    def code_axes(self):
        """How many axes the codes have that the grid of latents has not."""
        return 1 + quantization.code_axes(self.quantizer)

    def build(self, input_shape):
        quantization.check_last_axis(input_shape, self.embedding_dim)
        self.input_spec = keras.layers.InputSpec(axes={-1: self.embedding_dim})
        if not self.quantizer.built:
            inner = (*input_shape[:-1], self.num_heads, self.quantizer.embedding_dim)
            self.quantizer.build(inner)

    def call(self, latents, training=False):
        quantized = self.quantizer(self._cut(latents), training=training)
        return ops.reshape(quantized, ops.shape(latents))

    def _cut(self, latents):
        quantization.check_last_axis(latents.shape, self.embedding_dim)
        heads = (self.num_heads, self.quantizer.embedding_dim)
        return ops.reshape(latents, (*ops.shape(latents)[:-1], *heads))

    def compute_output_spec(self, latents, training=False):
        return keras.KerasTensor(latents.shape, dtype=self.compute_dtype)

    def encode(self, latents):
        """Codes of `latents` `(..., D)`: int32 `(..., num_heads)`."""
        return self.quantizer.encode(self._cut(ops.convert_to_tensor(latents)))

    def decode(self, codes):
        """Vectors of `codes` `(..., num_heads)`: float `(..., D)`."""
        vectors = self.quantizer.decode(codes)
        return ops.reshape(vectors, (*ops.shape(vectors)[:-2], self.embedding_dim))

    def loss_terms(self, latents):
        """Loss terms of the quantizer by name, before their weights."""
        return self.quantizer.loss_terms(self._cut(latents))

    def get_config(self):
        config = super().get_config()
        config.pop("autocast", None)
        quantizer = keras.saving.serialize_keras_object(self.quantizer)
        config.update(quantizer=quantizer, num_heads=self.num_heads)
        return config

    @classmethod
    def from_config(cls, config):
        quantizer = keras.saving.deserialize_keras_object(config["quantizer"])
        return cls(**{**config, "quantizer": quantizer})
