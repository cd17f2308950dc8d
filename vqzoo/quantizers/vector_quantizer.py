"""Vector quantizer whose codebook is learned by gradient."""

import keras
from keras import ops

from vqzoo.ops import unit_norm
from vqzoo.quantizers.base import (
    ESTIMATORS,
    Quantizer,
    add_learned,
    check_estimator,
    entropy_loss,
    mean_squared_distance,
)
from vqzoo.quantizers.codebook_start import check_trainable_codes, initializer
from vqzoo.quantizers.k_means import cluster
from vqzoo.registry import named


@keras.saving.register_keras_serializable("vqzoo")
class VectorQuantizer(Quantizer):
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
        codebook_init: an array `(K, D)`, a Keras initializer, or None for uniform in
            [-1/K, 1/K].
        codebook_regularizer: a Keras regularizer of the codebook, or None; for example
            `keras.regularizers.OrthogonalRegularizer(10.0)`, which holds K x K values.
        entropy_weight: float, weight of the entropy loss. Defaults to 0, none.
        normalize: bool. Whether latents and codes are brought to length 1, so that the
            nearest code is that of the largest cosine. Defaults to False.
        estimator: `"straight_through"` or `"rotation"`, how the gradient passes.
        trainable_codes: `(K,)` bools or None: codes with False get no gradient. Weight
            decay moves them all the same.
        affine: bool. Whether a learned scale and shift of each channel, which all codes
            share, are in the codebook: they move codes that no latent chose, too.
        assignment: `NoisyAssignment`, `StochasticAssignment` or None: which code is
            taken during training. The decoder receives that code and the codebook loss
            moves it; the commitment loss pulls to the nearest code.
    Input shape: `(batch, ..., embedding_dim)`, float, any range.
    Output shape: same. Codes: `(batch, ...)`, int32, in [0, K).
    Losses: codebook_cost * mean((sg(latents) - assigned) ** 2),
        commitment_cost * mean((latents - sg(nearest)) ** 2) and entropy_weight *
        (entropy of each assignment - entropy of the mean assignment, nats).
    State: codebook `(K, D)`, trainable; with `affine` scale and shift `(D,)`, too.
    Raises: ValueError: if a size is not positive, the last axis of the input is not
        `embedding_dim`, or the rotation estimator is given with an assignment.
    Source: van den Oord et al. 2017, arXiv 1711.00937, eq. 3; the codes' own learning
        rate: McAllester's lecture; unit length: Yu et al. 2022, arXiv 2110.04627;
        entropy: Chang et al. 2022, arXiv 2202.04200; affine: Huh et al. 2023, arXiv
        2305.08842, section 4.1. Differs: each term is a mean per
        element, so that neither batch nor grid changes its weight.
    Example:
        >>> quantizer = VectorQuantizer(512, 64)
        >>> quantizer(np.ones((2, 8, 8, 64), "float32")).shape
        TensorShape([2, 8, 8, 64])
    """

    cost_arguments = {
        "codebook": "codebook_cost",
        "commitment": "commitment_cost",
        "entropy": "entropy_weight",
    }
    follows_latents = True

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
        trainable_codes=None,
        affine=False,
        assignment=None,
        **kwargs,
    ):
        super().__init__(num_embeddings, embedding_dim, assignment=assignment, **kwargs)
        check_estimator(estimator, assignment)
        codebook_init = initializer(codebook_init, (num_embeddings, embedding_dim))
        trainable_codes = check_trainable_codes(trainable_codes, num_embeddings)
        self._keep(locals())
        self.codebook_regularizer = keras.regularizers.get(codebook_regularizer)

    def build(self, input_shape):
        super().build(input_shape)
        bound = 1 / self.num_embeddings
        self.raw_codebook = add_learned(
            self,
            "codebook",
            (self.num_embeddings, self.embedding_dim),
            self.codebook_init or keras.initializers.RandomUniform(-bound, bound),
            regularizer=self.codebook_regularizer,
        )
        if self.affine:
            shape = (self.embedding_dim,)
            self.scale = add_learned(self, "scale", shape, "ones")
            self.shift = add_learned(self, "shift", shape)

    def start_from(self, latents, seed=0):
        """Places the codes on means of clusters, unless an init was given."""
        if self.codebook_init is None and self.trainable_codes is None:
            means, _ = cluster(self._rows(latents), self.num_embeddings, seed)
            self.raw_codebook.assign(means)

    @property
    def codebook(self):
        """The code vectors in use, float32 `(K, D)`."""
        codebook = self.raw_codebook
        if self.affine:
            codebook = codebook * self.scale + self.shift
        return unit_norm(codebook) if self.normalize else codebook

    def _quantize(self, latents, training, mask=None):
        rows, codebook = self._rows(latents), self.codebook
        if self.trainable_codes is not None:
            moved = ops.convert_to_tensor(self.trainable_codes)[:, None]
            codebook = ops.where(moved, codebook, ops.stop_gradient(codebook))
        _, nearest, _, assigned = self._choose(latents, codebook, training)
        terms = {
            "codebook": mean_squared_distance(assigned, rows, mask),
            "commitment": mean_squared_distance(rows, nearest, mask),
        }
        if self.entropy_weight:
            terms["entropy"] = entropy_loss(rows, codebook, mask)
        return ESTIMATORS[self.estimator](rows, assigned), terms


@named("gradient")
def make_gradient(settings, **options):
    """The nearest code, learned by gradient."""
    options = settings.options(options, "commitment_cost", "assignment")
    return VectorQuantizer(*settings.sizes(), **options)


@named("affine")
def _affine(settings, **options):
    """`gradient` with a learned scale and shift that all codes share."""
    return make_gradient(settings, affine=True, **options)
