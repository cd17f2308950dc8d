"""What quantizers share that weigh all codes: blocks of rows, scales, a data start."""

import keras
from keras import ops

from vqzoo.ops import replica_position, sample_rows, sum_across_replicas
from vqzoo.quantizers.base import Quantizer, add_learned, add_state

# Values of one N x K table held at once: 2**22 float32 are 16 MiB.
_SCORES_PER_BLOCK = 2**22
_MIN_ROWS_PER_BLOCK = 64
# Of the drawn latents' deviation: tells codes apart that start on the same latent.
JITTER = 0.1


class MovedCodebook(Quantizer):
    """Abstract: a codebook that the first batch can place and the optimizer then moves.

    An optimizer owns what it moves, and a backend without side effects forgets an
    assignment to it. The codebook is therefore the sum of two weights: where it
    started, and how far it was moved.

    Args: as of `Quantizer`; a subclass has `codebook_init` and `seed` too.
    """

    def _keep(self, values):
        super()._keep(values)
        self.seed_generator = keras.random.SeedGenerator(self.seed)

    def build(self, input_shape):
        super().build(input_shape)
        shape = (self.num_embeddings, self.embedding_dim)
        start = "uniform" if self.codebook_init == "data" else self.codebook_init
        self.codebook_start = add_state(self, "codebook_start", shape, start)
        self.codebook_offset = add_learned(self, "codebook_offset", shape)
        self.started = add_state(self, "started", (), "zeros")

    @property
    def codebook(self):
        """The code vectors in use, float32 `(K, D)`."""
        return self.codebook_start + self.codebook_offset

    def _start_codebook(self, rows):
        """The codebook of a training step; the first one places it on latents."""
        if self.codebook_init != "data":
            self.started.assign(ops.ones(()))
            return self.codebook
        drawn = sample_rows(rows, self.num_embeddings, self.seed_generator)
        noise = keras.random.normal(drawn.shape, seed=self.seed_generator)
        drawn = drawn + JITTER * ops.std(drawn, axis=0) * noise
        start = ops.cond(
            self.started > 0, lambda: self.codebook_start.value, lambda: drawn
        )
        self.codebook_start.assign(start)
        self.started.assign(ops.ones(()))
        return start + self.codebook_offset


def refuse_assignment(assignment):
    """Raises ValueError unless `assignment` is None."""
    if assignment is not None:
        raise ValueError(
            "expected assignment=None: while training the decoder receives a mixture "
            "of all codes, so that there is no chosen code to perturb, received "
            f"assignment={assignment}"
        )


def over_blocks(function, rows, shared, num_codes):
    """Applies `function` to blocks of rows, so that no N x K table stands whole.

    Backward, each block's tables are computed anew. Memory is that of one block, of at
    most 2**22 scores or 64 rows, on the way back too.

    Args:
        function: from `(rows (n, D), valid (n, 1), index, *shared)` to two tuples:
            tensors `(n, ...)` with a value for each row, and tensors that are summed
            over the blocks. `valid` is 0 for rows that only fill up a block, else 1.
        rows: float32 `(N, D)`.
        shared: tuple of float tensors, with a gradient, that every block needs.
        num_codes: int, K.

    Returns:
        The two tuples for all rows.
    """
    rows_per_block = max(_MIN_ROWS_PER_BLOCK, _SCORES_PER_BLOCK // num_codes)
    if rows.shape[0] is not None and rows.shape[0] <= rows_per_block:
        return function(rows, ops.ones((rows.shape[0], 1)), 0, *shared)
    num_rows = ops.shape(rows)[0]
    blocks, valid = _cut(rows, num_rows, rows_per_block)

    def one_block(block):
        rows, valid, index = block
        again = keras.remat(lambda rows, *shared: function(rows, valid, index, *shared))
        return again(rows, *shared)

    indices = ops.arange(ops.shape(blocks)[0], dtype="int32")
    values, sums = ops.map(one_block, (blocks, valid, indices))
    values = tuple(ops.reshape(x, (-1, *x.shape[2:]))[:num_rows] for x in values)
    return values, tuple(ops.sum(x, axis=0) for x in sums)


def _cut(rows, num_rows, rows_per_block):
    """Blocks `(b, n, D)` of equal height, and which of their rows are real."""
    num_blocks = (num_rows - 1) // rows_per_block + 1
    if isinstance(num_rows, int):
        num_blocks = max(num_blocks, 1)
    else:
        num_blocks = ops.maximum(num_blocks, 1)
    height = (num_rows - 1) // num_blocks + 1
    padded = ops.pad(rows, [[0, num_blocks * height - num_rows], [0, 0]])
    blocks = ops.reshape(padded, (num_blocks, height, rows.shape[1]))
    valid = ops.arange(num_blocks * height, dtype="int32") < num_rows
    valid = ops.reshape(ops.cast(valid, "float32"), (num_blocks, height, 1))
    return blocks, valid


def squared_distances(rows, codebook):
    """Squared Euclidean distances of rows `(n, D)` to codes `(K, D)`: `(n, K)`."""
    center = ops.stop_gradient(ops.mean(codebook, axis=0))
    rows, codebook = rows - center, codebook - center
    products = ops.matmul(rows, ops.transpose(codebook))
    squares = ops.sum(ops.square(rows), axis=1, keepdims=True)
    return squares - 2 * products + ops.sum(ops.square(codebook), axis=1)


def distance_unit(rows, nearest):
    """The squared distance by which to divide, for probabilities of codes.

    It is the mean squared distance to the nearest code. A softmax of -distance / unit
    then spreads over the neighbors of a latent, whatever D, K and the scale of the
    latents are. The likeliest variance, D / 2 times smaller, sits on one code alone
    where D is large; a constant is flat for short latents and sits on one for long.

    Args:
        rows: float32 `(N, D)`, this replica's part.
        nearest: float32 `(N, D)`, their nearest codes.

    Returns:
        Float32 scalar above 0, of the joint batch. No gradient.
    """
    rows, nearest = ops.stop_gradient(rows), ops.stop_gradient(nearest)
    squares = ops.stack([ops.square(rows - nearest), ops.square(rows)])
    means = ops.mean(ops.sum(squares, axis=2), axis=1)
    distance, square = ops.unstack(
        sum_across_replicas(means) / replica_position()[1], 2
    )
    # Below this share of the squares a difference of distances is rounding alone.
    return ops.maximum(distance, ops.maximum(1e-6 * square, 1e-30))


def mixture_entropy(mean):
    """Entropy, in nats, of the joint batch's mean probabilities.

    Args:
        mean: float32 `(K,)`, mean probabilities over this replica's rows.

    Returns:
        Float32 scalar, equal on all replicas. The gradient that a replica gets is its
        own part of the joint one.
    """
    joint = sum_across_replicas(ops.stop_gradient(mean)) / replica_position()[1]
    log_joint = ops.log(ops.maximum(joint, 1e-30))
    slope = -ops.sum(mean * log_joint)
    return -ops.sum(joint * log_joint) + (slope - ops.stop_gradient(slope))
