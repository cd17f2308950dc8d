"""Gated PixelCNN over code grids, and its named models."""

import keras
from keras import ops

from vqzoo.layers import GatedMaskedConv2D
from vqzoo.ops import put_at
from vqzoo.priors.autoregressive_prior import AutoregressivePrior
from vqzoo.registry import named


@named("gated_pixelcnn")
@keras.saving.register_keras_serializable("vqzoo")
class GatedPixelCNN(AutoregressivePrior):
    """Autoregressive prior of gated masked convolutions, without a blind spot.

    Gives the logits of each code given all codes before it in raster order. Sampling
    keeps what each layer has seen, so that a position costs one position of each layer.

    Args:
        grid_shape: `(height, width)` of the codes.
        num_embeddings: int, K. Number of codes.
        num_layers: int, gated layers.
        num_channels: int, of each of the two stacks.
        output_channels: int, of the layer before the logits.
        first_kernel_size: odd int, of the first layer.
        kernel_size: odd int, of the others.
        num_condition_blocks: int, residual blocks over the codes of the tiers above.
        **kwargs: what all priors take, such as `num_classes`: see `Prior`.
    Input shape: codes, int32 `(batch, height, width)`; with a condition a dict, see
        `AutoregressivePrior`.
    Output shape: `(batch, height, width, K)`, float32 logits.
    Raises: ValueError: if a size is not positive or a grid above does not divide this.
    Source: van den Oord et al. 2016, arXiv 1606.05328. Differs: codes are embedded.
    Example:
        >>> prior = GatedPixelCNN((4, 4), 16, num_layers=2, num_channels=8)
        >>> prior.sample(2, seed=0).shape
        (2, 4, 4)
    """

    smoke_options = {"num_layers": 2, "num_channels": 8, "output_channels": 16}

    def __init__(
        self,
        grid_shape,
        num_embeddings,
        *,
        num_layers=15,
        num_channels=64,
        output_channels=512,
        first_kernel_size=7,
        kernel_size=3,
        num_condition_blocks=2,
        **kwargs,
    ):
        self._make(locals(), "num_layers")

    def _make_layers(self):
        dtype = self.layer_dtype
        self._make_embedding(self.num_channels)
        kernels = [self.first_kernel_size] + [self.kernel_size] * (self.num_layers - 1)
        self.blocks = [
            GatedMaskedConv2D(
                self.num_channels,
                kernel,
                "B" if index else "A",
                dtype=dtype,
                name=f"block_{index}",
            )
            for index, kernel in enumerate(kernels)
        ]
        self.hidden = keras.layers.Dense(
            self.output_channels, activation="relu", dtype=dtype, name="hidden"
        )
        self.output_logits = self._logits_layer()

    def _outputs(self, inputs):
        embedded = self.embedding(inputs["codes"])
        both = self._whole(ops.concatenate([embedded, embedded], axis=-1), inputs)
        return self._head(both[..., self.num_channels :])

    def _head(self, hidden):
        return self.output_logits(self.hidden(ops.relu(hidden)))

    def start(self, batch_size):
        """The state of sampling before the first row."""
        width = self.grid_shape[1]
        return {
            "layers": self._start_layers(batch_size, width),
            "row": ops.zeros(
                (batch_size, width, self.num_channels), self.layer_dtype.compute_dtype
            ),
        }

    def begin_row(self, state, condition=None):
        """The state before the first position of a row, with the row's condition."""
        layers, row = [], None
        for block, block_state in zip(self.blocks, state["layers"]):
            block_state, row = block.begin_row(block_state, row, condition)
            layers.append(block_state)
        return {**state, "layers": layers}

    def logits_at(self, state, column):
        """Logits `(batch, K)` of a position, and the state."""
        # The first block does not see the place itself.
        hidden, state = self._place(None, state, column)
        return self._head(hidden), state

    def put(self, state, codes, column):
        """The state after the codes `(batch,)` of a position are known."""
        embedded = self.embedding(codes)
        first, *others = state["layers"]
        first = self.blocks[0].put(first, embedded, column)
        row = put_at(state["row"], embedded, column, axis=1)
        return {**state, "layers": [first, *others], "row": row}

    def end_row(self, state):
        """The state after the last position of a row."""
        rows = [state["row"], *([None] * (self.num_layers - 1))]
        layers = [
            block.end_row(block_state, row)
            for block, block_state, row in zip(self.blocks, state["layers"], rows)
        ]
        return {**state, "layers": layers}


def gated_pixelcnn_8(num_embeddings=512, **overrides):
    """A gated PixelCNN over 8 x 8 codes: 12 layers of 64 channels, 1,618,688 weights.

    Args:
        num_embeddings: int, K.
        **overrides: arguments of `GatedPixelCNN`.

    Returns:
        `GatedPixelCNN`.

    Source: none; a size at which sampling is compared.
    """
    settings = {"name": "gated_pixelcnn_8", "num_layers": 12, "num_channels": 64}
    return GatedPixelCNN((8, 8), num_embeddings, **{**settings, **overrides})
