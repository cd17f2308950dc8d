"""VQ-VAE of vectors, such as embeddings of items: their codes are semantic IDs."""

import keras
import numpy as np
from keras import layers

from vqzoo.arguments import check_positive_ints
from vqzoo.images import to_numpy
from vqzoo.models import convolutional, tiers
from vqzoo.models.coding import takes_items
from vqzoo.models.normalized import NormalizedModel

_SAMPLE = 2**16  # vectors to learn normalization and axes from


@keras.saving.register_keras_serializable("vqzoo")
class VectorVQVAE(NormalizedModel):
    """Autoencoder of vectors whose bottleneck is one code, or one per stage.

    Statistics of the data, which are part of the model, normalize the vectors; an
    encoder maps them to latents, the quantizer maps these to codes, and a decoder
    reconstructs the vectors in their own units. Encoder and decoder are each the sum of
    a linear map and a network: `adapt` sets the maps to the main axes of the data and
    starts the quantizer there, so that training improves on k-means.

    Args:
        quantizer: a quantizer layer, for example `ResidualQuantizer` of several
            `VectorQuantizerEMA(256, 32)`.
        input_dim: int, D. Length of a vector.
        hidden_dims: ints, units of the encoder's hidden layers; the decoder has them in
            reverse. Empty: only the linear maps.
        activation: str, of the hidden layers.
        normalization: `"center"`, `"standard"` or `"whitening"`, as in
            `InputNormalization`, or None.
        dtype: dtype policy of the network. Defaults to the global policy.
        name: str or None, of the model.
    Input shape: `(batch, D)`, float, any range.
    Output shape: same, float32. Codes: a tuple of one tensor, `(batch,)`, or of a
        residual, grouped or multi-head quantizer `(batch, n)`, int32.
    Losses: those of the quantizer. Compile with `"mse"` for the reconstruction term,
        which compares normalized vectors: with `"center"` it is the squared error
        over the variance of the data.
    State: that of the normalization and of the quantizer.
    Raises: ValueError: if a size is not positive or the normalization is unknown.
    Source: Rajput et al. 2023, arXiv 2305.05065 (TIGER), section 3.1, with the sizes of
        its encoder. Differs: the normalization, the linear maps and their start.
    Example:
        >>> stages = [VectorQuantizerEMA(16, 8) for _ in range(3)]
        >>> model = VectorVQVAE(ResidualQuantizer(stages), input_dim=64)
        >>> model.encode(np.zeros((2, 64), "float32"))[0].shape
        TensorShape([2, 3])
    """

    item = "vector"
    tier_names = ("bottom",)

    def __init__(
        self,
        quantizer,
        *,
        input_dim,
        hidden_dims=(512, 256, 128),
        activation="relu",
        normalization="center",
        dtype=None,
        name=None,
    ):
        check_positive_ints(input_dim=input_dim)
        for units in hidden_dims:
            check_positive_ints(hidden_dims=units)
        self._keep(locals())
        self._make_layers()
        self._finish_items()

    def _make_layers(self):
        dim = self.quantizer.embedding_dim
        self._make_normalizing()
        options = {"dtype": self.layer_dtype, "name": "encoder_axes"}
        self.encoder_axes = layers.Dense(dim, use_bias=False, **options)
        options["name"] = "decoder_axes"
        self.decoder_axes = layers.Dense(self.input_dim, **options)
        self.encoder = self.decoder = None
        if self.hidden_dims:
            self.encoder = self._network("encoder", self.hidden_dims, dim)
            self.decoder = self._network(
                "decoder", self.hidden_dims[::-1], self.input_dim
            )
        self.to_float32 = convolutional.float32_output()

    def _network(self, name, hidden_dims, outputs):
        hidden = [
            layers.Dense(units, activation=self.activation, dtype=self.layer_dtype)
            for units in hidden_dims
        ]
        # The network starts near zero, so the linear map dominates at first.
        small = keras.initializers.VarianceScaling(1e-4)
        last = layers.Dense(outputs, kernel_initializer=small, dtype=self.layer_dtype)
        return keras.Sequential([*hidden, last], name=name)

    @property
    def item_shape(self):
        return (self.input_dim,)

    @property
    def quantizers(self):
        """The quantizer layer, in a tuple."""
        return (self.quantizer,)

    def adapt(self, vectors, seed=0):
        """Sets the start of training from data.

        It sets the normalization, the linear maps (to the main axes of the normalized
        vectors) and the codes (`Quantizer.start_from`).

        Args:
            vectors: float `(N, D)`, N of at least 2; from many, it takes a sample.
            seed: int, of the sample and of k-means.

        Raises:
            ValueError: if they have another shape or are all equal, or are fewer than
                the codes of a codebook.
        """
        vectors = to_numpy(vectors)
        self._check_shape(vectors)
        if len(vectors) < self.quantizer.num_embeddings:
            raise ValueError(
                f"expected at least as many vectors as there are codes, "
                f"num_embeddings={self.quantizer.num_embeddings}, received "
                f"{len(vectors)}"
            )
        if len(vectors) > _SAMPLE:
            generator = np.random.default_rng(seed)
            vectors = vectors[generator.choice(len(vectors), _SAMPLE, replace=False)]
        if self.normalizing is not None:
            self.normalizing.adapt(vectors)
        self._take_axes(to_numpy(self._normalized(vectors)))
        (latents,) = self.latents(vectors)
        self.quantizer.start_from(latents, seed)

    def _take_axes(self, vectors):
        mean = vectors.mean(axis=0, dtype="float64")
        rest = vectors - mean
        _, axes = np.linalg.eigh(rest.T @ rest / len(rest))
        axes = axes[:, ::-1][:, : self.quantizer.embedding_dim]
        kernel = np.zeros((self.input_dim, self.quantizer.embedding_dim))
        kernel[:, : axes.shape[1]] = axes
        self.encoder_axes.kernel.assign(kernel)
        self.decoder_axes.kernel.assign(kernel.T)
        self.decoder_axes.bias.assign(mean - kernel @ (kernel.T @ mean))

    def _to_latents(self, vectors):
        vectors = self._normalized(vectors)
        latents = self.encoder_axes(vectors)
        return latents if self.encoder is None else latents + self.encoder(vectors)

    def _to_vectors(self, quantized):
        vectors = self.decoder_axes(quantized)
        if self.decoder is not None:
            vectors = vectors + self.decoder(quantized)
        return self._in_units(vectors)

    def _rebuild(self, vectors):
        return self._to_vectors(self.quantizer(self._to_latents(vectors)))

    @takes_items
    def latents(self, vectors):
        """Encoder outputs before quantization, `(batch, d)`, in a tuple."""
        return (self._to_latents(vectors),)

    def decode(self, codes):
        """Vectors of codes: float32 `(batch, D)`.

        Args:
            codes: int `(batch,)` or `(batch, n)`, alone or in a tuple. For a residual
                quantizer, n may be less than its stages.
        """
        (codes,) = tiers.checked_codes(codes, self.quantizers)
        return self._to_vectors(self.quantizer.decode(codes))
