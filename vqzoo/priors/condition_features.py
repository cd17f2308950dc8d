"""The features of what priors are conditioned on, for each position of a grid."""

import keras
import numpy as np
from keras import ops

from vqzoo.arguments import Seeded
from vqzoo.layers import ResidualStack
from vqzoo.quantizers.base import add_state
from vqzoo.quantizers.hybrid_latents import unpacked


class Conditions(Seeded, keras.layers.Layer):
    """Features of a class and of the codes above, for each position of a grid.

    Args:
        grid_shape: `(height, width)` of the grid.
        num_classes: int.
        context: sequence of `(grid shape, number of codes)` of the tiers above, or with
            the number of real numbers beside each code.
        channels: int, of the features.
        num_blocks: int, residual blocks over the codes above.
        label_dropout: float, share of the labels that are replaced during training by
            the null class, `num_classes`; 0: there is none.
    """

    def __init__(
        self,
        grid_shape,
        num_classes,
        context,
        channels,
        num_blocks,
        label_dropout=0.0,
        **kwargs,
    ):
        super().__init__(autocast=False, **kwargs)  # Half precision loses codes.
        self.num_classes = num_classes
        self.label_dropout = label_dropout
        if label_dropout:
            self.seed_generator = keras.random.SeedGenerator()
        self.grid_shape = tuple(grid_shape)
        self.context = context
        dtype = self.dtype_policy
        # The names of these attributes are paths in saved files.
        self.of_label = None
        if num_classes:
            self.of_label = keras.layers.Embedding(
                num_classes + bool(label_dropout),
                channels,
                name="label",
                dtype=dtype,
            )
        self.of_codes = [
            keras.layers.Embedding(size, channels, name=f"context_{i}", dtype=dtype)
            for i, (_, size, *_) in enumerate(context)
        ]
        # Of tiers with real numbers, by the tier's index.
        self.of_values, self.units = {}, {}
        for i, (_, _, *values) in enumerate(context):
            for count in values:
                self.units[str(i)] = Units(count, name=f"units_{i}")
                self.of_values[str(i)] = keras.layers.Dense(
                    channels, name=f"values_{i}", dtype=dtype
                )
        self.blocks = None
        if context:
            self.blocks = ResidualStack(
                num_blocks, channels, name="blocks", dtype=dtype
            )
        self.channels = channels

    def build(self, input_shape):
        for layer in (self.of_label, *self.of_codes):
            if layer is not None:
                layer.build()
        for name, layer in self.of_values.items():
            self.units[name].build()
            layer.build((None, self.units[name].num_values))
        if self.blocks is not None:
            self.blocks.build((None, *self.grid_shape, self.channels))

    def call(self, inputs, training=False):
        """Float `(batch, height or 1, width or 1, channels)`; None without any."""
        features = None
        for index, embed in enumerate(self.of_codes):
            maps = self._maps(index, embed, inputs[f"context_{index}"])
            for axis, side in enumerate(self.grid_shape, start=1):
                maps = ops.repeat(maps, side // maps.shape[axis], axis=axis)
            features = maps if features is None else features + maps
        if features is not None:
            features = self.blocks(features)
        if self.of_label is not None:
            label = inputs["label"]
            if training and self.trainable and self.label_dropout:
                draws = keras.random.uniform(ops.shape(label), seed=self.seed_generator)
                label = ops.where(draws < self.label_dropout, self.num_classes, label)
            label = self.of_label(label)[:, None, None]
            features = label if features is None else features + label
        return features

    def _maps(self, index, embed, grids):
        """Features of the codes of a tier above, and of the numbers beside them."""
        if str(index) not in self.of_values:
            return embed(grids)
        codes, values = unpacked(grids)
        values = self.of_values[str(index)](self.units[str(index)](values))
        return embed(codes) + values


class Units(keras.layers.Layer):
    """Real numbers in units in which they have mean 0 and deviation 1 in the data.

    Args:
        num_values: int, V.
    """

    def __init__(self, num_values, **kwargs):
        super().__init__(autocast=False, dtype="float32", **kwargs)
        self.num_values = num_values

    def build(self, input_shape=None):
        shape = (self.num_values,)
        self.mean = add_state(self, "mean", shape, "zeros")
        self.scale = add_state(self, "scale", shape, "ones")

    def adapt(self, rows):
        """Takes the units from numbers `(N, V)`."""
        self.mean.assign(rows.mean(axis=0))
        self.scale.assign(np.maximum(rows.std(axis=0), 1e-6))

    def call(self, values):
        return (values - self.mean.value) / self.scale.value
