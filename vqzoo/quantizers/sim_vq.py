"""Vector quantizer that learns one linear map of a frozen random codebook."""

import keras
from keras import ops

from vqzoo.ops import straight_through, sum_across_replicas
from vqzoo.quantizers.base import (
    Quantizer,
    add_learned,
    add_state,
    mean_squared_distance,
)
from vqzoo.registry import named


@keras.saving.register_keras_serializable("vqzoo")
class SimVQ(Quantizer):
    """Replaces each latent by the nearest code of a linearly mapped frozen codebook.

    The codes are `frozen_codebook @ mapping + shift`: the codebook is Gaussian and
    never learns, the map does. Whatever moves the map moves all codes, also those that
    no latent chose, so that codebooks of many thousands of codes stay in use. A step
    costs one K x D x D product more than a plain quantizer. At inference the nearest
    code is taken.

    The first training batch gives the codes the mean and the covariance of its latents.
    From the identity a map needs hundreds of steps to reach fresh latents, which lie in
    few directions and are short.

    Args:
        num_embeddings: int, K in the paper. Number of codes.
        embedding_dim: int, D in the paper. Length of a code.
        commitment_cost: float, beta in eq. 5, no unit. Defaults to 0.25.
        mapping_init: `"data"` (the first training batch) or a Keras initializer, with a
            shift of 0. Defaults to `"data"`.
        assignment: `NoisyAssignment` or another assignment, or None: a perturbation of
            the chosen code while training. The decoder receives the perturbed code and
            the codebook loss moves it; the commitment loss pulls to the nearest code.
        seed: int or None, of the frozen codebook.
    Input shape: `(batch, ..., embedding_dim)`, float, any range.
    Output shape: same. Codes: `(batch, ...)`, int32, in [0, K).
    Losses: mean((sg(latents) - assigned) ** 2) and
        commitment_cost * mean((latents - sg(nearest)) ** 2).
    State: frozen_codebook `(K, D)`, of deviation 1, mapping_start `(D, D)` and
        shift_start `(D,)`, not trainable; mapping_offset `(D, D)` and shift_offset
        `(D,)`, trainable, what the optimizer adds to the start; started `()`.
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

    def _start(self, rows):
        """The codebook of a training step; the first fits the map to the latents."""
        if self.mapping_init != "data":
            return self.codebook
        moments = _moments(rows)
        start = ops.cond(
            self.started > 0,
            lambda: (self.mapping_start.value, self.shift_start.value),
            lambda: _root_and_mean(*moments),
        )
        self.mapping_start.assign(start[0])
        self.shift_start.assign(start[1])
        self.started.assign(ops.ones(()))
        return self._mapped(*start)

    def _quantize(self, latents, training):
        rows, codebook = self._rows(latents), self.codebook
        if training:
            codebook = self._start(ops.stop_gradient(rows))
        _, nearest, _, assigned = self._choose(latents, codebook, training)
        terms = {
            "codebook": mean_squared_distance(assigned, rows),
            "commitment": mean_squared_distance(rows, nearest),
        }
        return straight_through(rows, assigned), terms


def _moments(rows):
    """Mean of all replicas' rows, and their covariance."""
    count = sum_across_replicas(ops.cast(ops.shape(rows)[0], "float32"))
    mean = sum_across_replicas(ops.sum(rows, axis=0)) / count
    rest = rows - mean
    products = sum_across_replicas(ops.matmul(ops.transpose(rest), rest))
    return mean, products / count


def _root_and_mean(mean, covariance):
    values, vectors = ops.eigh(covariance)
    root = vectors * ops.sqrt(ops.maximum(values, 0.0))
    return ops.matmul(root, ops.transpose(vectors)), mean


@named("sim_vq")
def _sim_vq(settings, **options):
    options = settings.options(options, "commitment_cost", "assignment", "seed")
    return SimVQ(*settings.sizes(), **options)
