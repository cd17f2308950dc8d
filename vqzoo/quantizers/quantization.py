"""What the quantizers share: checks, the look-up, the distances of their losses."""

import threading

import keras
from keras import ops

from vqzoo.ops import (
    assignment_entropy,
    nearest_code,
    rotation_trick,
    straight_through,
    unit_norm,
)
from vqzoo.quantizers.stochastic_assignment import StochasticAssignment

ESTIMATORS = {"straight_through": straight_through, "rotation": rotation_trick}


class ReplicaLosses(threading.local):
    """The losses of a layer's last call, for each replica its own.

    A mirrored strategy runs its replicas in threads that take turns at each sum across
    them. In Keras 3 they share one list of losses, so that a replica would count, or
    clear, what the others added. A layer that sums across replicas puts this in the
    place of that list.
    """

    def __init__(self):
        self.values = []

    def extend(self, losses):
        """Adds losses of this replica's call."""
        self.values.extend(losses)

    def clear(self):
        """Forgets the losses of this replica's call."""
        self.values.clear()

    def __getitem__(self, index):
        return self.values[index]

    def __reduce__(self):
        return (ReplicaLosses, ())


def check_sizes(num_embeddings, embedding_dim):
    """Raises ValueError unless the sizes are positive ints."""
    for name, value in (
        ("num_embeddings", num_embeddings),
        ("embedding_dim", embedding_dim),
    ):
        if not isinstance(value, int) or value < 1:
            raise ValueError(
                f"expected {name} to be a positive int, received {name}={value}"
            )


def check_not_negative(**values):
    """Raises ValueError for a value below 0, or not a number, by its name."""
    for name, value in values.items():
        if not value >= 0:
            raise ValueError(
                f"expected {name} to be at least 0, received {name}={value}"
            )


def check_estimator(estimator, assignment):
    """Raises ValueError for an unknown estimator, or one that cannot go with noise."""
    if estimator not in ESTIMATORS:
        raise ValueError(
            f"expected estimator to be one of {tuple(ESTIMATORS)}, received "
            f"estimator={estimator!r}"
        )
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


def add_state(layer, name, shape, initializer):
    """A float32 weight that is updated by hand, equal on all replicas."""
    return layer.add_weight(
        name=name,
        shape=shape,
        initializer=initializer,
        dtype="float32",
        autocast=False,
        trainable=False,
        aggregation="mean",
    )


def codebooks(layer):
    """Code vectors of a quantizer, a tuple of `(K, d)`, one for each of its indices."""
    if hasattr(layer, "codebooks"):
        return layer.codebooks
    return (ops.convert_to_tensor(layer.codebook),)


def code_axes(layer):
    """How many axes the codes of a quantizer have that the grid of latents has not."""
    return getattr(layer, "code_axes", 0)


def is_hybrid(layer):
    """Whether the output of a quantizer at inference is no function of its codes."""
    return getattr(layer, "is_hybrid", False)


def look_up(rows, codebook):
    """Codes int32 `(N,)` and code vectors `(N, D)` nearest to `rows` `(N, D)`."""
    codes = nearest_code(rows, codebook)
    return codes, ops.take(codebook, codes, axis=0)


def encode(latents, codebook, normalize=False):
    """Nearest codes of `latents` `(..., D)`, of length 1 or not: int32 `(...)`."""
    latents = ops.convert_to_tensor(latents)
    check_last_axis(latents.shape, codebook.shape[1])
    rows = ops.reshape(latents, (-1, codebook.shape[1]))
    if normalize:
        rows = unit_norm(ops.cast(rows, "float32"))
    return ops.reshape(nearest_code(rows, codebook), ops.shape(latents)[:-1])


def assign(assignment, rows, codes, codebook, codes_shape):
    """The codes that the decoder receives while training, flat.

    Args:
        assignment: `NoisyAssignment` or `StochasticAssignment`.
        rows: float32 `(N, D)`.
        codes: int32 `(N,)`, the nearest codes.
        codebook: float32 `(K, D)`.
        codes_shape: shape of the codes with their axes, batch first.
    """
    if isinstance(assignment, StochasticAssignment):
        return assignment(codes, latents=rows, codebook=codebook, training=True)
    codes = ops.reshape(codes, codes_shape)
    codes = assignment(codes, num_embeddings=codebook.shape[0], training=True)
    return ops.reshape(codes, (-1,))


def entropy_loss(rows, codebook):
    """Entropy of each assignment minus that of their mean, in nats: a scalar.

    Source: Chang et al. 2022, arXiv 2202.04200, the tokenizer's entropy loss.
    """
    of_each, of_mean = assignment_entropy(rows, codebook)
    return of_each - of_mean


def mean_squared_distance(moving, fixed):
    """mean((moving - sg(fixed)) ** 2) per element: a float32 scalar."""
    return ops.mean(ops.square(moving - ops.stop_gradient(fixed)))


def initializer_config(codebook_init):
    """`codebook_init` as JSON can hold it: an initializer becomes its config."""
    if isinstance(codebook_init, keras.initializers.Initializer):
        return keras.initializers.serialize(codebook_init)
    return codebook_init


def from_config(cls, config):
    """Builds `cls` from a config whose `assignment` is a serialized layer or None."""
    assignment = keras.saving.deserialize_keras_object(config["assignment"])
    return cls(**{**config, "assignment": assignment})


def add_terms(terms, more):
    """Adds loss terms by name to those that are there."""
    for name, term in more.items():
        terms[name] = terms[name] + term if name in terms else term
