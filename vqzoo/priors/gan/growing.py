"""Networks that grow from scale to scale: the parts of a progressive GAN."""

import keras
from keras import ops

from vqzoo.layers import (
    EqualizedConv2D,
    GatedLinearBlock,
    MinibatchStd,
    PixelNormalization,
    SelfAttention,
)
from vqzoo.priors.gan import scales


class ScaledLayer(keras.layers.Layer):
    """A network over the grids of all scales.

    Abstract.

    Args:
        owner: the generator or critic whose sizes it has.
    """

    def __init__(self, owner, **kwargs):
        super().__init__(**kwargs)
        self.grids = scales.sizes(owner.grid_shape, len(owner.channels))
        self.channels = owner.channels
        self.codebook_shape = (owner.num_embeddings, owner.embedding_dim)

    @property
    def gates(self):
        """The scales of its self-attention layers; none without any."""
        return ()

    @property
    def num_places(self):
        """Places of the coarsest grid."""
        return self.grids[0][0] * self.grids[0][1]

    def add_codebook(self):
        """The codes that latents are compared with, in units of the latents."""
        self.codebook = self.add_weight(
            name="codebook",
            shape=self.codebook_shape,
            initializer="random_normal",
            trainable=False,
            dtype="float32",
            autocast=False,
        )

    def build_on_grids(self, layers):
        """Builds a layer for each scale, over its features."""
        for layer, grid, channels in zip(layers, self.grids, self.channels):
            layer.build((None, *grid, channels))


def embedded_label(owner, channels):
    """The embedding of the class, or None where a generator or critic knows none."""
    if not owner.num_classes:
        return None
    return keras.layers.Embedding(owner.num_classes, channels, name="label")


class _Context(ScaledLayer):
    """What the codes above give to each scale."""

    def __init__(self, owner, **kwargs):
        super().__init__(owner, **kwargs)
        self.embeddings = [
            keras.layers.Embedding(size, owner.channels[-1], name=f"codes_{i}")
            for i, (_, size) in enumerate(owner.context)
        ]
        self.maps = [
            EqualizedConv2D(channels, 1, name=f"map_{i}")
            for i, channels in enumerate(owner.channels)
        ]
        self.stacks = _blocks(owner, owner.num_condition_layers)

    def build(self, input_shape=None):
        width = self.channels[-1] * len(self.embeddings)
        for embedding in self.embeddings:
            embedding.build()
        for grid, channels, layer, stack in zip(
            self.grids, self.channels, self.maps, self.stacks
        ):
            layer.build((None, *grid, width))
            for block in stack:
                block.build((None, *grid, channels))

    def call(self, inputs, scale):
        """Features `(batch, h, w, channels of the scale)` on its grid."""
        maps = [
            scales.resized(embedding(inputs[f"context_{i}"]), self.grids[scale])
            for i, embedding in enumerate(self.embeddings)
        ]
        hidden = self.maps[scale](ops.concatenate(maps, axis=-1))
        for block in self.stacks[scale]:
            hidden = block(hidden)
        return hidden


def _blocks(owner, count):
    """Gated residual layers: `count` of them for each scale."""
    return [
        [
            GatedLinearBlock(owner.kernel_size, name=f"block_{scale}_{i}")
            for i in range(count)
        ]
        for scale in range(len(owner.channels))
    ]


class _Stacks(ScaledLayer):
    """The residual layers of each scale, with its condition and its attention."""

    def __init__(self, owner, **kwargs):
        super().__init__(owner, **kwargs)
        self.blocks = _blocks(owner, owner.num_residual_layers)
        self.attentions = {
            str(scale): SelfAttention(name=f"attention_{scale}")
            for scale, grid in enumerate(self.grids)
            if grid[0] == owner.attention_size
        }
        self.context = _Context(owner, name="context") if owner.context else None

    def build(self, input_shape=None):
        if self.context is not None:
            self.context.build()
        for scale, (grid, channels) in enumerate(zip(self.grids, self.channels)):
            for block in self.blocks[scale]:
                block.build((None, *grid, channels))
            if str(scale) in self.attentions:
                self.attentions[str(scale)].build((None, *grid, channels))

    @property
    def gates(self):
        return [layer.scale for layer in self.attentions.values()]

    def call(self, hidden, scale, inputs):
        """Features of a scale, the same shape."""
        if self.context is not None:
            hidden = hidden + self.context(inputs, scale=scale)
        for block in self.blocks[scale]:
            hidden = block(hidden)
        if str(scale) in self.attentions:
            hidden = self.attentions[str(scale)](hidden)
        return hidden


class Generator(ScaledLayer):
    """Noise to latents, up to a scale that may still fade in.

    Args:
        owner: the `ProgressiveGAN` whose sizes it has.
    """

    def __init__(self, owner, **kwargs):
        super().__init__(owner, **kwargs)
        self.noise_dim = owner.noise_dim
        self.first = EqualizedConv2D(
            self.num_places * self.channels[0], 1, name="first"
        )
        self.convs = [
            EqualizedConv2D(channels, owner.kernel_size, name=f"conv_{i}")
            for i, channels in enumerate(self.channels)
        ]
        self.stacks = _Stacks(owner, name="stacks")
        self.outputs = [
            EqualizedConv2D(owner.embedding_dim, 1, gain=1.0, name=f"latents_{i}")
            for i in range(len(self.channels))
        ]
        self.normalize = PixelNormalization(name="normalize")
        self.label = embedded_label(owner, self.noise_dim)

    def build(self, input_shape=None):
        self.add_codebook()
        self.normalize.build((None, self.noise_dim))
        width = self.noise_dim
        if self.label is not None:
            self.label.build()
            width = 2 * self.noise_dim
        self.first.build((None, 1, 1, width))
        self.stacks.build()
        # By scales and not by kinds: seeded weights depend on the order of building.
        before = self.channels[0]
        for scale, (grid, channels) in enumerate(zip(self.grids, self.channels)):
            self.convs[scale].build((None, *grid, before))
            self.outputs[scale].build((None, *grid, channels))
            before = channels

    def call(self, inputs, scale=None, fade=1.0, training=None):
        """Latents `(batch, h, w, D)` of a scale, of the last one where none is named.

        Args:
            inputs: dict of `noise` and the condition's arrays.
            scale: int or None.
            fade: float or tensor in [0, 1], 1 when the scale is in.
            training: bool or None; makes no difference here.
        """
        del training
        scale = len(self.channels) - 1 if scale is None else scale
        noise = self.normalize(inputs["noise"])
        if self.label is not None:
            label = self.normalize(self.label(inputs["label"]))
            noise = ops.concatenate([noise, label], axis=-1)
        hidden = self.first(noise[:, None, None])
        hidden = ops.reshape(hidden, (-1, *self.grids[0], self.channels[0]))
        below = None
        for index in range(scale + 1):
            if index:
                below, hidden = hidden, scales.upsample(hidden)
            hidden = self.convs[index](self.normalize(scales.leaky(hidden)))
            hidden = self.stacks(hidden, scale=index, inputs=inputs)
        latents = self._latents(hidden, scale)
        if not scale:
            return latents
        return scales.mixed(
            scales.upsample(self._latents(below, scale - 1)), latents, fade
        )

    def _latents(self, hidden, scale):
        return ops.cast(self.outputs[scale](self.normalize(hidden)), "float32")

    @property
    def gates(self):
        return self.stacks.gates

    def compute_output_shape(self, input_shape):
        return (None, *self.grids[-1], self.codebook_shape[1])


class Critic(ScaledLayer):
    """Latents of a scale, that may still fade in, to a score.

    Args:
        owner: the `ProgressiveCritic` whose sizes it has.
    """

    def __init__(self, owner, **kwargs):
        super().__init__(owner, **kwargs)
        self.inputs_of = [
            EqualizedConv2D(channels, 1, name=f"latents_{i}")
            for i, channels in enumerate(self.channels)
        ]
        self.convs = [
            EqualizedConv2D(channels, owner.kernel_size, name=f"conv_{i}")
            for i, channels in enumerate(self.channels[:-1])
        ]
        self.stacks = _Stacks(owner, name="stacks")
        self.deviation = MinibatchStd(name="deviation")
        self.last = EqualizedConv2D(self.channels[0], owner.kernel_size, name="last")
        self.score = EqualizedConv2D(1, 1, gain=1.0, name="score")
        self.label = embedded_label(owner, self.channels[0])

    def build(self, input_shape=None):
        for layer, grid in zip(self.inputs_of, self.grids):
            layer.build((None, *grid, self.codebook_shape[1]))
        for layer, grid, channels in zip(self.convs, self.grids[1:], self.channels[1:]):
            layer.build((None, *grid, channels))
        self.stacks.build()
        self.deviation.build((None, *self.grids[0], self.channels[0]))
        self.last.build((None, *self.grids[0], self.channels[0] + 1))
        self.score.build((None, 1, 1, self.num_places * self.channels[0]))
        if self.label is not None:
            self.label.build()

    def call(self, inputs, scale=None, fade=1.0):
        """Scores `(batch, 1)`, float32, of latents as a scale shows them.

        Args:
            inputs: dict of `latents` `(batch, h, w, D)` of the scale's grid, and the
                condition's arrays.
            scale: int, or None for the last one.
            fade: float or tensor in [0, 1], 1 when the scale is in.
        """
        scale = len(self.channels) - 1 if scale is None else scale
        latents = inputs["latents"]
        hidden = self.inputs_of[scale](latents)
        for index in range(scale, 0, -1):
            hidden = self.convs[index - 1](
                scales.leaky(self.stacks(hidden, scale=index, inputs=inputs))
            )
            hidden = scales.downsample(hidden)
            if index == scale:
                old = self.inputs_of[scale - 1](scales.downsample(latents))
                hidden = scales.mixed(old, hidden, fade)
        hidden = self.stacks(hidden, scale=0, inputs=inputs)
        hidden = scales.leaky(self.last(self.deviation(scales.leaky(hidden))))
        flat = ops.reshape(hidden, (-1, 1, 1, self.num_places * self.channels[0]))
        score = ops.reshape(self.score(flat), (-1, 1))
        if self.label is not None:
            pooled = ops.mean(hidden, axis=(1, 2))
            known = self.label(inputs["label"])
            score = score + ops.sum(pooled * known, axis=-1, keepdims=True)
        return ops.cast(score, "float32")

    @property
    def gates(self):
        return self.stacks.gates

    def compute_output_shape(self, input_shape):
        return (None, 1)
