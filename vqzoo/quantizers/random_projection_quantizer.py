"""Quantizer of fixed random directions, whose codes are targets for pre-training."""

import keras
from keras import ops

from vqzoo.arguments import check_positive_ints
from vqzoo.ops import nearest_code, straight_through, unit_norm
from vqzoo.quantizers.base import Quantizer, add_state
from vqzoo.registry import named


@keras.saving.register_keras_serializable("vqzoo")
class RandomProjectionQuantizer(Quantizer):
    """Projects latents at random and chooses the random direction nearest in angle.

    Nothing is learned: the codes are targets, for example of masked prediction, that
    need no autoencoder. Latents should come with mean 0 and standard deviation 1 in
    each channel, or few codes are used. `decode` gives the shortest vector whose
    projection is the code's direction; its length says nothing about the latents', so
    that it is not a reconstruction. The gradient of the output passes straight through
    to the latents and nowhere else.

    Args:
        num_embeddings: int, number of codes.
        embedding_dim: int, last axis of the latents.
        codebook_dim: int, dimensions in which directions are compared. Above
            `embedding_dim` it is allowed, but some codes are then never chosen for
            their own vectors. Defaults to 16.
        seed: int or None, of the projection and the directions.
    Input shape: `(batch, ..., embedding_dim)`, float, any range.
    Output shape: same. Codes: `(batch, ...)`, int32, in [0, K).
    Losses: none.
    State: projection `(embedding_dim, codebook_dim)` and directions
        `(K, codebook_dim)`, never trained, kept in the weights.
    Raises: ValueError: if a size is not positive or the last axis of the input is not
        `embedding_dim`.
    Source: Chiu et al. 2022, arXiv 2202.01855, section 3.1. Differs: the projection is
        a random orthogonal one and not independent draws, so that its transpose leads
        back; the published quantizer has no `decode`.
    Example:
        >>> quantizer = RandomProjectionQuantizer(8192, 80, seed=0)
        >>> quantizer.encode(quantizer(np.ones((2, 50, 80), "float32"))).shape
        TensorShape([2, 50])
    """

    def __init__(
        self, num_embeddings, embedding_dim, codebook_dim=16, *, seed=None, **kwargs
    ):
        super().__init__(num_embeddings, embedding_dim, **kwargs)
        check_positive_ints(codebook_dim=codebook_dim)
        self._keep(locals())
        self.seed_generator = keras.random.SeedGenerator(seed)

    @property
    def codebook(self):
        """What `decode` makes of each index, float32 `(K, D)`."""
        return ops.matmul(self.directions, ops.transpose(self.projection))

    def build(self, input_shape):
        super().build(input_shape)
        self.projection = add_state(
            self,
            "projection",
            (self.embedding_dim, self.codebook_dim),
            keras.initializers.Orthogonal(seed=self.seed_generator),
        )
        self.directions = add_state(
            self,
            "directions",
            (self.num_embeddings, self.codebook_dim),
            keras.initializers.RandomNormal(stddev=1.0, seed=self.seed_generator),
        )
        self.directions.assign(unit_norm(self.directions.value))

    def _quantize(self, latents, training, mask=None):
        return straight_through(latents, self._vectors(self._nearest(latents))), {}

    def _nearest(self, latents):
        rows = unit_norm(ops.matmul(self._rows(latents), self.projection))
        return ops.reshape(nearest_code(rows, self.directions), ops.shape(latents)[:-1])

    def _vectors(self, codes):
        directions = ops.take(self.directions, codes, axis=0)
        return ops.matmul(directions, ops.transpose(self.projection))


@named("random_projection")
def _random_projection(settings, **options):
    options = settings.options(options, "seed")
    return RandomProjectionQuantizer(*settings.sizes(), **options)
