"""One quantizer at many scales, each for the error of the coarser ones."""

import math

import keras
import numpy as np
from keras import ops

from vqzoo.arguments import check_at_least, check_codes
from vqzoo.ops import straight_through
from vqzoo.quantizers.base import (
    Quantizer,
    add_learned,
    add_terms,
    mean_squared_distance,
)
from vqzoo.quantizers.scales import Scales, halves
from vqzoo.quantizers.vector_quantizer_ema import make_ema
from vqzoo.registry import named


@keras.saving.register_keras_serializable("vqzoo")
class MultiScaleResidualQuantizer(Quantizer):
    """Quantizes a grid at several scales, from coarse to fine.

    Each scale averages the residual over the cells of its grid and quantizes the means.
    Bicubic interpolation and a convolution bring the code vectors back to the full
    grid, where they are subtracted from the residual. The sum over all scales is the
    quantized grid. A next-scale prior then draws a whole scale at a time.

    Args:
        quantizer: a quantizer layer of one code for each latent, whose codebook all
            scales share.
        grids: sequence of sides, ints of squares or `(height, width)`, from coarse to
            fine; the last one is the grid of the latents. Defaults to that grid and
            halves of it, down to 1.
        num_convolutions: int, 3 x 3 convolutions after the interpolation, each for some
            of the scales; at most one per scale. 0: none.
        convolution_share: float in [0, 1], weight of the convolution; the interpolation
            has the rest. Defaults to 0.5.
    Input shape: `(batch, *grids[-1], embedding_dim)`, float, any range.
    Output shape: same. Codes: `(batch, 1, L)`, int32, in [0, K), those of all scales
        one after the other; `L` is the number of positions of all grids. A masked
        position counts in no mean; a cell without others has the code -1.
    Losses: those of the quantizer at each scale on its residual, and
        mean((sg(latents) - sum so far) ** 2), the mean over the scales, which trains
        the convolutions.
    State: that of the quantizer; kernels `(n, 3, 3, D, D)` and offsets `(n, D)`.
    Raises: ValueError: if the grids do not end in that of the latents, or the quantizer
        has several codes for a latent.
    Source: Tian et al. 2024 (VAR), arXiv 2404.02905, section 3.2, algorithms 1 and 2.
        Differs: any codebook rule, where theirs learns by gradient; latents commit to
        the codes of each scale, where theirs commit to the sums so far; the
        convolutions start as the identity.
    Example:
        >>> inner = VectorQuantizerEMA(16, 8)
        >>> quantizer = MultiScaleResidualQuantizer(inner, (1, 2, 4))
        >>> quantizer.encode(quantizer(np.ones((2, 4, 4, 8), "float32"))).shape
        TensorShape([2, 1, 21])
    """

    layout = "scales"

    def __init__(
        self,
        quantizer,
        grids=None,
        *,
        num_convolutions=4,
        convolution_share=0.5,
        **kwargs,
    ):
        super().__init__(quantizer.num_embeddings, quantizer.embedding_dim, **kwargs)
        if quantizer.code_axes or quantizer.layout != "grid":
            raise ValueError(
                "expected a quantizer with one code for each latent, received "
                f"{type(quantizer).__name__}"
            )
        check_at_least(0, num_convolutions=num_convolutions)
        if not 0 <= convolution_share <= 1:
            raise ValueError(
                f"expected convolution_share in [0, 1], received {convolution_share=}"
            )
        self._keep(locals())
        self.scales = None if grids is None else Scales(self.grids)

    @property
    def codebooks(self):
        """The code vectors that all scales share, a tuple of `(K, D)`."""
        return self.quantizer.codebooks

    @property
    def codebook(self):
        """The code vectors that all scales share, `(K, D)`."""
        return self.quantizer.codebook

    def build(self, input_shape):
        super().build(input_shape)
        if len(self.grid) != 2 or None in self.grid:
            raise ValueError(
                "expected latents of one grid, (batch, height, width, D), received "
                f"shape={tuple(input_shape)}"
            )
        if self.scales is None:
            self.scales = Scales(halves(self.grid))
        if self.grid != self.scales.full:
            raise ValueError(
                f"expected grids that end in the latent grid {self.grid}, received "
                f"grids={self.grids}"
            )
        if not self.quantizer.built:
            self.quantizer.build(input_shape)
        self.num_used = min(self.num_convolutions, len(self.scales.grids))
        if self.num_used:
            dim, count = self.embedding_dim, self.num_used
            self.kernels = add_learned(
                self, "kernels", (count, 3, 3, dim, dim), _identity
            )
            self.offsets = add_learned(self, "offsets", (count, dim))

    def _quantize(self, latents, training, mask=None):
        def choose(means, counted):
            return self.quantizer(means, training=training, mask=counted)

        sums = self._sums(latents, mask, choose)
        return straight_through(latents, sums[-1]), self._own_terms(latents, sums, mask)

    def _sums(self, latents, mask, choose):
        """The sum after each scale; `choose` maps means to code vectors."""
        rest, sums = latents, [ops.zeros_like(latents)]
        for index in range(len(self.scales.grids)):
            means, counted = self.scales.counted_means(rest, mask, index)
            vectors = ops.stop_gradient(choose(means, counted))
            part = self._spread(ops.cast(vectors, "float32"), index)
            sums.append(sums[-1] + part)
            rest = rest - ops.stop_gradient(part)
        return sums[1:]

    def _own_terms(self, latents, sums, mask=None):
        """The loss of the convolutions: errors of the sums."""
        errors = (mean_squared_distance(each, latents, mask) for each in sums)
        return {"scales": sum(errors) / len(sums)}

    def _spread(self, vectors, index):
        """Code vectors of a scale, brought to the full grid."""
        spread = self.scales.up(vectors)
        if not self.num_used:
            return spread
        which = self._convolution(index)
        convolved = ops.conv(
            spread, self.kernels[which], padding="same", data_format="channels_last"
        )
        convolved = convolved + self.offsets[which]
        share = self.convolution_share
        return (1 - share) * spread + share * convolved

    def _convolution(self, index):
        """Index of a scale's convolution: the one with the nearest tick."""
        count, last = self.num_used, max(len(self.scales.grids) - 1, 1)
        margin = 1 / (3 if count == 4 else 2) / count  # as in the public code
        ticks = np.linspace(margin, 1 - margin, count)
        return int(np.argmin(np.abs(ticks - index / last)))

    def _codes(self, latents, mask):
        codes = []

        def choose(means, counted):
            chosen = self.quantizer.encode(means, counted)
            codes.append(ops.reshape(chosen, (-1, 1, math.prod(chosen.shape[1:]))))
            return self.quantizer.decode(chosen)

        self._sums(latents, mask, choose)
        return ops.concatenate(codes, axis=-1)

    def decode(self, codes):
        """Vectors of `codes` `(batch, 1, n)`, of the first scales: `(batch, *full, D)`.

        Args:
            codes: ints of any type, those of all scales or of the first ones, one after
                the other.

        Raises:
            ValueError: if the codes are no integers, one is out of range, or they are
                not those of whole scales.
        """
        codes = check_codes(codes, self.num_embeddings)
        if self.scales is None:
            raise ValueError("expected grids, or a layer that was called")
        if len(codes.shape) != 3 or codes.shape[2] not in self.scales.ends:
            raise ValueError(
                "expected codes of whole scales, (batch, 1, n) with n of "
                f"{self.scales.ends}, received shape={tuple(codes.shape)}"
            )
        total = 0.0
        for index, part in enumerate(self.scales.parts):
            if part.stop > codes.shape[2]:
                break
            here = ops.reshape(codes[:, 0, part], (-1, *self.scales.grids[index]))
            vectors = ops.cast(self.quantizer.decode(here), "float32")
            total = total + self._spread(vectors, index)
            counted = self.scales.at_places(here >= 0, index)
        total = ops.where(counted[..., None], total, 0.0)
        return ops.cast(total, self.compute_dtype)

    def start_from(self, latents, seed=0):
        """Starts the codebook from the residuals of a large sample at all scales.

        Each residual is what coarser scales would leave with perfect codes.
        """
        rest, rows = ops.cast(latents, "float32"), []
        for index in range(len(self.scales.grids)):
            means = self.scales.down(rest, index)
            rows.append(ops.reshape(means, (-1, self.embedding_dim)))
            rest = rest - self.scales.up(means)
        self.quantizer.start_from(ops.concatenate(rows), seed)

    def loss_terms(self, latents):
        """Loss terms by name, summed over the scales, before their weights."""
        latents, parts = ops.cast(latents, "float32"), []

        def choose(means, counted):
            parts.append(self.quantizer.loss_terms(means))
            return self.quantizer.decode(self.quantizer.encode(means))

        sums = self._sums(latents, None, choose)
        return add_terms([*parts, self._own_terms(latents, sums)])


def _identity(shape, dtype=None):
    """Identity kernels `(n, 3, 3, D, D)`."""
    kernels = np.zeros(shape, "float32")
    kernels[:, 1, 1] = np.eye(shape[-1])
    return ops.convert_to_tensor(kernels, dtype)


@named("multi_scale")
def _multi_scale(
    settings,
    grids=None,
    num_convolutions=4,
    convolution_share=0.5,
    **options,
):
    """Several scales that share one codebook of `ema`, as in VAR."""
    return MultiScaleResidualQuantizer(
        make_ema(settings, **options),
        grids,
        num_convolutions=num_convolutions,
        convolution_share=convolution_share,
    )
