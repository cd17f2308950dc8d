"""Hybrid latents: the encoder's output projected on its code."""

import keras
from keras import ops

from vqzoo.quantizers.base import Quantizer
from vqzoo.quantizers.vector_quantizer import make_gradient
from vqzoo.quantizers.vector_quantizer_ema import make_ema
from vqzoo.registry import named

# Squared length below which a code has no direction.
_MIN_SQUARE = 1e-12


@keras.saving.register_keras_serializable("vqzoo")
class ProjectedLatents(Quantizer):
    """Hands the decoder the projection of each latent on the code of a quantizer.

    The direction of what the decoder receives is discrete, its length is not. The
    output is therefore no function of the codes, at inference neither: `encode` and
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

    def __init__(self, quantizer, **kwargs):
        check_one_code(quantizer)
        super().__init__(quantizer.num_embeddings, quantizer.embedding_dim, **kwargs)
        self._keep(locals())

    @property
    def codebook(self):
        """The code vectors of the quantizer, float32 `(K, D)`."""
        return self.quantizer.codebook

    @property
    def codebooks(self):
        """The code vectors of the quantizer, a tuple of `(K, d)`."""
        return self.quantizer.codebooks

    def build(self, input_shape):
        super().build(input_shape)
        if not self.quantizer.built:
            self.quantizer.build(input_shape)

    def _quantize(self, latents, training):
        quantized = ops.cast(self.quantizer(latents, training=training), "float32")
        terms = {"projection": projection_loss(latents, quantized)}
        return project(latents, quantized), terms

    def encode(self, latents):
        """Codes of `latents` `(..., D)`: int32 `(...)`, in [0, K)."""
        return self.quantizer.encode(latents)

    def decode(self, codes):
        """Code vectors of `codes` `(...)`, before any projection: float `(..., D)`."""
        return self.quantizer.decode(codes)

    @property
    def num_values(self):
        """Real numbers beside each code."""
        return 1

    @property
    def has_values(self):
        """Bool `(K,)`: which codes have real numbers beside them; all."""
        return ops.ones((self.num_embeddings,), "bool")

    def values(self, latents):
        """The real number beside the code of each latent: float32 `(..., 1)`.

        It is the length of the projection in lengths of the code.
        """
        latents = ops.cast(latents, "float32")
        quantized = ops.cast(self.decode(self.encode(latents)), "float32")
        return shares(latents, quantized)

    def assemble(self, codes, values):
        """What a call gives, of codes `(...)` and their real numbers `(..., 1)`."""
        quantized = ops.cast(self.decode(codes), "float32")
        return ops.cast(values * quantized, self.compute_dtype)

    def loss_terms(self, latents):
        """Loss terms by name, before their weights; float32 scalars."""
        quantized = ops.cast(self.decode(self.encode(latents)), "float32")
        loss = projection_loss(ops.cast(latents, "float32"), quantized)
        return {**self.quantizer.loss_terms(latents), "projection": loss}


def check_one_code(quantizer):
    """Raises ValueError unless a call of `quantizer` gives one code for each latent."""
    if quantizer.code_axes:
        raise ValueError(
            "expected a quantizer with one code for each latent, because a mask or a "
            "projection needs one code vector at each position, received "
            f"quantizer={quantizer}"
        )
    if quantizer.is_hybrid:
        raise ValueError(
            "expected a quantizer that gives code vectors, received one whose output "
            f"is hybrid already, quantizer={quantizer}"
        )


def project(latents, quantized):
    """Projection of each latent on its code, 0 where the code has no length.

    Args:
        latents: float32 `(..., D)`, z_e.
        quantized: float32 `(..., D)`, z_q.

    Returns:
        Float32 `(..., D)`: (z_e . z_q) / (z_q . z_q) * z_q.
    """
    return shares(latents, quantized) * quantized


def shares(latents, quantized):
    """(z_e . z_q) / (z_q . z_q), 0 where the code has no length: `(..., 1)`."""
    products = ops.sum(latents * quantized, axis=-1, keepdims=True)
    squares = ops.sum(ops.square(quantized), axis=-1, keepdims=True)
    has_length = squares > _MIN_SQUARE
    shares = products / ops.where(has_length, squares, 1.0)
    return ops.where(has_length, shares, 0.0)


def projection_loss(latents, quantized, mask=True):
    """mean((P(z_e, sg(z_q)) - sg(z_q)) ** 2) per element, 0 where the mask is False."""
    quantized = ops.stop_gradient(quantized)
    difference = project(latents, quantized) - quantized
    return ops.mean(ops.where(mask, ops.square(difference), 0.0))


def make_learned(settings, codebook="gradient", **options):
    """A quantizer whose codebook follows the latents by gradient or moving average."""
    makers = {"gradient": make_gradient, "ema": make_ema}
    if codebook not in makers:
        raise ValueError(f"expected codebook of gradient or ema, received {codebook!r}")
    return makers[codebook](settings, **options)


@named("projected_latents")
def _projected(settings, **options):
    return ProjectedLatents(make_learned(settings, **options))
