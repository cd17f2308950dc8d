"""The protocol of the quantizers, and what they share."""

import math
import warnings

import keras
from keras import ops

from vqzoo.arguments import (
    Configured,
    check_codes,
    check_not_negative,
    check_one_of,
    check_positive_ints,
    plain,
)
from vqzoo.ops import (
    assignment_entropy,
    finite_rows,
    mean_of,
    nearest_code,
    rotation_trick,
    straight_through,
    unit_norm,
)
from vqzoo.replicas import ReplicaLosses

ESTIMATORS = {"straight_through": straight_through, "rotation": rotation_trick}
# Codes for each latent of a training step beyond which a codebook is said to be large.
_MANY_CODES = 64


class Quantizer(Configured, keras.layers.Layer):
    """Abstract: latents to codes and back, and the loss terms of doing so.

    A quantizer defines `_quantize` and has a `codebook`. One whose codes are not the
    nearest of that codebook defines `_nearest` and `_vectors` too; one that holds other
    quantizers says what its calls make of theirs. At inference a call gives what
    `decode(encode(latents))` gives, unless `is_hybrid`.

    Args:
        num_embeddings: int, K. Number of values of an index.
        embedding_dim: int, D. Last axis of the latents.
        assignment: layer that perturbs the choice of codes during training, or None.
    Attributes:
        codebook: the code vectors, float32 `(K, D)`.
        codebooks: the same, one for each index of a latent, a tuple of `(K, d)`.
        code_axes: int, axes that the codes have and the grid of latents has not.
        is_hybrid: bool, whether the output at inference is not a function of the codes.
        num_values: int, real numbers beside each code that has some; 0 without.
        layout: str, how codes stand: `"grid"`, in the places of their latents, or
            `"scales"`, a sequence `(batch, 1, L)` of those of its `scales.grids`.
        ema_counts: moving average of how often each code was chosen, `(K,)`, or None.
        cost_arguments: dict, the argument that weighs a loss term, at least 0, by the
            term's name; the weight of others is 1.
        normalize: bool, whether latents are compared at length 1.
        follows_latents: bool, whether each code is learned from latents that choose it.
        needs_sample: bool, whether no training step places the codes, so that recipes
            call `start_from` before the first one.
        on_move: function that is told in training which codes restarted, bool
            `(K,)`, and then the order that codes were brought to, int32 `(K,)` or None.
    Raises: ValueError: if a size is not a positive int, or the last axis of the input
        is not `embedding_dim`.
    """

    code_axes = 0
    is_hybrid = False
    num_values = 0
    layout = "grid"
    normalize = False
    follows_latents = False
    needs_sample = False
    on_move = None
    ema_counts = None
    cost_arguments = {}

    def __init__(self, num_embeddings, embedding_dim, *, assignment=None, **kwargs):
        # Codebooks and distances are float32 whatever the policy: half precision
        # confuses codes that are near to each other.
        super().__init__(autocast=False, **kwargs)
        self.supports_masking = True
        self._losses = ReplicaLosses()
        self._warned = False
        check_positive_ints(num_embeddings=num_embeddings, embedding_dim=embedding_dim)
        self.num_embeddings = plain(num_embeddings)
        self.embedding_dim = plain(embedding_dim)
        self.assignment = assignment

    def _keep(self, values):
        costs = self.cost_arguments.values()
        check_not_negative(**{name: values[name] for name in costs})
        super()._keep(values)

    @property
    def loss_weights(self):
        """Weight of each loss term by name; that of the others is 1."""
        return {term: getattr(self, name) for term, name in self.cost_arguments.items()}

    @property
    def codebooks(self):
        """The code vectors, a tuple of `(K, d)`, one for each index of a latent."""
        return (ops.convert_to_tensor(self.codebook),)

    def build(self, input_shape):
        check_last_axis(input_shape, self.embedding_dim)
        self.grid = tuple(input_shape[1:-1])
        self.input_spec = keras.layers.InputSpec(axes={-1: self.embedding_dim})

    def call(self, latents, training=False, mask=None):
        training = training and self.trainable
        if training:
            self.warn_of_many_codes(latents.shape[:-1])
        inputs = ops.cast(latents, "float32")
        if mask is not None:
            mask = grid_mask(mask, inputs)
            inputs = ops.where(mask[..., None], inputs, 0.0)
        quantized, terms = self._quantize(inputs, training, mask)
        for name, term in terms.items():
            self.add_loss(self.loss_weights.get(name, 1.0) * term)
        quantized = ops.reshape(quantized, ops.shape(inputs))
        if mask is not None:
            quantized = ops.where(mask[..., None], quantized, 0.0)
        return ops.cast(quantized, self.compute_dtype)

    def warn_of_many_codes(self, shape):
        """Warns once where it, or one in it, has far more codes than a step latents.

        Args:
            shape: `(batch, ...)` of the latents, without their last axis.
        """
        num_latents = 0 if None in shape else math.prod(shape)
        if self._warned or not num_latents:
            return
        many = [
            part
            for part in self._flatten_layers()
            if isinstance(part, Quantizer) and part.follows_latents and part.trainable
            if part.num_embeddings > _MANY_CODES * num_latents
        ]
        if many:
            self._warned = True
            warnings.warn(
                f"{self.name} has num_embeddings={many[0].num_embeddings} and "
                f"{num_latents} latents in a step: most codes will be forgotten before "
                "they are chosen again. Larger batches, fewer codes or a decay nearer "
                "to 1 help, or a quantizer whose codes move together, as SimVQ",
                stacklevel=2,
            )

    def _quantize(self, latents, training, mask=None):
        """What the decoder receives, and the loss terms by name before their weights.

        Args:
            latents: float32 `(..., D)`.
            training: bool.
            mask: bool `(...)`, the positions that count, or None for all.
        """
        raise NotImplementedError

    def _nearest(self, latents):
        """Codes int32 `(...)` of latents, float32 `(..., D)`."""
        codes = nearest_code(self._rows(latents), self.codebook)
        return ops.reshape(codes, ops.shape(latents)[:-1])

    def _vectors(self, codes):
        """Code vectors float32 `(..., D)` of codes, int `(...)`."""
        return ops.take(self.codebook, codes, axis=0)

    def compute_output_shape(self, input_shape):
        # `fit` asks with the first batch's shape, which its compiled steps do not know.
        self.warn_of_many_codes(input_shape[:-1])
        return input_shape

    def encode(self, latents, mask=None):
        """Codes of latents.

        Args:
            latents: float `(..., D)`.
            mask: bool, by position; or None: that which Keras keeps with the latents.

        Returns:
            int32 `(...)`, in [0, K), and -1 where the mask is False.
        """
        mask = getattr(latents, "_keras_mask", None) if mask is None else mask
        latents = ops.cast(latents, "float32")
        check_last_axis(latents.shape, self.embedding_dim)
        if mask is None:
            return self._codes(latents, None)
        return self._codes(latents, grid_mask(mask, latents))

    def _codes(self, latents, mask):
        """Codes of float32 latents, and -1 where the mask is False."""
        codes = self._nearest(latents)
        return codes if mask is None else ops.where(mask, codes, -1)

    def decode(self, codes):
        """Code vectors of codes.

        Args:
            codes: ints of any type, `(...)`, in [0, K); -1 is the code of masked
                positions, whose vector is 0.

        Returns:
            Float `(..., D)`.

        Raises:
            ValueError: if the codes are not integers or one is out of range. In a
                compiled function, which cannot know, the vector is 0 there.
        """
        codes = check_codes(codes, self.num_embeddings)
        inside = ops.logical_and(codes >= 0, codes < self.num_embeddings)
        vectors = self._vectors(ops.where(inside, codes, 0))
        vectors = ops.where(inside[..., None], vectors, 0.0)
        return ops.cast(vectors, self.compute_dtype)

    def start_from(self, latents, seed=0):
        """Places the codes on a large sample of latents, before training.

        Quantizers whose codes are no places of their own do nothing.

        Args:
            latents: float `(..., D)`, many for each code.
            seed: int, of the choices in it.
        """

    def loss_terms(self, latents):
        """Loss terms at inference by name, before their weights; float32 scalars."""
        return self._quantize(ops.cast(latents, "float32"), training=False)[1]

    def _rows(self, latents):
        """Latents as `(N, D)`, of length 1 where they are compared so."""
        rows = ops.reshape(latents, (-1, self.embedding_dim))
        return unit_norm(rows) if self.normalize else rows

    def _choose(self, latents, codebook, training):
        """The nearest codes, and those that the decoder receives.

        Args:
            latents: float32 `(batch, ..., D)`.
            codebook: float32 `(K, D)`.
            training: bool. During training, the assignment perturbs what is received.

        Returns:
            `(codes, nearest, assigned, received)`: int32 `(N,)` and their code vectors
            `(N, D)`, twice.
        """
        rows = self._rows(latents)
        codes = nearest_code(rows, codebook)
        nearest = ops.take(codebook, codes, axis=0)
        if not training or self.assignment is None:
            return codes, nearest, codes, nearest
        shaped = ops.reshape(codes, ops.shape(latents)[:-1])
        assigned = self.assignment.assign(shaped, rows, codebook)
        return codes, nearest, assigned, ops.take(codebook, assigned, axis=0)


def check_estimator(estimator, assignment):
    """Raises ValueError for an unknown estimator, or one that cannot go with noise."""
    check_one_of(ESTIMATORS, estimator=estimator)
    if estimator == "rotation" and assignment is not None:
        raise ValueError(
            "expected estimator='straight_through' with an assignment, received "
            "estimator='rotation': the rotation to a code that is not the nearest "
            "turns the gradient away from the latent's own, and training diverges"
        )


def check_last_axis(input_shape, embedding_dim):
    """Raises ValueError unless the last axis of the latents is the codes' length."""
    if len(input_shape) < 2 or input_shape[-1] != embedding_dim:
        raise ValueError(
            f"expected latents of shape (batch, ..., {embedding_dim}) for "
            f"embedding_dim={embedding_dim}, received shape={tuple(input_shape)}"
        )


def counted_rows(rows, mask):
    """Which latents `(N, D)` take part in state: those that are finite and not masked.

    Args:
        rows: float32 `(N, D)`.
        mask: bool, by position, N in all; or None.
    """
    finite = finite_rows(rows)
    if mask is None:
        return finite
    return ops.logical_and(finite, ops.reshape(mask, (-1,)))


def grid_mask(mask, latents):
    """A mask of positions, or of their first axes, for each of the latents: bool."""
    shape = ops.shape(latents)[:-1]
    missing = len(shape) - len(mask.shape)
    mask = ops.reshape(ops.cast(mask, "bool"), (*ops.shape(mask), *[1] * missing))
    return ops.broadcast_to(mask, shape)


def check_alike(quantizers):
    """Raises ValueError unless there are quantizers, all of one K and one D."""
    sizes = {(layer.num_embeddings, layer.embedding_dim) for layer in quantizers}
    if len(sizes) != 1:
        raise ValueError(
            "expected one quantizer or more, of one num_embeddings and one "
            f"embedding_dim, received (num_embeddings, embedding_dim)={sizes or '()'}"
        )


def add_state(layer, name, shape, initializer):
    """A float32 weight that is updated by hand, equal on all replicas."""
    options = {"trainable": False, "aggregation": "mean"}
    return add_learned(layer, name, shape, initializer, **options)


def add_learned(layer, name, shape, initializer="zeros", **kwargs):
    """A weight that the optimizer moves, float32 whatever the dtype policy."""
    return layer.add_weight(
        name=name,
        shape=shape,
        initializer=initializer,
        dtype="float32",
        autocast=False,
        **kwargs,
    )


def entropy_loss(rows, codebook, mask=None):
    """Entropy of each assignment minus that of their mean, in nats: a scalar.

    Source: Chang et al. 2022, arXiv 2202.04200, the tokenizer's entropy loss.
    """
    single, joint = assignment_entropy(rows, codebook, mask=mask)
    return single - joint


def mean_squared_distance(moving, fixed, mask=None):
    """mean((moving - sg(fixed)) ** 2) per element: a float32 scalar."""
    return mean_of(ops.square(moving - ops.stop_gradient(fixed)), mask)


def add_terms(parts):
    """Loss terms by name, each summed over the parts that have it."""
    total = {}
    for terms in parts:
        for name, term in terms.items():
            total[name] = total[name] + term if name in total else term
    return total
