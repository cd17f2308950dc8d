"""Quantizers side by side, each for its own part of the latents."""

import keras
from keras import ops

from vqzoo.arguments import check_codes
from vqzoo.quantizers.base import Quantizer, add_terms, check_alike
from vqzoo.quantizers.residual_quantizer import ResidualQuantizer
from vqzoo.quantizers.vector_quantizer_ema import make_ema
from vqzoo.registry import named


@keras.saving.register_keras_serializable("vqzoo")
class GroupedQuantizer(Quantizer):
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
        check_alike(quantizers)
        first = quantizers[0]
        dim = len(quantizers) * first.embedding_dim
        super().__init__(first.num_embeddings, dim, **kwargs)
        self._keep(locals())
        self.code_axes = 1 + first.code_axes

    @property
    def codebooks(self):
        """The code vectors of all groups, a tuple of `(K, d)`."""
        return sum((group.codebooks for group in self.quantizers), ())

    def build(self, input_shape):
        super().build(input_shape)
        inner = (*input_shape[:-1], self.quantizers[0].embedding_dim)
        for group in self.quantizers:
            if not group.built:
                group.build(inner)

    def _quantize(self, latents, training, mask=None):
        quantized = [
            group(part, training=training, mask=mask)
            for group, part in zip(self.quantizers, self._cut(latents))
        ]
        return ops.concatenate(quantized, axis=-1), {}

    def start_from(self, latents, seed=0):
        """Starts each group from its part of a large sample of latents."""
        parts = self._cut(ops.convert_to_tensor(latents))
        for number, (group, part) in enumerate(zip(self.quantizers, parts)):
            group.start_from(part, seed + number)

    def _cut(self, latents):
        return ops.split(latents, len(self.quantizers), axis=-1)

    def _codes(self, latents, mask):
        parts = zip(self.quantizers, self._cut(latents))
        codes = [group.encode(part, mask) for group, part in parts]
        return ops.stack(codes, axis=len(latents.shape) - 1)

    def decode(self, codes):
        """Vectors of `codes` `(..., num_groups)`: float `(..., D)`."""
        codes = check_codes(codes, self.num_embeddings)
        axis = len(codes.shape) - self.code_axes
        parts = ops.unstack(codes, len(self.quantizers), axis)
        vectors = [group.decode(part) for group, part in zip(self.quantizers, parts)]
        return ops.concatenate(vectors, axis=-1)

    def loss_terms(self, latents):
        """Loss terms by name, summed over the groups, before their weights."""
        parts = zip(self.quantizers, self._cut(latents))
        return add_terms(group.loss_terms(part) for group, part in parts)


@named("grouped_residual")
def _grouped_residual(settings, num_groups=2, num_stages=2, **options):
    """Groups of channels, each with residual stages of `ema`."""
    dim = settings.embedding_dim // num_groups

    def group(index):
        first = index * num_stages
        numbers = range(first, first + num_stages)
        stages = [make_ema(settings, number, dim, **options) for number in numbers]
        return ResidualQuantizer(stages)

    return GroupedQuantizer([group(index) for index in range(num_groups)])
