"""Quantizers in stages, each for the error that the earlier ones leave."""

import keras
from keras import ops

from vqzoo.arguments import check_codes, check_positive_ints
from vqzoo.ops import map_rows, straight_through
from vqzoo.quantizers.balanced_assignment import BalancedAssignment
from vqzoo.quantizers.base import Quantizer, add_terms, check_alike
from vqzoo.quantizers.finite_scalar_quantizer import make_grid
from vqzoo.quantizers.transformed_quantizer import batch_normalized
from vqzoo.quantizers.vector_quantizer_ema import make_ema
from vqzoo.registry import named
from vqzoo.replicas import draw_rows


@keras.saving.register_keras_serializable("vqzoo")
class ResidualQuantizer(Quantizer):
    """Quantizes the latents, then the error that is left, and so on.

    The quantized vector is the sum of all stages, so that a latent has one code for
    each stage and the first ones say the most. Any quantizer can be a stage.

    Args:
        quantizers: sequence of quantizer layers of one `embedding_dim` and one
            `num_embeddings`, coarse to fine.
        num_stages: int or None. With one quantizer, which is then that of all of so
            many stages: they share its codebook. Defaults to one for each quantizer.
        beam_width: int, how many of the best codes of the stages so far are followed
            at inference, where the nearest code of a stage need not lead to the nearest
            sum. Defaults to 1, the nearest code of each. Stages have one code each.
        dropout: bool. Whether, during training, the output of each latent's image ends
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

    def __init__(
        self,
        quantizers,
        *,
        num_stages=None,
        beam_width=1,
        dropout=False,
        seed=None,
        **kwargs,
    ):
        check_alike(quantizers)
        first = quantizers[0]
        super().__init__(first.num_embeddings, first.embedding_dim, **kwargs)
        check_positive_ints(beam_width=beam_width)
        _check_stages(quantizers, num_stages, beam_width)
        self.code_axes = 1 + first.code_axes
        self._keep(locals())
        self.seed_generator = keras.random.SeedGenerator(seed)

    @property
    def stages(self):
        """The quantizer of each stage, a tuple; the same one where it is shared."""
        times = self.num_stages if self.num_stages is not None else 1
        return tuple(self.quantizers) * times

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
        best = None if training else self._best(latents)
        total = 0.0
        for index, stage in enumerate(self.stages):
            quantized = ops.cast(stage(rest, training=training, mask=mask), "float32")
            if best is not None:
                chosen = ops.cast(stage.decode(best[index]), "float32")
                quantized = straight_through(quantized, chosen)
            output = quantized
            # The first stage passes the gradient to the latents already.
            if index and not stage.trainable_weights:
                output = ops.stop_gradient(quantized)
            elif index:
                output = quantized - (rest - ops.stop_gradient(rest))
            if num_stages is not None:
                output = ops.where(index < num_stages, output, 0.0)
            total = total + output
            rest = rest - ops.stop_gradient(quantized)
        return total, {}

    def start_from(self, latents, seed=0):
        """Starts each stage from what those before leave of a large sample."""
        rest = ops.cast(latents, "float32")
        for number, stage in enumerate(self.stages):
            # A codebook that is shared starts at the first stage.
            if number < len(self.quantizers):
                stage.start_from(rest, seed + number)
            rest = rest - ops.cast(stage.decode(stage.encode(rest)), "float32")

    def _num_stages(self, latents):
        """How many stages the output of each image has, `(batch, 1, ...)`."""

        def draw(num_rows):
            last = len(self.stages)
            return keras.random.randint(
                (num_rows,), 1, last + 1, seed=self.seed_generator
            )

        num_stages = draw_rows(draw, ops.shape(latents)[0])
        return ops.reshape(num_stages, (-1,) + (1,) * (len(latents.shape) - 1))

    def _beam(self, latents):
        """Codes int32 `(..., n)` of the best sum among those that are followed."""
        tables = [
            ops.cast(stage.decode(ops.arange(self.num_embeddings)), "float32")
            for stage in self.stages
        ]

        def search(rows):
            rests, codes = rows[:, None], None
            for table in tables:
                lengths = ops.sum(ops.square(rests), axis=-1, keepdims=True)
                products = ops.matmul(rests, ops.transpose(table))
                scores = 2 * products - ops.sum(ops.square(table), axis=1) - lengths
                num_codes, width = table.shape[0], rests.shape[1]
                scores = ops.reshape(scores, (-1, width * num_codes))
                _, places = ops.top_k(scores, min(self.beam_width, scores.shape[1]))
                places = ops.cast(places, "int32")
                before, chosen = places // num_codes, places % num_codes
                rests = ops.take_along_axis(rests, before[..., None], axis=1)
                rests = rests - ops.take(table, chosen, axis=0)
                chosen = chosen[..., None]
                if codes is not None:
                    codes = ops.take_along_axis(codes, before[..., None], axis=1)
                    chosen = ops.concatenate([codes, chosen], axis=-1)
                codes = chosen
            return codes[:, 0]

        rows = ops.reshape(ops.stop_gradient(latents), (-1, self.embedding_dim))
        codes = map_rows(search, rows, self.beam_width * self.num_embeddings)
        return ops.reshape(codes, (*ops.shape(latents)[:-1], len(tables)))

    def _codes(self, latents, mask):
        if self.beam_width > 1:
            codes = self._beam(latents)
            return codes if mask is None else ops.where(mask[..., None], codes, -1)
        codes = [stage.encode(rest, mask) for stage, rest in self._rests(latents)]
        return ops.stack(codes, axis=len(latents.shape) - 1)

    def decode(self, codes):
        """Vectors of `codes` `(..., n)`, of the first n stages: float `(..., D)`."""
        codes = check_codes(codes, self.num_embeddings)
        axis = len(codes.shape) - self.code_axes
        num_given = codes.shape[axis]
        if not 1 <= num_given <= len(self.stages):
            raise ValueError(
                f"expected codes of 1 to {len(self.stages)} stages on axis {axis}, "
                f"received shape={tuple(codes.shape)}"
            )
        total = 0.0
        for stage, part in zip(self.stages, ops.unstack(codes, num_given, axis)):
            total = total + ops.cast(stage.decode(part), "float32")
        return ops.cast(total, self.compute_dtype)

    def loss_terms(self, latents):
        """Loss terms by name, summed over the stages, before their weights."""
        rests = self._rests(ops.cast(latents, "float32"))
        return add_terms(stage.loss_terms(rest) for stage, rest in rests)

    def _rests(self, latents):
        """Each stage and what is left for it to quantize."""
        best = self._best(latents)
        for index, stage in enumerate(self.stages):
            yield stage, latents
            codes = stage.encode(latents) if best is None else best[index]
            latents = latents - ops.cast(stage.decode(codes), "float32")

    def _best(self, latents):
        """Codes of the best sum, a list by stage; None where each takes its nearest."""
        if self.beam_width == 1:
            return None
        return ops.unstack(self._beam(latents), len(self.stages), axis=-1)


def _check_stages(quantizers, num_stages, beam_width):
    if num_stages is not None:
        check_positive_ints(num_stages=num_stages)
        if len(quantizers) != 1:
            raise ValueError(
                "expected one quantizer that all stages share with num_stages="
                f"{num_stages}, received {len(quantizers)}"
            )
    if beam_width > 1 and quantizers[0].code_axes:
        raise ValueError(
            "expected stages of one code each to search among their sums, received "
            f"beam_width={beam_width} with {type(quantizers[0]).__name__}"
        )


@named("residual")
def _residual(
    settings,
    num_stages=4,
    dropout=False,
    beam_width=1,
    shared=False,
    stage_noise=None,
    balanced=False,
    **options,
):
    """Stages of `ema`; `stage_noise` is the sigma of each, `balanced` of the last."""

    def make(stage):
        chosen = dict(options)
        if stage_noise is not None:
            chosen["assignment"] = settings.noise(stage, stage_noise[stage])
        if balanced and stage == num_stages - 1:
            chosen["assignment"] = BalancedAssignment()
        return make_ema(settings, stage, **chosen)

    if stage_noise is not None and len(stage_noise) != num_stages:
        raise ValueError(
            f"expected a sigma for each of {num_stages} stages, received "
            f"stage_noise={stage_noise}"
        )
    return ResidualQuantizer(
        [make(stage) for stage in range(1 if shared else num_stages)],
        num_stages=num_stages if shared else None,
        beam_width=beam_width,
        dropout=dropout,
        seed=settings.stage_seed(50),
    )


@named("residual_fsq")
def _residual_fsq(settings, num_stages=2, **options):
    """Several stages of `fsq`, each for what the last left."""
    stages = [make_grid(settings, stage, **options) for stage in range(num_stages)]
    return batch_normalized(ResidualQuantizer(stages))
