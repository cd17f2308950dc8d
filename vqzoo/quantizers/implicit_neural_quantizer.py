"""Residual stages whose codebooks a network makes of what was said before."""

import keras
from keras import ops

from vqzoo.arguments import check_codes, check_positive_ints
from vqzoo.ops import map_rows, nearest_code, straight_through
from vqzoo.quantizers.base import Quantizer, add_learned, mean_squared_distance
from vqzoo.quantizers.k_means import cluster
from vqzoo.registry import named


@keras.saving.register_keras_serializable("vqzoo")
class ImplicitNeuralQuantizer(Quantizer):
    """Residual quantization with a codebook of its own for each latent (QINCo).

    The first stage has a codebook. The codes of each later one go through a small
    network together with the sum of the stages so far: where a latent lies says which
    rests are likely. Everything learns by gradient. `start_from` makes it begin as
    residual k-means of a sample; recipes call it before the first step.

    Args:
        num_embeddings: int, K. Number of codes of each stage.
        embedding_dim: int, D. Length of a code.
        num_stages: int. Defaults to 4.
        depth: int, residual blocks of the network of a stage. Defaults to 2.
        hidden_dim: int or None, inside of the blocks. Defaults to D.
        commitment_cost: float, weight of the commitment loss. Defaults to 0.25.
    Input shape: `(batch, ..., embedding_dim)`, float, any range.
    Output shape: same. Codes: `(batch, ..., num_stages)`, int32, in [0, K).
    Losses: mean((sg(rest) - code) ** 2) and
        commitment_cost * mean((rest - sg(code)) ** 2), summed over the stages.
    State: a codebook `(K, D)` and, but for the first, the network's kernels of each
        stage, trainable. `codebooks` are those that go into the networks.
    Raises: ValueError: if a size is not a positive int.
    Source: Huijben et al. 2024, arXiv 2401.14732, section 3. Differs: straight-through
        to an encoder, with the losses of the VQ-VAE; SiLU and biases in the blocks, as
        in vector-quantize-pytorch, where the paper has ReLU; networks without effect at
        the start, as in QINCo2 (Vallaeys et al. 2025, arXiv 2501.03078).
    Example:
        >>> quantizer = ImplicitNeuralQuantizer(16, 8, num_stages=2)
        >>> quantizer.encode(quantizer(np.ones((2, 3, 8), "float32"))).shape
        TensorShape([2, 3, 2])
    """

    code_axes = 1
    needs_sample = True
    cost_arguments = {"commitment": "commitment_cost"}

    def __init__(
        self,
        num_embeddings,
        embedding_dim,
        *,
        num_stages=4,
        depth=2,
        hidden_dim=None,
        commitment_cost=0.25,
        **kwargs,
    ):
        super().__init__(num_embeddings, embedding_dim, **kwargs)
        check_positive_ints(num_stages=num_stages, depth=depth)
        self._keep(locals())

    @property
    def codebooks(self):
        """What codes stand for before the networks, a tuple of `(K, D)`."""
        return tuple(map(ops.convert_to_tensor, self.tables))

    def build(self, input_shape):
        super().build(input_shape)
        dim, hidden = self.embedding_dim, self.hidden_dim or self.embedding_dim
        normal = keras.initializers.RandomNormal(stddev=1.0)
        self.tables = [
            add_learned(self, f"codebook_{i}", (self.num_embeddings, dim), normal)
            for i in range(self.num_stages)
        ]
        shapes = [(2 * dim, dim), *[(dim, hidden), (hidden, dim)] * self.depth]
        self.networks = [
            [
                (
                    add_learned(self, f"kernel_{i}_{j}", shape, "glorot_uniform"),
                    add_learned(self, f"bias_{i}_{j}", shape[1:]),
                )
                for j, shape in enumerate(shapes)
            ]
            for i in range(1, self.num_stages)
        ]

    def start_from(self, latents, seed=0):
        """Places each table on the clusters of what those before it leave.

        The networks have no effect at first. A layer that is frozen stays as it is, and
        so does one that has more codes than there are latents.
        """
        rest = self._rows(ops.cast(latents, "float32"))
        if not self.trainable or rest.shape[0] < self.num_embeddings:
            return
        for number, table in enumerate(self.tables):
            means, _ = cluster(rest, self.num_embeddings, seed + number)
            table.assign(means)
            codes = nearest_code(rest, ops.convert_to_tensor(means))
            rest = rest - ops.take(means, codes, axis=0)
        for first, *blocks in self.networks:
            for weight in (*first, *sum(blocks[1::2], ())):
                weight.assign(ops.zeros_like(weight))

    def _made(self, stage, before, codes):
        """Code vectors of a stage, of table rows and the sum before: `(..., D)` all."""
        if not stage:
            return codes

        def dense(inputs, layer):
            kernel, bias = layer
            return ops.matmul(inputs, kernel) + bias

        first, *blocks = self.networks[stage - 1]
        hidden = codes + dense(ops.concatenate([before, codes], axis=-1), first)
        for one, two in zip(blocks[::2], blocks[1::2]):
            hidden = hidden + dense(ops.silu(dense(hidden, one)), two)
        return hidden

    def _stages(self, rows):
        """For each stage the rest, the codes and their vectors, `(N, ...)`."""
        before = ops.zeros_like(rows)
        for stage, table in enumerate(self.tables):
            codes = self._chosen(stage, ops.stop_gradient(rows), before)
            vectors = self._made(stage, before, ops.take(table, codes, axis=0))
            yield rows - before, codes, vectors
            before = before + ops.stop_gradient(vectors)

    def _chosen(self, stage, rows, before):
        """The nearest codes `(N,)`, where each latent has a codebook of its own."""
        dim, size = self.embedding_dim, self.num_embeddings
        table = ops.stop_gradient(ops.convert_to_tensor(self.tables[stage]))

        def nearest(both):
            rows, before = both[:, None, :dim], both[:, None, dim:]
            shape = (ops.shape(both)[0], size, dim)
            codes = ops.broadcast_to(table, shape)
            made = self._made(stage, ops.broadcast_to(before, shape), codes)
            apart = ops.sum(ops.square(rows - before - made), axis=-1)
            return ops.cast(ops.argmin(apart, axis=-1), "int32")

        both = ops.concatenate([rows, before], axis=-1)
        return ops.stop_gradient(map_rows(nearest, both, size * dim))

    def _quantize(self, latents, training, mask=None):
        rows = self._rows(latents)
        total, terms = 0.0, {"codebook": 0.0, "commitment": 0.0}
        for rest, _, vectors in self._stages(rows):
            total = total + vectors
            terms["codebook"] += mean_squared_distance(vectors, rest, mask)
            terms["commitment"] += mean_squared_distance(rest, vectors, mask)
        return straight_through(rows, total), terms

    def _codes(self, latents, mask):
        codes = [codes for _, codes, _ in self._stages(self._rows(latents))]
        shape = (*ops.shape(latents)[:-1], self.num_stages)
        codes = ops.reshape(ops.stack(codes, axis=-1), shape)
        return codes if mask is None else ops.where(mask[..., None], codes, -1)

    def decode(self, codes):
        """Vectors of `codes` `(..., n)`, of the first n stages: float `(..., D)`."""
        codes = check_codes(codes, self.num_embeddings)
        if not 1 <= codes.shape[-1] <= self.num_stages:
            raise ValueError(
                f"expected codes of 1 to {self.num_stages} stages on the last axis, "
                f"received shape={tuple(codes.shape)}"
            )
        inside = ops.logical_and(codes >= 0, codes < self.num_embeddings)
        flat = ops.reshape(ops.where(inside, codes, 0), (-1, codes.shape[-1]))
        before = ops.zeros((ops.shape(flat)[0], self.embedding_dim))
        for stage in range(codes.shape[-1]):
            rows = ops.take(self.tables[stage], flat[:, stage], axis=0)
            before = before + self._made(stage, before, rows)
        vectors = ops.reshape(before, (*ops.shape(codes)[:-1], self.embedding_dim))
        vectors = ops.where(ops.all(inside, axis=-1)[..., None], vectors, 0.0)
        return ops.cast(vectors, self.compute_dtype)


@named("implicit_neural")
def _implicit_neural(settings, **options):
    options = settings.options(options, "commitment_cost")
    return ImplicitNeuralQuantizer(*settings.sizes(), **options)
