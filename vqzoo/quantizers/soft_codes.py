"""What quantizers share that weigh all codes: blocks of rows, scales, a data start."""

import keras
from keras import ops

from vqzoo.quantizers.base import Quantizer, add_learned, add_state
from vqzoo.quantizers.codebook_start import (
    initializer,
    no_place_yet,
    place_next,
    usable_first,
)
from vqzoo.replicas import replica_position, sample_rows, sum_across_replicas

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

    Args: as in `Quantizer`; a subclass has `codebook_init` and `seed` too.
    """

    follows_latents = True

    def _keep(self, values):
        super()._keep(values)
        shape = (self.num_embeddings, self.embedding_dim)
        self.codebook_init = initializer(values["codebook_init"], shape)
        self.seed_generator = keras.random.SeedGenerator(self.seed)

    def build(self, input_shape):
        super().build(input_shape)
        shape = (self.num_embeddings, self.embedding_dim)
        start = no_place_yet if self.codebook_init == "data" else self.codebook_init
        self.codebook_start = add_state(self, "codebook_start", shape, start)
        self.codebook_offset = add_learned(self, "codebook_offset", shape)
        self.started = add_state(self, "started", (), "zeros")

    @property
    def codebook(self):
        """The code vectors in use, float32 `(K, D)`."""
        return self.codebook_start + self.codebook_offset

    def _start_codebook(self, rows, mask):
        """The codebook of a training step; the first ones place it on latents."""
        if self.codebook_init != "data":
            self.started.assign(ops.ones(()))
            return self.codebook
        seed = self.seed_generator
        drawn, usable = sample_rows(rows, self.num_embeddings, seed, mask)
        noise = keras.random.normal(drawn.shape, seed=seed)
        start, started, is_new = ops.cond(
            self.started >= 1,
            lambda: (self.codebook_start.value, ops.ones(()), ops.zeros_like(usable)),
            lambda: self._place(drawn, usable, noise),
        )
        self.codebook_start.assign(start)
        self.started.assign(started)
        if self.on_move:
            self.on_move(is_new, None)
        return ops.stop_gradient(start) + self.codebook_offset

    def _place(self, drawn, usable, noise):
        start, before = self.codebook_start.value, self.started.value
        count, drawn = usable_first(drawn, usable)
        drawn = drawn + JITTER * ops.std(drawn, axis=0) * noise
        rows = drawn - ops.convert_to_tensor(self.codebook_offset)
        placed, started, is_new = place_next(start, before, count, rows)
        fresh = no_place_yet(start.shape)
        is_set = ops.logical_and(before <= 0, ops.any(ops.not_equal(start, fresh)))
        is_new = ops.logical_and(is_new, ops.logical_not(is_set))
        start = ops.where(is_new[:, None], placed, start)
        return start, ops.where(is_set, 1.0, started), is_new


def refuse_assignment(assignment):
    """Raises ValueError unless `assignment` is None."""
    if assignment is not None:
        raise ValueError(
            "expected assignment=None: while training the decoder receives a mixture "
            "of all codes, so that there is no chosen code to perturb, received "
            f"assignment={assignment}"
        )


def over_blocks(function, rows, shared, num_codes, mask=None):
    """Applies `function` to blocks of rows, so that no N x K table stands whole.

    Backward, each block's tables are computed anew. Memory is that of one block, of at
    most 2**22 scores or 64 rows, on the way back too.

    Args:
        function: from `(rows (n, D), valid (n, 1), index, *shared)` to two tuples:
            tensors `(n, ...)` with a value for each row, and tensors that are summed
            over the blocks. `valid` is 0 for rows that only fill up a block or that are
            masked, else 1.
        rows: float32 `(N, D)`.
        shared: tuple of float tensors, with a gradient, that every block needs.
        num_codes: int, K.
        mask: bool, for each of the rows, whether it counts; or None for all.

    Returns:
        The two tuples for all rows.
    """
    rows_per_block = max(_MIN_ROWS_PER_BLOCK, _SCORES_PER_BLOCK // num_codes)
    num_rows = ops.shape(rows)[0]
    valid = ops.ones((num_rows, 1))
    if mask is not None:
        valid = ops.cast(ops.reshape(mask, (-1, 1)), "float32")
    if rows.shape[0] is not None and rows.shape[0] <= rows_per_block:
        return function(rows, valid, 0, *shared)
    blocks, valid = _cut(num_rows, rows_per_block, rows, valid)

    def one_block(block):
        rows, valid, index = block
        again = keras.remat(lambda rows, *shared: function(rows, valid, index, *shared))
        return again(rows, *shared)

    indices = ops.arange(ops.shape(blocks)[0], dtype="int32")
    values, sums = ops.map(one_block, (blocks, valid, indices))
    values = tuple(ops.reshape(x, (-1, *x.shape[2:]))[:num_rows] for x in values)
    return values, tuple(ops.sum(x, axis=0) for x in sums)


def _cut(num_rows, rows_per_block, *arrays):
    """Arrays of rows in blocks `(b, n, ...)` of equal height, filled up with zeros."""
    num_blocks = (num_rows - 1) // rows_per_block + 1
    if isinstance(num_rows, int):
        num_blocks = max(num_blocks, 1)
    else:
        num_blocks = ops.maximum(num_blocks, 1)
    height = (num_rows - 1) // num_blocks + 1
    padding = [[0, num_blocks * height - num_rows], [0, 0]]
    return [
        ops.reshape(ops.pad(x, padding), (num_blocks, height, x.shape[1]))
        for x in arrays
    ]


def squared_distances(rows, codebook):
    """Squared Euclidean distances of rows `(n, D)` to codes `(K, D)`: `(n, K)`."""
    center = ops.stop_gradient(ops.mean(codebook, axis=0))
    rows, codebook = rows - center, codebook - center
    products = ops.matmul(rows, ops.transpose(codebook))
    squares = ops.sum(ops.square(rows), axis=1, keepdims=True)
    return squares - 2 * products + ops.sum(ops.square(codebook), axis=1)


def distance_unit(rows, nearest, mask=None):
    """The squared distance by which to divide, for probabilities of codes.

    It is the mean squared distance to the nearest code. A softmax of -distance / unit
    then spreads over the neighbors of a latent, whatever D, K and the scale of the
    latents are. The likeliest variance, D / 2 times smaller, sits on one code alone
    where D is large; a constant is flat for short latents and sits on one for long.

    Args:
        rows: float32 `(N, D)`, this replica's part.
        nearest: float32 `(N, D)`, their nearest codes.
        mask: bool `(N,)`, the rows that count, or None for all.

    Returns:
        Float32 scalar above 0, of the joint batch. No gradient.
    """
    rows, nearest = ops.stop_gradient(rows), ops.stop_gradient(nearest)
    counted = ops.ones_like(rows[:, 0], "bool") if mask is None else mask
    squares = ops.stack([ops.square(rows - nearest), ops.square(rows)])
    squares = ops.where(counted[:, None], squares, 0.0)
    count = ops.maximum(sum_across_replicas(ops.sum(ops.cast(counted, "float32"))), 1.0)
    distance, square = ops.unstack(
        sum_across_replicas(ops.sum(squares, axis=(1, 2))) / count, 2
    )
    # Below this share of the squares a difference of distances is rounding alone.
    return ops.maximum(distance, ops.maximum(1e-6 * square, 1e-30))


def mixture_entropy(sums, count):
    """Entropy, in nats, of the joint batch's mean probabilities.

    Args:
        sums: float32 `(K,)`, sums of probabilities over this replica's rows.
        count: float32 scalar, how many rows these are.

    Returns:
        Float32 scalar, equal on all replicas. The gradient that a replica gets is its
        own part of the joint one.
    """
    total = ops.maximum(sum_across_replicas(count), 1.0)
    joint = sum_across_replicas(ops.stop_gradient(sums)) / total
    log_joint = ops.log(ops.maximum(joint, 1e-30))
    slope = -ops.sum(sums * log_joint) * replica_position()[1] / total
    return -ops.sum(joint * log_joint) + (slope - ops.stop_gradient(slope))
