"""Vector quantizer that learns one linear map of a frozen random codebook."""

import keras
from keras import ops

from vqzoo.ops import straight_through, sum_across_replicas
from vqzoo.quantizers import quantization


@keras.saving.register_keras_serializable("vqzoo")
class SimVQ(keras.layers.Layer):
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
        super().__init__(autocast=False, **kwargs)
        self._losses = quantization.ReplicaLosses()
        quantization.check_sizes(num_embeddings, embedding_dim)
        quantization.check_not_negative(commitment_cost=commitment_cost)
        self.num_embeddings = num_embeddings
        self.embedding_dim = embedding_dim
        self.commitment_cost = commitment_cost
        self.mapping_init = mapping_init
        self.assignment = assignment
        self.seed = seed

    def build(self, input_shape):
        quantization.check_last_axis(input_shape, self.embedding_dim)
        self.input_spec = keras.layers.InputSpec(axes={-1: self.embedding_dim})
        self.frozen_codebook = quantization.add_state(
            self,
            "frozen_codebook",
            (self.num_embeddings, self.embedding_dim),
            keras.initializers.RandomNormal(stddev=1.0, seed=self.seed),
        )
        from_data = self.mapping_init == "data"
        square = (self.embedding_dim, self.embedding_dim)
        self.mapping_start = quantization.add_state(
            self,
            "mapping_start",
            square,
            "identity" if from_data else self.mapping_init,
        )
        self.shift_start = quantization.add_state(
            self, "shift_start", square[:1], "zeros"
        )
        self.mapping_offset = self._add_offset("mapping_offset", square)
        self.shift_offset = self._add_offset("shift_offset", square[:1])
        started = "zeros" if from_data else "ones"
        self.started = quantization.add_state(self, "started", (), started)

    def _add_offset(self, name, shape):
        return self.add_weight(
            name=name, shape=shape, initializer="zeros", dtype="float32", autocast=False
        )

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

    def call(self, latents, training=False):
        inputs = ops.cast(latents, "float32")
        rows = ops.reshape(inputs, (-1, self.embedding_dim))
        codebook = self.codebook
        if training:
            codebook = self._start(ops.stop_gradient(rows))
        codes, nearest = quantization.look_up(rows, codebook)
        assigned = nearest
        if training and self.assignment is not None:
            codes = quantization.assign(
                self.assignment, rows, codes, codebook, ops.shape(inputs)[:-1]
            )
            assigned = ops.take(codebook, codes, axis=0)
        self.add_loss(quantization.mean_squared_distance(assigned, rows))
        commitment = quantization.mean_squared_distance(rows, nearest)
        self.add_loss(self.commitment_cost * commitment)
        quantized = straight_through(rows, assigned)
        return ops.cast(ops.reshape(quantized, ops.shape(inputs)), self.compute_dtype)

    def compute_output_spec(self, latents, training=False):
        return keras.KerasTensor(latents.shape, dtype=self.compute_dtype)

    def encode(self, latents):
        """Nearest codes of `latents` `(..., D)`: int32 `(...)`, in [0, K)."""
        return quantization.encode(latents, self.codebook)

    def decode(self, codes):
        """Code vectors of `codes` `(...)`, int: float `(..., D)`."""
        return ops.cast(ops.take(self.codebook, codes, axis=0), self.compute_dtype)

    def loss_terms(self, latents):
        """Loss terms by name, before their weights; float32 scalars."""
        latents = ops.cast(latents, "float32")
        rows = ops.reshape(latents, (-1, self.embedding_dim))
        nearest = quantization.look_up(rows, self.codebook)[1]
        distance = quantization.mean_squared_distance(rows, nearest)
        return {"codebook": distance, "commitment": distance}

    def get_config(self):
        config = super().get_config()
        config.pop("autocast", None)
        config.update(
            num_embeddings=self.num_embeddings,
            embedding_dim=self.embedding_dim,
            commitment_cost=self.commitment_cost,
            mapping_init=quantization.initializer_config(self.mapping_init),
            assignment=keras.saving.serialize_keras_object(self.assignment),
            seed=self.seed,
        )
        return config

    @classmethod
    def from_config(cls, config):
        return quantization.from_config(cls, config)


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
