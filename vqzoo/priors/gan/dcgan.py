"""A DCGAN over the latents of code grids: the simplest GAN prior, which fails."""

import keras
from keras import ops

from vqzoo.priors.gan import growing, scales
from vqzoo.priors.gan.gan_prior import Critic, GANPrior, adopt
from vqzoo.registry import named


@keras.saving.register_keras_serializable("vqzoo")
class DCGANCritic(Critic):
    """The critic of a DCGAN: maps of latents to a score, high for real ones.

    Args:
        grid_shape: `(height, width)` of the codes.
        num_embeddings: int, K. Number of codes.
        embedding_dim: int, D.
        channels: sequence of int, of the grids from the coarsest on.
        **kwargs: `num_classes`, `context`, `dtype` and `name`: see `Prior`.
    Input shape: latents `(batch, height, width, D)`; with a condition a dict of them as
        `latents`, and more as in `AutoregressivePrior`.
    Output shape: `(batch, 1)`, float32.
    Raises: ValueError: as `DCGAN`.
    Source: Radford et al. 2016, arXiv 1511.06434. Differs: layer normalization instead
        of batch normalization, as a gradient penalty needs it.
    Example:
        >>> critic = DCGANCritic((8, 8), 16, 4, channels=(8, 8))
        >>> critic(np.ones((4, 8, 8, 4), "float32")).shape
        TensorShape([4, 1])
    """

    def __init__(
        self,
        grid_shape,
        num_embeddings,
        embedding_dim,
        *,
        channels=(512, 256, 128),
        **kwargs,
    ):
        adopt(self, locals())
        self.critic = _Critic(self, dtype=self.layer_dtype, name="critic")
        self._connect()


@named("dcgan")
@keras.saving.register_keras_serializable("vqzoo")
class DCGAN(GANPrior):
    """The generator of a DCGAN: noise to a map of latents, then to the nearest codes.

    The thesis tried it first, and it diverged at once: the critic told every generated
    map from a real one. It is here so that this can be seen again.

    Args:
        grid_shape: `(height, width)` of the codes.
        num_embeddings: int, K. Number of codes.
        embedding_dim: int, D, length of a code.
        channels: sequence of int, of the grids from the coarsest on; each has twice the
            sides of the one before.
        noise_dim: int.
        **kwargs: `num_classes`, `context`, `dtype` and `name`: see `Prior`.
    Input shape: noise `(batch, noise_dim)`; with a condition a dict of it as `noise`,
        and more as in `AutoregressivePrior`.
    Output shape: `(batch, height, width, D)`, float32: latents in units in which the
        codes have mean 0 and root mean square 1.
    State: codebook `(K, D)` in those units; see `set_codebook`.
    Raises: ValueError: if a size is not positive, or the grid cannot be halved for each
        number of channels.
    Source: Radford et al. 2016, arXiv 1511.06434; Coppock's thesis, section 3.2.
        Differs: linear outputs, since latents have no bounds.
    Example:
        >>> prior = DCGAN((8, 8), 16, 4, channels=(8, 8), noise_dim=8)
        >>> prior.sample(2, seed=0).shape
        (2, 8, 8)
    """

    num_scales = 1
    critic_class = DCGANCritic
    smoke_options = {"channels": (8, 8), "noise_dim": 8}

    def __init__(
        self,
        grid_shape,
        num_embeddings,
        embedding_dim,
        *,
        channels=(512, 256, 128),
        noise_dim=100,
        **kwargs,
    ):
        adopt(self, locals())
        self.generator = _Generator(self, dtype=self.layer_dtype, name="generator")
        self._connect()


class _Condition(keras.layers.Layer):
    """Features of class and codes above on the coarsest grid."""

    def __init__(self, owner, channels, **kwargs):
        super().__init__(**kwargs)
        self.grid = scales.sizes(owner.grid_shape, len(owner.channels))[0]
        sizes = [size for _, size in owner.context]
        # The names of these attributes are paths in saved files.
        self.of_codes = [
            keras.layers.Embedding(size, channels, name=f"codes_{i}")
            for i, size in enumerate(sizes)
        ]
        self.of_label = growing.embedded_label(owner, channels)

    def build(self, input_shape=None):
        for layer in (self.of_label, *self.of_codes):
            if layer is not None:
                layer.build()

    def call(self, hidden, inputs):
        """Adds what is known to features `(batch, h, w, channels)`."""
        if self.of_label is not None:
            hidden = hidden + self.of_label(inputs["label"])[:, None, None]
        for index, layer in enumerate(self.of_codes):
            maps = layer(inputs[f"context_{index}"])
            hidden = hidden + scales.resized(maps, self.grid)
        return hidden


class _Generator(growing.ScaledLayer):
    """Noise to latents by transposed convolutions."""

    def __init__(self, owner, **kwargs):
        super().__init__(owner, **kwargs)
        self.noise_dim = owner.noise_dim
        self.first = keras.layers.Dense(
            self.num_places * self.channels[0], name="first"
        )
        self.condition = _Condition(owner, self.channels[0], name="condition")
        self.ups = [
            keras.layers.Conv2DTranspose(
                c, 4, strides=2, padding="same", use_bias=False, name=f"up_{i}"
            )
            for i, c in enumerate(self.channels[1:])
        ]
        self.norms = [
            keras.layers.BatchNormalization(name=f"norm_{i}")
            for i in range(len(self.channels))
        ]
        self.outputs = keras.layers.Conv2D(
            owner.embedding_dim, 3, padding="same", name="latents"
        )

    def build(self, input_shape=None):
        self.add_codebook()
        self.first.build((None, self.noise_dim))
        self.condition.build()
        self.build_on_grids(self.ups)
        self.build_on_grids(self.norms)
        self.outputs.build((None, *self.grids[-1], self.channels[-1]))

    def call(self, inputs, scale=None, fade=1.0, training=None):
        del scale, fade
        hidden = self.first(inputs["noise"])
        hidden = ops.reshape(hidden, (-1, *self.grids[0], self.channels[0]))
        hidden = self.condition(hidden, inputs)
        hidden = ops.relu(self.norms[0](hidden, training=training))
        for up, norm in zip(self.ups, self.norms[1:]):
            hidden = ops.relu(norm(up(hidden), training=training))
        return ops.cast(self.outputs(hidden), "float32")

    def compute_output_shape(self, input_shape):
        return (None, *self.grids[-1], self.codebook_shape[1])


class _Critic(growing.ScaledLayer):
    """Latents to a score by strided convolutions."""

    def __init__(self, owner, **kwargs):
        super().__init__(owner, **kwargs)
        self.first = keras.layers.Conv2D(
            self.channels[-1], 3, padding="same", name="first"
        )
        self.downs = [
            keras.layers.Conv2D(c, 4, strides=2, padding="same", name=f"down_{i}")
            for i, c in enumerate(self.channels[:-1])
        ]
        self.norms = [
            keras.layers.LayerNormalization(axis=(1, 2, 3), name=f"norm_{i}")
            for i in range(len(self.channels) - 1)
        ]
        self.condition = _Condition(owner, self.channels[0], name="condition")
        self.score = keras.layers.Dense(1, name="score")

    def build(self, input_shape=None):
        self.first.build((None, *self.grids[-1], self.codebook_shape[1]))
        # Downwards: a convolution takes the features of the grid that is finer by one.
        for down, grid, channels in zip(self.downs, self.grids[1:], self.channels[1:]):
            down.build((None, *grid, channels))
        self.build_on_grids(self.norms)
        self.condition.build()
        self.score.build((None, self.num_places * self.channels[0]))

    def call(self, inputs, scale=None, fade=1.0):
        del scale, fade
        hidden = scales.leaky(self.first(inputs["latents"]))
        for down, norm in zip(reversed(self.downs), reversed(self.norms)):
            hidden = scales.leaky(norm(down(hidden)))
        hidden = self.condition(hidden, inputs)
        flat = ops.reshape(hidden, (-1, self.num_places * self.channels[0]))
        return ops.cast(self.score(flat), "float32")

    def compute_output_shape(self, input_shape):
        return (None, 1)
