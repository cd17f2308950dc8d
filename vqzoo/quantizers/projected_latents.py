"""Hybrid latents: the encoder's output projected onto its code vector."""

import keras
from keras import ops

from vqzoo.quantizers.hybrid_latents import HybridLatents, project, projection_loss
from vqzoo.quantizers.vector_quantizer import make_gradient
from vqzoo.quantizers.vector_quantizer_ema import make_ema
from vqzoo.registry import named


@keras.saving.register_keras_serializable("vqzoo")
class ProjectedLatents(HybridLatents):
    """Passes the projection of each latent onto its code vector to the decoder.

    The direction of what the decoder receives is discrete, its length is not. The
    output is therefore not a function of the codes, not even at inference: `encode` and
    `decode` are those of the quantizer, and `decode(encode(latents))` is not what a
    call gives.

    The gradient is that of the projection P(z_e, z_q) in both of its arguments, with
    the quantizer's own gradient, as a rule straight-through, behind z_q: where latent
    and code agree the two together are the identity.

    Args:
        quantizer: a quantizer layer with one code for each latent.
    Input shape: `(batch, ..., embedding_dim)`, float, any range.
    Output shape: same. Codes: those of the quantizer, `(batch, ...)`, int32.
    Losses: those of the quantizer and mean((P(latents, sg(code)) - sg(code)) ** 2).
    Raises: ValueError: if the quantizer has several codes for a latent, or is itself
        hybrid, so that it gives no code to project on.
    Source: Vila, final project on hybrid latents, section 2.1. Differs: the loss is a
        mean per element; a code of length 0 gives 0.
    Example:
        >>> layer = ProjectedLatents(VectorQuantizerEMA(512, 64))
        >>> layer(np.ones((2, 8, 8, 64), "float32")).shape
        TensorShape([2, 8, 8, 64])
    """

    is_hybrid = True

    def _quantize(self, latents, training, mask=None):
        quantized = self.quantizer(latents, training=training, mask=mask)
        quantized = ops.cast(quantized, "float32")
        terms = {"projection": projection_loss(latents, quantized, mask)}
        return project(latents, quantized), terms


def make_learned(settings, codebook="gradient", **options):
    """A quantizer whose codebook follows the latents by gradient or moving average."""
    makers = {"gradient": make_gradient, "ema": make_ema}
    if codebook not in makers:
        raise ValueError(f"expected codebook of gradient or ema, received {codebook!r}")
    return makers[codebook](settings, **options)


@named("projected_latents")
def _projected(settings, **options):
    return ProjectedLatents(make_learned(settings, **options))
