"""What hybrid latents share: codes, real numbers beside them, and projections."""

from keras import ops

from vqzoo.ops import mean_of
from vqzoo.quantizers.base import Quantizer

# Squared length below which a code has no direction.
_MIN_SQUARE = 1e-12


class HybridLatents(Quantizer):
    """Abstract: the codes of a quantizer, and real numbers beside them.

    The output is not a function of the codes alone; `encode` and `decode` are those
    of the quantizer. Here every latent is projected onto its code.

    Args:
        quantizer: a quantizer layer with one code for each latent.
    Raises: ValueError: if the quantizer has several codes for a latent, or is itself
        hybrid, so that it gives no code to project on.
    """

    # Whether the numbers are lengths of projections, or the latents themselves.
    projected = True

    def __init__(self, quantizer, **kwargs):
        check_one_code(quantizer)
        super().__init__(quantizer.num_embeddings, quantizer.embedding_dim, **kwargs)
        self.quantizer = quantizer

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

    def _codes(self, latents, mask):
        return self.quantizer.encode(latents, mask)

    def decode(self, codes):
        """Code vectors of `codes` `(...)`, before any projection: float `(..., D)`."""
        return self.quantizer.decode(codes)

    @property
    def num_values(self):
        """Real numbers beside each code that has some; 0 where none has."""
        if not self.is_hybrid:
            return 0
        return 1 if self.projected else self.embedding_dim

    @property
    def has_values(self):
        """Bool `(K,)`: which codes have real numbers beside them; here all."""
        return ops.ones((self.num_embeddings,), "bool")

    def _beside(self, codes):
        """Bool `(..., 1)`: whether each code has real numbers beside it."""
        return ops.take(self.has_values, ops.maximum(codes, 0), axis=0)[..., None]

    def values(self, latents):
        """The real numbers beside each code: float32 `(..., num_values)`.

        The length of the projection in lengths of the code or, not projected, the
        latent itself; 0 where the code stands alone.
        """
        values = latents = ops.cast(latents, "float32")
        codes = self.encode(latents)
        if self.projected:
            values = shares(latents, ops.cast(self.decode(codes), "float32"))
        return ops.where(self._beside(codes), values, 0.0)[..., : self.num_values]

    def assemble(self, codes, values):
        """What a call gives, of codes `(...)` and numbers `(..., num_values)`."""
        quantized = ops.cast(self.decode(codes), "float32")
        if not self.is_hybrid:
            return ops.cast(quantized, self.compute_dtype)
        other = values * quantized if self.projected else values
        outputs = ops.where(self._beside(codes), other, quantized)
        return ops.cast(outputs, self.compute_dtype)

    def loss_terms(self, latents):
        """Loss terms by name, before their weights; float32 scalars."""
        terms = self.quantizer.loss_terms(latents)
        if not self.projected:
            return terms
        codes = self.encode(latents)
        quantized = ops.cast(self.decode(codes), "float32")
        latents = ops.cast(latents, "float32")
        loss = projection_loss(latents, quantized, beside=self._beside(codes))
        return {**terms, "projection": loss}


def packed(codes, values):
    """Codes and the numbers beside them in one array: float32 `(..., 1 + V)`."""
    codes = ops.cast(codes, "float32")[..., None]
    return ops.concatenate([codes, ops.cast(values, "float32")], axis=-1)


def unpacked(grids):
    """Codes, int32 `(...)`, and numbers `(..., V)` of what `packed` gives."""
    return ops.cast(ops.round(grids[..., 0]), "int32"), grids[..., 1:]


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


def projection_loss(latents, quantized, mask=None, beside=True):
    """mean((P(z_e, sg(z_q)) - sg(z_q)) ** 2) per element, 0 where `beside` is False.

    The mask tells, by position, which are in the mean at all; None: all are.
    """
    quantized = ops.stop_gradient(quantized)
    difference = project(latents, quantized) - quantized
    return mean_of(ops.where(beside, ops.square(difference), 0.0), mask)
