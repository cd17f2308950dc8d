"""Hybrid latents: codes where they are frequent, the encoder's output elsewhere."""

import keras
from keras import ops

from vqzoo.ops import sum_across_replicas
from vqzoo.quantizers.base import add_state
from vqzoo.quantizers.hybrid_latents import HybridLatents, project, projection_loss
from vqzoo.quantizers.projected_latents import make_learned
from vqzoo.registry import named


@keras.saving.register_keras_serializable("vqzoo")
class FrequencyLatents(HybridLatents):
    """Keeps the codes of a quantizer that are used most; other latents pass unchanged.

    A table counts over the whole run how often each code is chosen. A latent whose code
    is among the `num_frequent` most used ones is replaced by that code; any other
    reaches the decoder as it is, or, with `projected`, projected on its code. With
    `num_frequent` equal to K this is the quantizer, bit for bit.

    With fewer the output is no function of the codes, at inference neither: `encode`
    and `decode` are those of the quantizer, and `decode(encode(latents))` is not what a
    call gives. The gradient is the quantizer's own, as a rule straight-through, where
    the code is kept, and the true one of latent or projection elsewhere.

    Args:
        quantizer: a quantizer layer with one code for each latent.
        num_frequent: int in [1, K], S in the report. How many codes are kept.
        projected: bool. Whether the other latents are projected. Defaults to False.
    Input shape: `(batch, ..., embedding_dim)`, float, any range.
    Output shape: same. Codes: those of the quantizer, `(batch, ...)`, int32.
    Losses: those of the quantizer; with `projected` also
        mean((P(latents, sg(code)) - sg(code)) ** 2), 0 where the code is kept.
    State: code_counts `(K,)`, latents that chose each code in training, over all
        replicas. The batch of a training step counts before it is masked. The codes
        counted are those that `encode` gives after the quantizer's call: without noise,
        and with the codebook as that call left it.
    Raises: ValueError: if `num_frequent` is outside of [1, K], or the quantizer has
        several codes for a latent, or is itself hybrid.
    Source: Vila, final project on hybrid latents, sections 2.2 and 3.2. Differs: the
        loss is a mean per element; among equal counts the lower index comes first.
    Example:
        >>> layer = FrequencyLatents(VectorQuantizerEMA(512, 64), 412)
        >>> layer(np.ones((2, 8, 8, 64), "float32")).shape
        TensorShape([2, 8, 8, 64])
    """

    def __init__(self, quantizer, num_frequent, *, projected=False, **kwargs):
        super().__init__(quantizer, **kwargs)
        if not 1 <= num_frequent <= quantizer.num_embeddings:
            raise ValueError(
                f"expected num_frequent in [1, {quantizer.num_embeddings}], the number "
                f"of codes, received num_frequent={num_frequent}"
            )
        self._keep(locals())
        self.is_hybrid = num_frequent < quantizer.num_embeddings

    def build(self, input_shape):
        super().build(input_shape)
        shape = (self.num_embeddings,)
        self.code_counts = add_state(self, "code_counts", shape, "zeros")

    def _quantize(self, latents, training):
        quantized = ops.cast(self.quantizer(latents, training=training), "float32")
        codes = self.quantizer.encode(ops.stop_gradient(latents))
        counts = self._count(codes) if training else self.code_counts.value
        kept = self._is_frequent(codes, counts)[..., None]
        if not self.projected:
            return ops.where(kept, quantized, latents), {}
        loss = projection_loss(latents, quantized, ops.logical_not(kept))
        other = project(latents, quantized)
        return ops.where(kept, quantized, other), {"projection": loss}

    def _count(self, codes):
        """The table with the codes of this batch, of all replicas, in it."""
        codes = ops.reshape(codes, (-1,))
        ones = ops.ones_like(codes, dtype="float32")
        new = ops.segment_sum(ones, codes, num_segments=self.num_embeddings)
        counts = self.code_counts.value + sum_across_replicas(new)
        self.code_counts.assign(counts)
        return counts

    def _is_frequent(self, codes, counts):
        _, indices = ops.top_k(counts, self.num_frequent)
        frequent = ops.scatter(
            indices[:, None], ops.ones((self.num_frequent,)), (self.num_embeddings,)
        )
        return ops.take(frequent, codes, axis=0) > 0

    @property
    def has_values(self):
        """Bool `(K,)`: which codes have real numbers beside them, the rare ones."""
        codes = ops.arange(self.num_embeddings)
        return ops.logical_not(self._is_frequent(codes, self.code_counts.value))


@named("frequency_latents")
def _frequency(settings, share=0.8, projected=False, **options):
    inner = make_learned(settings, **options)
    num_frequent = max(1, round(share * inner.num_embeddings))
    return FrequencyLatents(inner, num_frequent, projected=projected)
