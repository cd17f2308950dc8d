"""A quantizer between two layers: another basis, fewer dimensions, another norm."""

import inspect

import keras
from keras import ops

from vqzoo.arguments import check_codes
from vqzoo.quantizers.base import Quantizer
from vqzoo.quantizers.vector_quantizer import make_gradient
from vqzoo.quantizers.vector_quantizer_ema import make_ema
from vqzoo.registry import named


@keras.saving.register_keras_serializable("vqzoo")
class TransformedQuantizer(Quantizer):
    """Quantizes what one layer makes of the latents; another layer leads back.

    With two `Dense` layers the codes live in fewer dimensions than the latents, which
    keeps large codebooks in use; with `BatchNormalization` before the quantizer the
    latents are longer than fresh codes. `low_dimensional` and `batch_normalized` make
    these two.

    Args:
        quantizer: a quantizer layer.
        embedding_dim: int, last axis of the latents that come and go.
        before: layer from `embedding_dim` to `quantizer.embedding_dim`, or None.
        after: layer from `quantizer.embedding_dim` to `embedding_dim`, or None.
    Input shape: `(batch, ..., embedding_dim)`, float, any range.
    Output shape: same. Codes: those of the quantizer.
    Losses: those of the quantizer, measured between the two layers.
    State: that of the three layers. A step that would leave numbers that are not finite
        in that of `before`, as batch statistics of such latents, does not count there.
    Raises: ValueError: if a layer is missing where the dimensions differ.
    Source: low-dimensional codes: Yu et al. 2022, arXiv 2110.04627, section 3.2; batch
        normalization: Lancucki et al. 2020, arXiv 2005.08520. Differs: nothing.
    Example:
        >>> quantizer = low_dimensional(VectorQuantizerEMA(512, 8), 64)
        >>> quantizer(np.ones((2, 8, 8, 64), "float32")).shape
        TensorShape([2, 8, 8, 64])
    """

    def __init__(self, quantizer, embedding_dim, *, before=None, after=None, **kwargs):
        if None in (before, after) and quantizer.embedding_dim != embedding_dim:
            raise ValueError(
                f"expected layers before and after a quantizer of "
                f"{quantizer.embedding_dim} dimensions, received "
                f"embedding_dim={embedding_dim}, before={before}, after={after}"
            )
        super().__init__(quantizer.num_embeddings, embedding_dim, **kwargs)
        self._keep(locals())
        self.code_axes = quantizer.code_axes

    @property
    def codebooks(self):
        """The code vectors of the quantizer, a tuple of `(K, d)`."""
        return self.quantizer.codebooks

    def build(self, input_shape):
        super().build(input_shape)
        inner = (*input_shape[:-1], self.quantizer.embedding_dim)
        for layer, shape in (
            (self.before, input_shape),
            (self.quantizer, inner),
            (self.after, inner),
        ):
            if layer is not None and not layer.built:
                layer.build(shape)

    def _quantize(self, latents, training, mask=None):
        self.quantizer.on_move = self.on_move
        inner = _apply(self.before, latents, training, mask)
        quantized = self.quantizer(inner, training=training, mask=mask)
        return _apply(self.after, quantized, training, mask), {}

    def _codes(self, latents, mask):
        return self.quantizer.encode(_apply(self.before, latents, False, mask), mask)

    def decode(self, codes):
        """Vectors of codes: float `(..., embedding_dim)`; 0 for -1, the masked code."""
        codes = check_codes(codes, self.num_embeddings)
        vectors = _apply(self.after, self.quantizer.decode(codes), False, None)
        kept = codes >= 0
        for _ in range(self.code_axes):
            kept = ops.any(kept, axis=-1)
        return ops.where(kept[..., None], vectors, 0.0)

    def loss_terms(self, latents):
        """Loss terms of the quantizer by name, before their weights."""
        return self.quantizer.loss_terms(_apply(self.before, latents, False, None))


def _apply(layer, inputs, training, mask):
    """What a layer makes of inputs; what would make its state no number is undone."""
    if layer is None:
        return inputs
    # Told, and not left to Keras: a frozen layer is at inference in a training call.
    accepted = inspect.signature(layer.call).parameters
    options = {"training": training, "mask": mask}
    options = {name: value for name, value in options.items() if name in accepted}
    state = [v for v in layer.non_trainable_weights if training]
    before = [ops.copy(v.value) for v in state]
    outputs = layer(inputs, **options)
    for variable, value in zip(state, before):
        is_finite = ops.all(ops.isfinite(variable.value))
        variable.assign(ops.where(is_finite, variable.value, value))
    return outputs


def low_dimensional(quantizer, embedding_dim, **kwargs):
    """A quantizer of few dimensions between two learned linear maps.

    Args:
        quantizer: a quantizer layer, for example of 8 dimensions.
        embedding_dim: int, dimensions of the latents.
        **kwargs: of the layer, for example `name`.

    Returns:
        `TransformedQuantizer`.

    Source: Yu et al. 2022, arXiv 2110.04627, section 3.2.
    """
    before = keras.layers.Dense(quantizer.embedding_dim, name="down")
    after = keras.layers.Dense(embedding_dim, name="up")
    return TransformedQuantizer(
        quantizer, embedding_dim, before=before, after=after, **kwargs
    )


def batch_normalized(quantizer, **kwargs):
    """A quantizer whose latents are normalized over the batch, to a length of sqrt(D).

    Args:
        quantizer: a quantizer layer.
        **kwargs: of the layer, for example `name`.

    Returns:
        `TransformedQuantizer`.

    Source: Lancucki et al. 2020, arXiv 2005.08520.
    """
    before = keras.layers.BatchNormalization(
        momentum=0.9, epsilon=1e-5, name="normalization"
    )
    return TransformedQuantizer(
        quantizer, quantizer.embedding_dim, before=before, **kwargs
    )


@named("low_dimensional")
def _low_dimensional(settings, dim=8, **options):
    """`ema` with codes of few dimensions."""
    inner = make_ema(settings, dim=dim, **options)
    return low_dimensional(inner, settings.embedding_dim)


@named("batch_normalized")
def _batch_normalized(settings, **options):
    """`gradient` with latents normalized over the batch."""
    return batch_normalized(make_gradient(settings, **options))
