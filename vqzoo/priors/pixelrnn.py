"""PixelRNN over code grids."""

import keras
from keras import ops

from vqzoo.layers import DiagonalBiLSTM, MaskedConv2D, RowLSTM
from vqzoo.priors import conditions
from vqzoo.priors.autoregressive_prior import AutoregressivePrior
from vqzoo.registry import named

CELLS = ("row", "diagonal")


@named("pixelrnn")
@keras.saving.register_keras_serializable("vqzoo")
class PixelRNN(AutoregressivePrior):
    """Autoregressive prior of LSTMs that go over the grid by rows or by diagonals.

    Args:
        grid_shape: `(height, width)` of the codes.
        num_embeddings: int, K. Number of codes.
        cell: `"row"`, the Row LSTM, or `"diagonal"`, the Diagonal BiLSTM.
        num_layers: int, LSTMs, each with a residual connection around.
        units: int, h of the LSTMs; the features between have 2h channels.
        num_output_layers: int, linear layers before the logits.
        first_kernel_size: odd int.
        num_condition_blocks: int, residual blocks over the codes of the tiers above.
        **kwargs: what all priors take, such as `num_classes`: see `Prior`.
    Input shape: codes, int32 `(batch, height, width)`; for a prior with a condition a
        dict of them as `codes`, with classes `label` `(batch,)`, and the codes of the
        tiers above as `context_0`, ...
    Output shape: `(batch, height, width, K)`, float32 logits. Compile with
        `SparseCategoricalCrossentropy(from_logits=True)`: nats per code.
    Raises: ValueError: if a size is not positive, `cell` is unknown or a grid above
        does not divide this one.
    Source: van den Oord et al. 2016, arXiv 1601.06759, figure 5 and table 1. Differs:
        codes are embedded; a condition is added before each LSTM.
    Example:
        >>> prior = PixelRNN((4, 4), 16, num_layers=1, units=4)
        >>> prior.sample(2, seed=0).shape
        (2, 4, 4)
    """

    smoke_options = {"num_layers": 1, "units": 8}

    def __init__(
        self,
        grid_shape,
        num_embeddings,
        *,
        cell="diagonal",
        num_layers=7,
        units=64,
        num_output_layers=2,
        first_kernel_size=7,
        num_condition_blocks=2,
        **kwargs,
    ):
        conditions.adopt(self, grid_shape, num_embeddings, **kwargs)
        if cell not in CELLS:
            raise ValueError(f"expected cell to be one of {CELLS}, received {cell=}")
        conditions.check_at_least_1(num_layers=num_layers)
        self.cell = cell
        self.num_layers = num_layers
        self.units = units
        self.num_output_layers = num_output_layers
        self.first_kernel_size = first_kernel_size
        self.num_condition_blocks = num_condition_blocks
        self._make_layers()
        self._connect()

    def _make_layers(self):
        dtype, channels = self.layer_dtype, 2 * self.units
        self.embedding = keras.layers.Embedding(
            self.num_embeddings, channels, dtype=dtype, name="embedding"
        )
        self.conditions = conditions.layer(self, channels, self.num_condition_blocks)
        self.first = MaskedConv2D(
            channels, self.first_kernel_size, "A", dtype=dtype, name="first"
        )
        make = RowLSTM if self.cell == "row" else DiagonalBiLSTM
        self.lstms = [
            make(self.units, dtype=dtype, name=f"lstm_{i}")
            for i in range(self.num_layers)
        ]
        self.wide = [self._dense(channels, f"wide_{i}") for i in range(self.num_layers)]
        self.hidden = [
            self._dense(channels, f"hidden_{i}") for i in range(self.num_output_layers)
        ]
        self.output_logits = keras.layers.Dense(
            self.num_embeddings, dtype="float32", name="logits"
        )

    def _dense(self, units, name):
        return keras.layers.Dense(units, dtype=self.layer_dtype, name=name)

    def _logits(self, inputs):
        condition = conditions.features(self.conditions, inputs)
        features = self.first(self.embedding(inputs["codes"]))
        for lstm, wide in zip(self.lstms, self.wide):
            if condition is not None:
                features = features + condition
            features = features + wide(lstm(features))
        return self._head(features)

    def _head(self, features):
        for layer in self.hidden:
            features = layer(ops.relu(features))
        return self.output_logits(ops.relu(features))

    def start(self, batch_size):
        """The state of sampling before the first row."""
        width = self.grid_shape[1]
        shape = (batch_size, width, 2 * self.units)
        return {
            "first": self.first.start(batch_size, width),
            "lstms": [lstm.start(batch_size, width) for lstm in self.lstms],
            "condition": ops.zeros(shape, self.layer_dtype.compute_dtype),
        }

    def begin_row(self, state, condition=None):
        """The state before the first place of a row, with the condition of the row."""
        state = {**state, "first": self.first.begin_row(state["first"])}
        if self.cell == "row":
            state["lstms"] = [
                lstm.begin_row(lstm_state)
                for lstm, lstm_state in zip(self.lstms, state["lstms"])
            ]
        state["condition"] = conditions.row_condition(condition, state["condition"])
        return state

    def logits_at(self, state, column):
        """Logits `(batch, K)` of a place, and the state."""
        condition = ops.take(state["condition"], column, axis=1)
        features = self.first.at(state["first"], column)
        lstms = []
        for lstm, wide, lstm_state in zip(self.lstms, self.wide, state["lstms"]):
            features = features + condition
            lstm_state, hidden = lstm.at(lstm_state, features, column)
            features = features + wide(hidden)
            lstms.append(lstm_state)
        return self._head(features), {**state, "lstms": lstms}

    def put(self, state, codes, column):
        """The state after the codes `(batch,)` of a place are known."""
        first = self.first.put(state["first"], self.embedding(codes), column)
        return {**state, "first": first}

    def end_row(self, state):
        """The state after the last place of a row."""
        return {
            **state,
            "first": self.first.end_row(state["first"]),
            "lstms": [
                lstm.end_row(lstm_state)
                for lstm, lstm_state in zip(self.lstms, state["lstms"])
            ],
        }

    def get_config(self):
        return {
            **super().get_config(),
            "cell": self.cell,
            "num_layers": self.num_layers,
            "units": self.units,
            "num_output_layers": self.num_output_layers,
            "first_kernel_size": self.first_kernel_size,
            "num_condition_blocks": self.num_condition_blocks,
        }
