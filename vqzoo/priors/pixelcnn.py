"""PixelCNN over code grids, and its named model."""

import keras
from keras import ops

from vqzoo.layers import MaskedConv2D
from vqzoo.priors import conditions
from vqzoo.priors.autoregressive_prior import AutoregressivePrior
from vqzoo.registry import named


@named("pixelcnn")
@keras.saving.register_keras_serializable("vqzoo")
class PixelCNN(AutoregressivePrior):
    """Autoregressive prior of masked convolutions, the first of type A, then B.

    Its convolutions leave a blind spot to the upper right that `GatedPixelCNN` does not
    have; it is here because it is the prior that most code over VQ-VAE codes uses.

    Args:
        grid_shape: `(height, width)` of the codes.
        num_embeddings: int, K. Number of codes.
        num_blocks: int, residual blocks; half the channels within.
        num_channels: even int, h of the features is `num_channels / 2`.
        num_output_layers: int, linear layers before the logits.
        first_kernel_size: odd int.
        kernel_size: odd int, within the residual blocks.
        num_condition_blocks: int, residual blocks over the codes of the tiers above.
        **kwargs: what all priors take, such as `num_classes`: see `Prior`.
    Input shape: codes, int32 `(batch, height, width)`; for a prior with a condition a
        dict of them as `codes`, with classes `label` `(batch,)`, and the codes of the
        tiers above as `context_0`, ...
    Output shape: `(batch, height, width, K)`, float32 logits. Compile with
        `SparseCategoricalCrossentropy(from_logits=True)`: nats per code.
    Raises: ValueError: if a size is not positive or a grid above does not divide this.
    Source: van den Oord et al. 2016, arXiv 1601.06759, figure 5 and table 1. Differs:
        codes are embedded; a condition is added before each block.
    Example:
        >>> prior = PixelCNN((4, 4), 16, num_blocks=1, num_channels=8)
        >>> prior.sample(2, seed=0).shape
        (2, 4, 4)
    """

    smoke_options = {"num_channels": 8}

    def __init__(
        self,
        grid_shape,
        num_embeddings,
        *,
        num_blocks=2,
        num_channels=128,
        num_output_layers=2,
        first_kernel_size=7,
        kernel_size=3,
        num_condition_blocks=2,
        **kwargs,
    ):
        conditions.adopt(self, grid_shape, num_embeddings, **kwargs)
        conditions.check_at_least_1(num_blocks=num_blocks)
        self.num_blocks = num_blocks
        self.num_channels = num_channels
        self.num_output_layers = num_output_layers
        self.first_kernel_size = first_kernel_size
        self.kernel_size = kernel_size
        self.num_condition_blocks = num_condition_blocks
        self._make_layers()
        self._connect()

    def _make_layers(self):
        dtype = self.layer_dtype
        self.embedding = keras.layers.Embedding(
            self.num_embeddings, self.num_channels, dtype=dtype, name="embedding"
        )
        self.conditions = conditions.layer(
            self, self.num_channels, self.num_condition_blocks
        )
        self.first = MaskedConv2D(
            self.num_channels, self.first_kernel_size, "A", dtype=dtype, name="first"
        )
        half = self.num_channels // 2
        self.narrow = [self._dense(half, f"narrow_{i}") for i in self._indices]
        self.masked = [
            MaskedConv2D(half, self.kernel_size, "B", dtype=dtype, name=f"masked_{i}")
            for i in self._indices
        ]
        self.wide = [self._dense(self.num_channels, f"wide_{i}") for i in self._indices]
        self.hidden = [
            self._dense(self.num_channels, f"hidden_{i}")
            for i in range(self.num_output_layers)
        ]
        self.output_logits = keras.layers.Dense(
            self.num_embeddings, dtype="float32", name="logits"
        )

    @property
    def _indices(self):
        return range(self.num_blocks)

    def _dense(self, units, name):
        return keras.layers.Dense(units, dtype=self.layer_dtype, name=name)

    def _logits(self, inputs):
        condition = conditions.features(self.conditions, inputs)
        features = self.first(self.embedding(inputs["codes"]))
        for index in self._indices:
            features, hidden = self._before(index, features, condition)
            features = self._after(index, features, self.masked[index](hidden))
        return self._head(features)

    def _before(self, index, features, condition):
        """A block's features with the condition, and what its convolution takes."""
        if condition is not None:
            features = features + condition
        return features, ops.relu(self.narrow[index](ops.relu(features)))

    def _after(self, index, features, hidden):
        return features + self.wide[index](ops.relu(hidden))

    def _head(self, features):
        for layer in self.hidden:
            features = layer(ops.relu(features))
        return self.output_logits(ops.relu(features))

    def start(self, batch_size):
        """The state of sampling before the first row."""
        height, width = self.grid_shape
        shape = (batch_size, width, self.num_channels)
        return {
            "first": self.first.start(batch_size, width),
            "masked": [layer.start(batch_size, width) for layer in self.masked],
            "condition": ops.zeros(shape, self.layer_dtype.compute_dtype),
        }

    def begin_row(self, state, condition=None):
        """The state before the first place of a row, with the condition of the row."""
        state = {
            **state,
            "first": self.first.begin_row(state["first"]),
            "masked": [
                layer.begin_row(layer_state)
                for layer, layer_state in zip(self.masked, state["masked"])
            ],
        }
        state["condition"] = conditions.row_condition(condition, state["condition"])
        return state

    def logits_at(self, state, column):
        """Logits `(batch, K)` of a place, and the state."""
        condition = ops.take(state["condition"], column, axis=1)
        features = self.first.at(state["first"], column)
        masked = []
        for index, (layer, layer_state) in enumerate(zip(self.masked, state["masked"])):
            features, hidden = self._before(index, features, condition)
            layer_state = layer.put(layer_state, hidden, column)
            features = self._after(index, features, layer.at(layer_state, column))
            masked.append(layer_state)
        return self._head(features), {**state, "masked": masked}

    def put(self, state, codes, column):
        """The state after the codes `(batch,)` of a place are known."""
        first = self.first.put(state["first"], self.embedding(codes), column)
        return {**state, "first": first}

    def end_row(self, state):
        """The state after the last place of a row."""
        return {
            **state,
            "first": self.first.end_row(state["first"]),
            "masked": [
                layer.end_row(layer_state)
                for layer, layer_state in zip(self.masked, state["masked"])
            ],
        }

    def get_config(self):
        return {
            **super().get_config(),
            "num_blocks": self.num_blocks,
            "num_channels": self.num_channels,
            "num_output_layers": self.num_output_layers,
            "first_kernel_size": self.first_kernel_size,
            "kernel_size": self.kernel_size,
            "num_condition_blocks": self.num_condition_blocks,
        }


def pixelcnn_8(num_embeddings=512, **overrides):
    """A small PixelCNN over 8 x 8 codes: 2 blocks of 128 channels, 705,920 weights.

    Args:
        num_embeddings: int, K.
        **overrides: arguments of `PixelCNN`.

    Returns:
        `PixelCNN`.

    Source: the sizes of the keras.io example on VQ-VAE codes.
    """
    settings = {"name": "pixelcnn_8", **overrides}
    return PixelCNN((8, 8), num_embeddings, **settings)
