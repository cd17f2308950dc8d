"""Hybrid latents: codes where they are frequent, the encoder's output elsewhere."""

import keras
from keras import ops

from vqzoo.arguments import check_shares
from vqzoo.quantizers.base import add_state, counted_rows
from vqzoo.quantizers.hybrid_latents import HybridLatents, project, projection_loss
from vqzoo.quantizers.projected_latents import make_learned
from vqzoo.registry import named
from vqzoo.replicas import sum_across_replicas


@keras.saving.register_keras_serializable("vqzoo")
class FrequencyLatents(HybridLatents):
    """Keeps the codes of a quantizer that are used most; other latents pass unchanged.

    A table counts how often each code is chosen and gives recent steps more weight. A
    count follows its code in the codebook, and starts over if the code restarts. A
    latent whose code is among the `num_frequent` most used ones is replaced by its code
    vector. Any other latent reaches the decoder unchanged or, with `projected`,
    projected onto its code vector. With `num_frequent` equal to K this is the
    quantizer, bit for bit.

    With fewer codes the output is not a function of the codes, not even at inference:
    `encode` and `decode` are those of the quantizer, and `decode(encode(latents))` is
    not what a call gives. The gradient is the quantizer's own, as a rule
    straight-through, where the code is kept, and the true one of latent or projection
    elsewhere.

    Args:
        quantizer: a quantizer layer with one code for each latent.
        num_frequent: int in [1, K], S in the report. How many codes are kept.
        projected: bool. Whether the other latents are projected. Defaults to False.
        count_decay: float in [0, 1), of the counts, at each step. Defaults to 0.9.
    Input shape: `(batch, ..., embedding_dim)`, float, any range.
    Output shape: same. Codes: those of the quantizer, `(batch, ...)`, int32.
    Losses: those of the quantizer; with `projected` also
        mean((P(latents, sg(code)) - sg(code)) ** 2), 0 where the code is kept.
    State: code_counts `(K,)`, latents that chose each code in training, over all
        replicas, one of t steps ago as count_decay ** t. The batch of a training step
        counts before it is chosen from. The codes counted are those that `encode` gives
        after the quantizer's call: without noise, and with the codebook as that call
        left it.
    Raises: ValueError: if `num_frequent` is outside [1, K], the decay is out of its
        range, or the quantizer has several codes for a latent, or is itself hybrid.
    Source: Vila, final project on hybrid latents, sections 2.2 and 3.2. Differs: the
        loss is a mean per element; the table forgets and follows the codes;
        among equal counts the lower index comes first.
    Example:
        >>> layer = FrequencyLatents(VectorQuantizerEMA(512, 64), 412)
        >>> layer(np.ones((2, 8, 8, 64), "float32")).shape
        TensorShape([2, 8, 8, 64])
    """

    def __init__(
        self, quantizer, num_frequent, *, projected=False, count_decay=0.9, **kwargs
    ):
        super().__init__(quantizer, **kwargs)
        if not 1 <= num_frequent <= quantizer.num_embeddings:
            raise ValueError(
                f"expected num_frequent in [1, {quantizer.num_embeddings}], the number "
                f"of codes, received num_frequent={num_frequent}"
            )
        check_shares(count_decay=count_decay)
        self._keep(locals())
        self.is_hybrid = num_frequent < quantizer.num_embeddings

    def build(self, input_shape):
        super().build(input_shape)
        shape = (self.num_embeddings,)
        self.code_counts = add_state(self, "code_counts", shape, "zeros")
        self.quantizer.on_move = self._follow

    def _quantize(self, latents, training, mask=None):
        quantized = self.quantizer(latents, training=training, mask=mask)
        quantized = ops.cast(quantized, "float32")
        codes = self.quantizer.encode(ops.stop_gradient(latents))
        counts = self.code_counts.value
        if training:
            counted = counted_rows(self._rows(latents), mask)
            counts = self._count(ops.where(counted, ops.reshape(codes, (-1,)), -1))
        kept = self._is_frequent(codes, counts)[..., None]
        if not self.projected:
            return ops.where(kept, quantized, latents), {}
        loss = projection_loss(latents, quantized, mask, ops.logical_not(kept))
        other = project(latents, quantized)
        return ops.where(kept, quantized, other), {"projection": loss}

    def _follow(self, is_new, order):
        """Moves the counts with their codes; those of restarted codes begin again."""
        counts = ops.where(is_new, 0.0, self.code_counts.value)
        if order is not None:
            counts = ops.take(counts, order)
        self.code_counts.assign(counts)

    def _count(self, codes):
        """The table with the codes `(N,)` of this batch, of all replicas, in it."""
        ones = ops.ones_like(codes, dtype="float32")
        new = ops.segment_sum(ones, codes, num_segments=self.num_embeddings)
        new = sum_across_replicas(new)
        decay = ops.where(ops.sum(new) > 0, self.count_decay, 1.0)
        counts = decay * self.code_counts.value + new
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
