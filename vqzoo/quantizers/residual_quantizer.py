"""Quantizers in stages, each for what the ones before it left over."""

import keras
from keras import ops

from vqzoo.arguments import check_codes
from vqzoo.quantizers.base import Quantizer, add_terms, check_alike
from vqzoo.quantizers.finite_scalar_quantizer import make_grid
from vqzoo.quantizers.transformed_quantizer import batch_normalized
from vqzoo.quantizers.vector_quantizer_ema import make_ema
from vqzoo.registry import named
from vqzoo.replicas import draw_rows


@keras.saving.register_keras_serializable("vqzoo")
class ResidualQuantizer(Quantizer):
    """Quantizes the latents, then the rest, then the rest of the rest.

    The quantized vector is the sum of all stages, so that a latent has one code for
    each stage and the first ones say the most. Any quantizer can be a stage.

    Args:
        quantizers: sequence of quantizer layers of one `embedding_dim` and one
            `num_embeddings`, coarse to fine.
        dropout: bool. Whether, while training, the output of each latent's image ends
            after a random number of stages, from 1 to all of them, which makes every
            prefix of the codes decode well. Dropped stages go on learning. Defaults to
            False.
        seed: int or None, of the dropout.
    Input shape: `(batch, ..., embedding_dim)`, float, any range.
    Output shape: same. Codes: `(batch, ..., num_stages)`, int32, in [0, K).
    Losses: those of each stage on its own rest.
    Raises: ValueError: if there is no stage, or the stages' sizes differ.
    Source: Zeghidour et al. 2021, arXiv 2107.03312, section III.C; Lee et al. 2022,
        arXiv 2203.01941, section 3.1. Differs: the straight-through gradient passes
        once, not once for each stage.
    Example:
        >>> stages = [VectorQuantizerEMA(16, 8) for _ in range(4)]
        >>> quantizer = ResidualQuantizer(stages)
        >>> quantizer.encode(quantizer(np.ones((2, 3, 8), "float32"))).shape
        TensorShape([2, 3, 4])
    """

    def __init__(self, quantizers, *, dropout=False, seed=None, **kwargs):
        check_alike(quantizers)
        first = quantizers[0]
        super().__init__(first.num_embeddings, first.embedding_dim, **kwargs)
        self.code_axes = 1 + first.code_axes
        self._keep(locals())
        self.seed_generator = keras.random.SeedGenerator(seed)

    @property
    def codebooks(self):
        """The code vectors of all stages, a tuple of `(K, D)`."""
        return sum((stage.codebooks for stage in self.quantizers), ())

    def build(self, input_shape):
        super().build(input_shape)
        for stage in self.quantizers:
            if not stage.built:
                stage.build(input_shape)

    def _quantize(self, latents, training, mask=None):
        rest = latents
        num_stages = self._num_stages(rest) if training and self.dropout else None
        total = 0.0
        for index, stage in enumerate(self.quantizers):
            quantized = ops.cast(stage(rest, training=training, mask=mask), "float32")
            output = quantized
            if index:  # the first stage passes the gradient to the latents already
                output = quantized - (rest - ops.stop_gradient(rest))
            if num_stages is not None:
                output = ops.where(index < num_stages, output, 0.0)
            total = total + output
            rest = rest - ops.stop_gradient(quantized)
        return total, {}

    def start_from(self, latents, seed=0):
        """Starts each stage from what those before leave of a large sample."""
        rests = self._rests(ops.cast(latents, "float32"))
        for number, (stage, rest) in enumerate(rests):
            stage.start_from(rest, seed + number)

    def _num_stages(self, latents):
        """How many stages the output of each image has, `(batch, 1, ...)`."""

        def draw(num_rows):
            last = len(self.quantizers)
            return keras.random.randint(
                (num_rows,), 1, last + 1, seed=self.seed_generator
            )

        num_stages = draw_rows(draw, ops.shape(latents)[0])
        return ops.reshape(num_stages, (-1,) + (1,) * (len(latents.shape) - 1))

    def _codes(self, latents, mask):
        codes = [stage.encode(rest, mask) for stage, rest in self._rests(latents)]
        return ops.stack(codes, axis=len(latents.shape) - 1)

    def decode(self, codes):
        """Vectors of `codes` `(..., n)`, of the first n stages: float `(..., D)`."""
        codes = check_codes(codes, self.num_embeddings)
        axis = len(codes.shape) - self.code_axes
        num_given = codes.shape[axis]
        if not 1 <= num_given <= len(self.quantizers):
            raise ValueError(
                f"expected codes of 1 to {len(self.quantizers)} stages on axis {axis}, "
                f"received shape={tuple(codes.shape)}"
            )
        total = 0.0
        for stage, part in zip(self.quantizers, ops.unstack(codes, num_given, axis)):
            total = total + ops.cast(stage.decode(part), "float32")
        return ops.cast(total, self.compute_dtype)

    def loss_terms(self, latents):
        """Loss terms by name, summed over the stages, before their weights."""
        rests = self._rests(ops.cast(latents, "float32"))
        return add_terms(stage.loss_terms(rest) for stage, rest in rests)

    def _rests(self, latents):
        """Each stage and what is left for it to quantize."""
        for stage in self.quantizers:
            yield stage, latents
            codes = stage.encode(latents)
            latents = latents - ops.cast(stage.decode(codes), "float32")


@named("residual")
def _residual(settings, num_stages=4, dropout=False, **options):
    stages = [make_ema(settings, stage, **options) for stage in range(num_stages)]
    return ResidualQuantizer(stages, dropout=dropout, seed=settings.stage_seed(50))


@named("residual_fsq")
def _residual_fsq(settings, num_stages=2, **options):
    """Several stages of `fsq`, each for what the last left."""
    stages = [make_grid(settings, stage, **options) for stage in range(num_stages)]
    return batch_normalized(ResidualQuantizer(stages))
