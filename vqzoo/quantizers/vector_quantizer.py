"""Vector quantizer whose codebook is learned by gradient."""

import keras
from keras import ops

from vqzoo.ops import unit_norm
from vqzoo.quantizers import quantization


@keras.saving.register_keras_serializable("vqzoo")
class VectorQuantizer(keras.layers.Layer):
    """Replaces each latent by the nearest code of a codebook learned by gradient.

    The codebook loss moves each code toward the latents that chose it, the commitment
    loss moves the latents toward their codes; the optimizer of the model does both. At
    inference the nearest code is taken.

    Args:
        num_embeddings: int, K in the paper. Number of codes.
        embedding_dim: int, D in the paper. Length of a code.
        commitment_cost: float, beta in eq. 3, no unit. Defaults to 0.25.
        codebook_cost: float, weight of the codebook loss, the codes' own learning rate.
            Defaults to 1.
        codebook_init: a Keras initializer, or None for uniform in [-1/K, 1/K].
        codebook_regularizer: a Keras regularizer of the codebook, or None; for example
            `keras.regularizers.OrthogonalRegularizer(10.0)`, which holds K x K values.
        entropy_weight: float, weight of the entropy loss. Defaults to 0, none.
        normalize: bool. Whether latents and codes are brought to length 1, so that the
            nearest code is that of the largest cosine. Defaults to False.
        estimator: `"straight_through"` or `"rotation"`, how the gradient passes.
        assignment: `NoisyAssignment`, `StochasticAssignment` or None: which code is
            taken while training. The decoder receives that code and the codebook loss
            moves it; the commitment loss pulls to the nearest code.
    Input shape: `(batch, ..., embedding_dim)`, float, any range.
    Output shape: same. Codes: `(batch, ...)`, int32, in [0, K).
    Losses: codebook_cost * mean((sg(latents) - assigned) ** 2),
        commitment_cost * mean((latents - sg(nearest)) ** 2) and entropy_weight *
        (entropy of each assignment - entropy of the mean assignment, nats).
    State: codebook `(K, D)`, trainable.
    Raises: ValueError: if a size is not positive, the last axis of the input is not
        `embedding_dim`, or the rotation estimator is given with an assignment.
    Source: van den Oord et al. 2017, arXiv 1711.00937, eq. 3; the codes' own learning
        rate: McAllester's lecture; unit length: Yu et al. 2022, arXiv 2110.04627;
        entropy: Chang et al. 2022, arXiv 2202.04200. Differs: each term is a mean per
        element, so that neither batch nor grid changes its weight.
    Example:
        >>> quantizer = VectorQuantizer(512, 64)
        >>> quantizer(np.ones((2, 8, 8, 64), "float32")).shape
        TensorShape([2, 8, 8, 64])
    """

    def __init__(
        self,
        num_embeddings,
        embedding_dim,
        *,
        commitment_cost=0.25,
        codebook_cost=1.0,
        codebook_init=None,
        codebook_regularizer=None,
        entropy_weight=0.0,
        normalize=False,
        estimator="straight_through",
        assignment=None,
        **kwargs,
    ):
        super().__init__(autocast=False, **kwargs)
        self._losses = quantization.ReplicaLosses()
        quantization.check_sizes(num_embeddings, embedding_dim)
        quantization.check_not_negative(
            commitment_cost=commitment_cost,
            codebook_cost=codebook_cost,
            entropy_weight=entropy_weight,
        )
        quantization.check_estimator(estimator, assignment)
        self.num_embeddings = num_embeddings
        self.embedding_dim = embedding_dim
        self.commitment_cost = commitment_cost
        self.codebook_cost = codebook_cost
        self.codebook_init = codebook_init
        self.codebook_regularizer = keras.regularizers.get(codebook_regularizer)
        self.entropy_weight = entropy_weight
        self.normalize = normalize
        self.estimator = estimator
        self.assignment = assignment

    def build(self, input_shape):
        quantization.check_last_axis(input_shape, self.embedding_dim)
        self.input_spec = keras.layers.InputSpec(axes={-1: self.embedding_dim})
        bound = 1 / self.num_embeddings
        self.raw_codebook = self.add_weight(
            name="codebook",
            shape=(self.num_embeddings, self.embedding_dim),
            initializer=self.codebook_init
            or keras.initializers.RandomUniform(-bound, bound),
            regularizer=self.codebook_regularizer,
            dtype="float32",
            autocast=False,
        )

    @property
    def codebook(self):
        """The code vectors in use, float32 `(K, D)`."""
        return unit_norm(self.raw_codebook) if self.normalize else self.raw_codebook

    def call(self, latents, training=False):
        inputs = ops.cast(latents, "float32")
        rows, codebook = self._rows(inputs), self.codebook
        codes, nearest = quantization.look_up(rows, codebook)
        assigned = nearest
        if training and self.assignment is not None:
            codes = quantization.assign(
                self.assignment, rows, codes, codebook, ops.shape(inputs)[:-1]
            )
            assigned = ops.take(codebook, codes, axis=0)
        codebook_loss = quantization.mean_squared_distance(assigned, rows)
        self.add_loss(self.codebook_cost * codebook_loss)
        commitment = quantization.mean_squared_distance(rows, nearest)
        self.add_loss(self.commitment_cost * commitment)
        if self.entropy_weight:
            entropy = quantization.entropy_loss(rows, codebook)
            self.add_loss(self.entropy_weight * entropy)
        quantized = quantization.ESTIMATORS[self.estimator](rows, assigned)
        return ops.cast(ops.reshape(quantized, ops.shape(inputs)), self.compute_dtype)

    def _rows(self, inputs):
        rows = ops.reshape(inputs, (-1, self.embedding_dim))
        return unit_norm(rows) if self.normalize else rows

    def compute_output_spec(self, latents, training=False):
        return keras.KerasTensor(latents.shape, dtype=self.compute_dtype)

    def encode(self, latents):
        """Nearest codes of `latents` `(..., D)`: int32 `(...)`, in [0, K)."""
        return quantization.encode(latents, self.codebook, self.normalize)

    def decode(self, codes):
        """Code vectors of `codes` `(...)`, int: float `(..., D)`."""
        return ops.cast(ops.take(self.codebook, codes, axis=0), self.compute_dtype)

    def loss_terms(self, latents):
        """Loss terms by name, before their weights; float32 scalars."""
        rows, codebook = self._rows(ops.cast(latents, "float32")), self.codebook
        nearest = quantization.look_up(rows, codebook)[1]
        distance = quantization.mean_squared_distance(rows, nearest)
        terms = {"codebook": distance, "commitment": distance}
        if self.entropy_weight:
            terms["entropy"] = quantization.entropy_loss(rows, codebook)
        return terms

    def get_config(self):
        config = super().get_config()
        config.pop("autocast", None)
        config.update(
            num_embeddings=self.num_embeddings,
            embedding_dim=self.embedding_dim,
            commitment_cost=self.commitment_cost,
            codebook_cost=self.codebook_cost,
            codebook_init=quantization.initializer_config(self.codebook_init),
            codebook_regularizer=keras.regularizers.serialize(
                self.codebook_regularizer
            ),
            entropy_weight=self.entropy_weight,
            normalize=self.normalize,
            estimator=self.estimator,
            assignment=keras.saving.serialize_keras_object(self.assignment),
        )
        return config

    @classmethod
    def from_config(cls, config):
        return quantization.from_config(cls, config)
