"""Quantizers side by side, each for its own part of the latents."""

import keras
from keras import ops

from vqzoo.quantizers import quantization
from vqzoo.quantizers.residual_quantizer import check_alike


@keras.saving.register_keras_serializable("vqzoo")
class GroupedQuantizer(keras.layers.Layer):
    """Cuts the latents into groups of channels and quantizes each with its own layer.

    With residual quantizers as groups this is grouped residual vector quantization.

    Args:
        quantizers: sequence of quantizer layers of one `embedding_dim` and one
            `num_embeddings`, one for each group.
    Input shape: `(batch, ..., embedding_dim)`, float, any range, where `embedding_dim`
        is the sum of those of the groups.
    Output shape: same. Codes: `(batch, ..., num_groups)`, int32, in [0, K); with groups
        of several codes `(batch, ..., num_groups, num_stages)`.
    Losses: those of each group, each a mean over the group's own channels.
    Raises: ValueError: if there is no group, or the groups' sizes differ.
    Source: Yang et al. 2023, arXiv 2305.02765. Differs: nothing.
    Example:
        >>> groups = [VectorQuantizerEMA(16, 4), VectorQuantizerEMA(16, 4)]
        >>> quantizer = GroupedQuantizer(groups)
        >>> quantizer.encode(quantizer(np.ones((2, 3, 8), "float32"))).shape
        TensorShape([2, 3, 2])
    """

    def __init__(self, quantizers, **kwargs):
        super().__init__(autocast=False, **kwargs)
        check_alike(quantizers)
        self.quantizers = list(quantizers)

    @property
    def num_embeddings(self):
        """Number of values of each index."""
        return self.quantizers[0].num_embeddings

    @property
    def embedding_dim(self):
        """Last axis of the latents."""
        return sum(each.embedding_dim for each in self.quantizers)

    @property
    def codebooks(self):
        """The code vectors of all groups, a tuple of `(K, d)`."""
        return sum((quantization.codebooks(each) for each in self.quantizers), ())

    @property
    def code_axes(self):
        """How many axes the codes have that the grid of latents has not."""
        return 1 + quantization.code_axes(self.quantizers[0])

    def build(self, input_shape):
        quantization.check_last_axis(input_shape, self.embedding_dim)
        self.input_spec = keras.layers.InputSpec(axes={-1: self.embedding_dim})
        inner = (*input_shape[:-1], self.quantizers[0].embedding_dim)
        for group in self.quantizers:
            if not group.built:
                group.build(inner)

    def call(self, latents, training=False):
        parts = [
            group(part, training=training)
            for group, part in zip(self.quantizers, self._cut(latents))
        ]
        return ops.concatenate(parts, axis=-1)

    def _cut(self, latents):
        return ops.split(latents, len(self.quantizers), axis=-1)

    def compute_output_spec(self, latents, training=False):
        return keras.KerasTensor(latents.shape, dtype=self.compute_dtype)

    def encode(self, latents):
        """Codes of `latents` `(..., D)`: int32 `(..., num_groups)`."""
        latents = ops.convert_to_tensor(latents)
        quantization.check_last_axis(latents.shape, self.embedding_dim)
        parts = self._cut(latents)
        codes = [group.encode(part) for group, part in zip(self.quantizers, parts)]
        return ops.stack(codes, axis=len(latents.shape) - 1)

    def decode(self, codes):
        """Vectors of `codes` `(..., num_groups)`: float `(..., D)`."""
        axis = len(codes.shape) - self.code_axes
        parts = ops.unstack(codes, len(self.quantizers), axis)
        vectors = [group.decode(part) for group, part in zip(self.quantizers, parts)]
        return ops.concatenate(vectors, axis=-1)

    def loss_terms(self, latents):
        """Loss terms by name, summed over the groups, before their weights."""
        terms = {}
        for group, part in zip(self.quantizers, self._cut(latents)):
            quantization.add_terms(terms, group.loss_terms(part))
        return terms

    def get_config(self):
        config = super().get_config()
        config.pop("autocast", None)
        groups = [keras.saving.serialize_keras_object(q) for q in self.quantizers]
        config.update(quantizers=groups)
        return config

    @classmethod
    def from_config(cls, config):
        groups = [
            keras.saving.deserialize_keras_object(each) for each in config["quantizers"]
        ]
        return cls(**{**config, "quantizers": groups})
