"""Quantizer of fixed random directions, whose codes are targets for pre-training."""

import keras
from keras import ops

from vqzoo.ops import nearest_code, straight_through, unit_norm
from vqzoo.quantizers import quantization


@keras.saving.register_keras_serializable("vqzoo")
class RandomProjectionQuantizer(keras.layers.Layer):
    """Projects latents at random and takes the random direction nearest in angle.

    Nothing is learned: the codes are targets, for example of masked prediction, that
    need no autoencoder. Latents should come with mean 0 and standard deviation 1 in
    each channel, or few codes are used. `decode` gives the shortest vector whose
    projection is the code's direction; its length says nothing about the latents', so
    that it is no reconstruction. The gradient of the output passes straight through to
    the latents and nowhere else.

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
        super().__init__(autocast=False, **kwargs)
        quantization.check_sizes(num_embeddings, embedding_dim)
        if not isinstance(codebook_dim, int) or codebook_dim < 1:
            raise ValueError(
                "expected codebook_dim to be a positive int, received "
                f"codebook_dim={codebook_dim}"
            )
        self.num_embeddings = num_embeddings
        self.embedding_dim = embedding_dim
        self.codebook_dim = codebook_dim
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    @property
    def codebook(self):
        """What `decode` makes of each index, float32 `(K, D)`."""
        return ops.matmul(self.directions, ops.transpose(self.projection))

    def build(self, input_shape):
        quantization.check_last_axis(input_shape, self.embedding_dim)
        self.input_spec = keras.layers.InputSpec(axes={-1: self.embedding_dim})
        self.projection = quantization.add_state(
            self,
            "projection",
            (self.embedding_dim, self.codebook_dim),
            keras.initializers.Orthogonal(seed=self.seed_generator),
        )
        self.directions = quantization.add_state(
            self,
            "directions",
            (self.num_embeddings, self.codebook_dim),
            keras.initializers.RandomNormal(stddev=1.0, seed=self.seed_generator),
        )
        self.directions.assign(unit_norm(self.directions.value))

    def call(self, latents, training=False):
        latents = ops.cast(latents, "float32")
        quantized = straight_through(latents, self._vectors(self._nearest(latents)))
        return ops.cast(quantized, self.compute_dtype)

    def _nearest(self, latents):
        rows = ops.reshape(latents, (-1, self.embedding_dim))
        rows = unit_norm(ops.matmul(rows, self.projection))
        return ops.reshape(nearest_code(rows, self.directions), ops.shape(latents)[:-1])

    def _vectors(self, codes):
        directions = ops.take(self.directions, codes, axis=0)
        return ops.matmul(directions, ops.transpose(self.projection))

    def compute_output_spec(self, latents, training=False):
        return keras.KerasTensor(latents.shape, dtype=self.compute_dtype)

    def encode(self, latents):
        """Codes of `latents` `(..., D)`: int32 `(...)`, in [0, K)."""
        latents = ops.cast(latents, "float32")
        quantization.check_last_axis(latents.shape, self.embedding_dim)
        return self._nearest(latents)

    def decode(self, codes):
        """Vectors of `codes` `(...)`, int: float `(..., D)`."""
        return ops.cast(self._vectors(codes), self.compute_dtype)

    def loss_terms(self, latents):
        """No loss terms: an empty dict."""
        return {}

    def get_config(self):
        config = super().get_config()
        config.pop("autocast", None)
        config.update(
            num_embeddings=self.num_embeddings,
            embedding_dim=self.embedding_dim,
            codebook_dim=self.codebook_dim,
            seed=self.seed,
        )
        return config
