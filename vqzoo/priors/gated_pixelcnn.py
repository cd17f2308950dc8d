"""Gated PixelCNN over code grids, and its named models."""

import keras
from keras import ops

from vqzoo.layers import GatedMaskedConv2D
from vqzoo.priors import conditions, raster


@keras.saving.register_keras_serializable("vqzoo")
class GatedPixelCNN(keras.Model):
    """Autoregressive prior of gated masked convolutions, without a blind spot.

    Gives the logits of each code given all codes before it in raster order. Sampling
    keeps what each layer has seen, so that a place costs one place of each layer.

    Args:
        grid_shape: `(height, width)` of the codes.
        num_embeddings: int, K. Number of codes.
        num_classes: int, 0 for a prior that knows no classes.
        context: sequence of `(grid shape, number of codes)` of the tiers above, top
            first, that the prior is conditioned on. Their grids divide this one.
        num_layers: int, gated layers.
        num_channels: int, of each of the two stacks.
        output_channels: int, of the layer before the logits.
        first_kernel_size: odd int, of the first layer.
        kernel_size: odd int, of the others.
        num_condition_blocks: int, residual blocks over the codes of the tiers above.
        dtype: dtype policy. Defaults to the global policy.
        name: str or None, of the model.
    Input shape: codes, int32 `(batch, height, width)`; for a prior with a condition a
        dict of them as `codes`, with classes `label` `(batch,)`, and the codes of the
        tiers above as `context_0`, ...
    Output shape: `(batch, height, width, K)`, float32 logits. Compile with
        `SparseCategoricalCrossentropy(from_logits=True)`: nats per code.
    Raises: ValueError: if a size is not positive or a grid above does not divide this.
    Source: van den Oord et al. 2016, arXiv 1606.05328. Differs: codes are embedded.
    Example:
        >>> prior = GatedPixelCNN((4, 4), 16, num_layers=2, num_channels=8)
        >>> prior.sample(2, seed=0).shape
        (2, 4, 4)
    """

    def __init__(
        self,
        grid_shape,
        num_embeddings,
        *,
        num_classes=0,
        context=(),
        num_layers=15,
        num_channels=64,
        output_channels=512,
        first_kernel_size=7,
        kernel_size=3,
        num_condition_blocks=2,
        dtype=None,
        name=None,
    ):
        conditions.check_arguments(grid_shape, num_embeddings, num_classes, context)
        if num_layers < 1:
            raise ValueError(
                f"expected num_layers of at least 1, received {num_layers=}"
            )
        self.grid_shape = tuple(grid_shape)
        self.num_embeddings = num_embeddings
        self.num_classes = num_classes
        self.context = tuple((tuple(shape), size) for shape, size in context)
        self.num_layers = num_layers
        self.num_channels = num_channels
        self.output_channels = output_channels
        self.first_kernel_size = first_kernel_size
        self.kernel_size = kernel_size
        self.num_condition_blocks = num_condition_blocks
        self.layer_dtype = keras.dtype_policies.get(dtype)
        self._make_layers()
        inputs = conditions.inputs(self.grid_shape, num_classes, self.context)
        logits = self._logits(inputs)
        super().__init__(conditions.packed(inputs), logits, name=name)

    def _make_layers(self):
        dtype = self.layer_dtype
        self.embedding = keras.layers.Embedding(
            self.num_embeddings, self.num_channels, dtype=dtype, name="embedding"
        )
        self.conditions = conditions.layer(
            self.grid_shape,
            self.num_classes,
            self.context,
            self.num_channels,
            self.num_condition_blocks,
            dtype,
        )
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
        self.output_logits = keras.layers.Dense(
            self.num_embeddings, dtype="float32", name="logits"
        )

    def _logits(self, inputs):
        embedded = self.embedding(inputs["codes"])
        condition = conditions.features(self.conditions, inputs)
        hidden = ops.concatenate([embedded, embedded], axis=-1)
        for block in self.blocks:
            hidden = block(hidden, condition)
        return self._head(hidden[..., self.num_channels :])

    def _head(self, hidden):
        return self.output_logits(self.hidden(ops.relu(hidden)))

    def log_prob(self, codes, condition=None):
        """Log likelihood of codes `(batch, height, width)`: float64 `(batch,)`, nats.

        Args:
            codes: int, in [0, K).
            condition: dict with `label`, ints `(batch,)` or one int, and `context`, the
                codes of the tiers above, as the prior has them; or None.

        Raises:
            ValueError: if the codes or the condition do not fit to the prior.
        """
        return raster.log_prob(self, codes, condition)

    def sample(
        self,
        shape,
        condition=None,
        *,
        temperature=1.0,
        top_k=None,
        top_p=None,
        seed=None,
        cached=True,
    ):
        """Draws codes, int32 `(batch, height, width)`.

        Args:
            shape: int, number of grids, or `(batch, height, width)`.
            condition: as for `log_prob`.
            temperature: float above 0, by which the logits are divided.
            top_k: int or None: only the likeliest `top_k` codes are drawn.
            top_p: float in (0, 1] or None: only the likeliest codes that together reach
                this probability are drawn.
            seed: int or None.
            cached: bool. False computes the whole network for each code.

        Raises:
            ValueError: if an argument is out of its range or does not fit to the prior.
        """
        return raster.sample(
            self, shape, condition, temperature, top_k, top_p, seed, cached
        )

    def start(self, batch_size):
        """The state of sampling before the first row."""
        width = self.grid_shape[1]
        row = ops.zeros((batch_size, width, self.num_channels), self.compute_dtype)
        gates = ops.concatenate([row, row], axis=-1)
        windows = [block.start(batch_size, width) for block in self.blocks]
        return {"windows": windows, "gates": [gates for _ in windows], "row": row}

    def begin_row(self, state, condition=None):
        """The state before the first place of a row, with the condition of the row."""
        windows, gates, row = [], [], None
        for block, of_block in zip(self.blocks, state["windows"]):
            of_block, row, gate = block.begin_row(of_block, row, condition)
            windows.append(of_block)
            gates.append(gate)
        return {**state, "windows": windows, "gates": gates}

    def logits_at(self, state, column):
        """Logits `(batch, K)` of a place, and the state."""
        windows, hidden = [], None
        for block, of_block, gates in zip(
            self.blocks, state["windows"], state["gates"]
        ):
            of_block, hidden = block.at(of_block, hidden, gates, column)
            windows.append(of_block)
        return self._head(hidden), {**state, "windows": windows}

    def put(self, state, codes, column):
        """The state after the codes `(batch,)` of a place are known."""
        embedded = self.embedding(codes)
        first, *others = state["windows"]
        first = self.blocks[0].put(first, embedded, column)
        row = ops.slice_update(state["row"], (0, column, 0), embedded[:, None])
        return {**state, "windows": [first, *others], "row": row}

    def end_row(self, state):
        """The state after the last place of a row."""
        first, *others = zip(self.blocks, state["windows"])
        windows = [first[0].end_row(first[1], state["row"])]
        windows += [block.end_row(of_block) for block, of_block in others]
        return {**state, "windows": windows}

    def get_config(self):
        return {
            "name": self.name,
            "grid_shape": self.grid_shape,
            "num_embeddings": self.num_embeddings,
            "num_classes": self.num_classes,
            "context": self.context,
            "num_layers": self.num_layers,
            "num_channels": self.num_channels,
            "output_channels": self.output_channels,
            "first_kernel_size": self.first_kernel_size,
            "kernel_size": self.kernel_size,
            "num_condition_blocks": self.num_condition_blocks,
            "dtype": keras.dtype_policies.serialize(self.layer_dtype),
        }

    @classmethod
    def from_config(cls, config):
        return cls(**config)


def gated_pixelcnn_8(num_embeddings=512, **overrides):
    """A gated PixelCNN over 8 x 8 codes: 12 layers of 64 channels, 1,676,032 weights.

    Args:
        num_embeddings: int, K.
        **overrides: arguments of `GatedPixelCNN`.

    Returns:
        `GatedPixelCNN`.

    Source: none; a size at which sampling is compared.
    """
    settings = {"name": "gated_pixelcnn_8", "num_layers": 12, "num_channels": 64}
    return GatedPixelCNN((8, 8), num_embeddings, **{**settings, **overrides})
