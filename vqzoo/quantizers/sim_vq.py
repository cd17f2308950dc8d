"""Vector quantizer that learns one linear map of a frozen random codebook."""

import keras
from keras import ops

from vqzoo.ops import straight_through
from vqzoo.quantizers.base import (
    Quantizer,
    add_learned,
    add_state,
    counted_rows,
    mean_squared_distance,
)
from vqzoo.quantizers.residual_quantizer import ResidualQuantizer
from vqzoo.registry import named
from vqzoo.replicas import sum_across_replicas

_LATENTS_PER_DIM = 8  # that a start is fitted to


@keras.saving.register_keras_serializable("vqzoo")
class SimVQ(Quantizer):
    """Replaces each latent by the nearest code of a linearly mapped frozen codebook.

    The codes are `frozen_codebook @ mapping + shift`: the codebook is Gaussian and
    never learns, the map does. Whatever moves the map moves all codes, also those that
    no latent chose, so that codebooks of many thousands of codes stay in use. A step
    costs one K x D x D product more than a plain quantizer. At inference the nearest
    code is taken.

    The first training batches, of 8 D latents in all, give the codes the mean and the
    covariance of their latents, unless somebody has set the map. From the identity a
    map needs hundreds of steps to reach fresh latents, which lie in few directions and
    are short.

    Args:
        num_embeddings: int, K in the paper. Number of codes.
        embedding_dim: int, D in the paper. Length of a code.
        commitment_cost: float, beta in eq. 5, no unit. Defaults to 0.25.
        mapping_init: `"data"` (the first training batches) or a Keras initializer, with
            a shift of 0. Defaults to `"data"`.
        assignment: `NoisyAssignment` or another assignment, or None: a perturbation of
            the chosen code during training. The decoder receives the perturbed code and
            the codebook loss moves it; the commitment loss pulls to the nearest code.
        seed: int or None, of the frozen codebook.
    Input shape: `(batch, ..., embedding_dim)`, float, any range.
    Output shape: same. Codes: `(batch, ...)`, int32, in [0, K).
    Losses: mean((sg(latents) - assigned) ** 2) and
        commitment_cost * mean((latents - sg(nearest)) ** 2).
    State: frozen_codebook `(K, D)`, of deviation 1, mapping_start `(D, D)` and
        shift_start `(D,)`, not trainable; mapping_offset `(D, D)` and shift_offset
        `(D,)`, trainable, what the optimizer adds to the start; started `()`,
        the share of the latents of a start that were seen.
    Raises: ValueError: if a size is not positive, or the last axis of the input is not
        `embedding_dim`.
    Source: Zhu et al. 2024, arXiv 2411.02038. Differs: each term is a mean per
        element; the map starts from data; frozen codes of deviation 1, not D ** -0.5,
        so that a step of Adam moves them further.
    Example:
        >>> quantizer = SimVQ(512, 64)
        >>> quantizer(np.ones((2, 8, 8, 64), "float32")).shape
        TensorShape([2, 8, 8, 64])
    """

    cost_arguments = {"commitment": "commitment_cost"}

    def __init__(
        self,
        num_embeddings,
        embedding_dim,
        *,
        commitment_cost=0.25,
        mapping_init="data",
        assignment=None,
        seed=None,
        **kwargs,
    ):
        super().__init__(num_embeddings, embedding_dim, assignment=assignment, **kwargs)
        self._keep(locals())

    def build(self, input_shape):
        super().build(input_shape)
        self.frozen_codebook = add_state(
            self,
            "frozen_codebook",
            (self.num_embeddings, self.embedding_dim),
            keras.initializers.RandomNormal(stddev=1.0, seed=self.seed),
        )
        from_data = self.mapping_init == "data"
        start = "identity" if from_data else self.mapping_init
        square = (self.embedding_dim, self.embedding_dim)
        self.mapping_start = add_state(self, "mapping_start", square, start)
        self.shift_start = add_state(self, "shift_start", square[:1], "zeros")
        # An optimizer owns what it moves: it adds its own part to the start.
        self.mapping_offset = add_learned(self, "mapping_offset", square)
        self.shift_offset = add_learned(self, "shift_offset", square[:1])
        started = "zeros" if from_data else "ones"
        self.started = add_state(self, "started", (), started)

    @property
    def codebook(self):
        """The code vectors in use, float32 `(K, D)`."""
        return self._mapped(self.mapping_start, self.shift_start)

    def _mapped(self, mapping_start, shift_start):
        codes = ops.matmul(self.frozen_codebook, mapping_start + self.mapping_offset)
        return codes + shift_start + self.shift_offset

    def _start(self, rows, counted):
        """The codebook of a training step; the first ones fit the map to latents."""
        if self.mapping_init != "data":
            return self.codebook
        moments = _moments(rows, counted)
        start = (self.mapping_start.value, self.shift_start.value)
        start, started = ops.cond(
            self.started >= 1,
            lambda: (start, ops.ones(())),
            lambda: self._fit(*start, *moments),
        )
        self.mapping_start.assign(start[0])
        self.shift_start.assign(start[1])
        self.started.assign(started)
        return self._mapped(*start)

    def _fit(self, mapping, shift, count, mean, covariance):
        """The start with another batch in its moments, and what share it has seen."""
        needed = float(_LATENTS_PER_DIM * self.embedding_dim)
        seen = self.started.value * needed
        weight = count / ops.maximum(seen + count, 1.0)
        step = mean - shift
        within = (1 - weight) * ops.matmul(mapping, mapping) + weight * covariance
        between = weight * (1 - weight) * step[:, None] * step
        fitted = _root(within + between), shift + weight * step
        is_set = ops.logical_or(
            ops.any(ops.not_equal(mapping, ops.eye(self.embedding_dim))),
            ops.any(ops.not_equal(shift, 0.0)),
        )
        is_set = ops.logical_and(self.started.value <= 0, is_set)
        stays = ops.logical_or(is_set, count <= 0)
        start = tuple(
            ops.where(stays, old, new) for old, new in zip((mapping, shift), fitted)
        )
        started = ops.minimum((seen + count) / needed, 1.0)
        return start, ops.where(is_set, 1.0, started)

    def _quantize(self, latents, training, mask=None):
        rows, codebook = self._rows(latents), self.codebook
        if training:
            fixed = ops.stop_gradient(rows)
            codebook = self._start(fixed, counted_rows(fixed, mask))
        _, nearest, _, assigned = self._choose(latents, codebook, training)
        terms = {
            "codebook": mean_squared_distance(assigned, rows, mask),
            "commitment": mean_squared_distance(rows, nearest, mask),
        }
        return straight_through(rows, assigned), terms


def _moments(rows, counted):
    """How many rows of all replicas count, their mean and their covariance."""
    rows = ops.where(counted[:, None], rows, 0.0)
    count = sum_across_replicas(ops.sum(ops.cast(counted, "float32")))
    size = ops.maximum(count, 1.0)
    mean = sum_across_replicas(ops.sum(rows, axis=0)) / size
    rest = ops.where(counted[:, None], rows - mean, 0.0)
    products = sum_across_replicas(ops.matmul(ops.transpose(rest), rest))
    return count, mean, products / size


def _root(covariance):
    values, vectors = ops.eigh(covariance)
    root = vectors * ops.sqrt(ops.maximum(values, 0.0))
    return ops.matmul(root, ops.transpose(vectors))


@named("sim_vq")
def _sim_vq(settings, stage=0, **options):
    names = ("commitment_cost", "assignment", "seed")
    options = settings.options(options, *names, stage=stage)
    return SimVQ(*settings.sizes(), **options)


@named("residual_sim_vq")
def _residual_sim_vq(settings, num_stages=4, **options):
    """Several stages of `sim_vq`, each for what the last left."""
    stages = range(num_stages)
    return ResidualQuantizer([_sim_vq(settings, i, **options) for i in stages])
