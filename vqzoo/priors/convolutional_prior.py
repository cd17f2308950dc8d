"""What the priors have in common that begin with a masked convolution."""

import keras
from keras import ops

from vqzoo.layers import MaskedConv2D
from vqzoo.priors import conditions
from vqzoo.priors.autoregressive_prior import AutoregressivePrior


class ConvolutionalPrior(AutoregressivePrior):
    """A prior that begins with an embedding and a masked convolution.

    Abstract. A subclass calls `_make_first` where it makes its layers, then makes those
    that `cached_layers` names, and `output_logits`; it has `_head(features)`.
    """

    def _make_first(self, channels, kernel_size):
        self._make_embedding(channels)
        self.first = MaskedConv2D(
            channels, kernel_size, "A", dtype=self.layer_dtype, name="first"
        )

    def _outputs(self, inputs):
        features = self.first(self.embedding(inputs["codes"]))
        return self._head(self._whole(features, inputs))

    def start(self, batch_size):
        """The state of sampling before the first row."""
        width = self.grid_shape[1]
        shape = (batch_size, width, self.first.filters)
        return {
            "first": self.first.start(batch_size, width),
            "layers": self._start_layers(batch_size, width),
            "condition": ops.zeros(shape, self.layer_dtype.compute_dtype),
        }

    def begin_row(self, state, condition=None):
        """The state before the first position of a row, with the row's condition."""
        return {
            "first": self.first.begin_row(state["first"]),
            "layers": self._states("begin_row", state),
            "condition": conditions.row_condition(condition, state["condition"]),
        }

    def logits_at(self, state, column):
        """Logits `(batch, K)` of a position, and the state."""
        features = self.first.at(state["first"], column)
        condition = ops.take(state["condition"], column, axis=1)
        features, state = self._place(features, state, column, condition)
        return self._head(features), state

    def put(self, state, codes, column):
        """The state after the codes `(batch,)` of a position are known."""
        first = self.first.put(state["first"], self.embedding(codes), column)
        return {**state, "first": first}

    def end_row(self, state):
        """The state after the last position of a row."""
        return {**super().end_row(state), "first": self.first.end_row(state["first"])}


class ResidualPrior(ConvolutionalPrior):
    """A network of the paper on pixel RNNs: residual layers, then linear ones.

    Abstract. A subclass calls `_make_head` last where it makes its layers.

    Source: van den Oord et al. 2016, arXiv 1601.06759, figure 5 and table 1.
    """

    def _make_head(self, channels):
        self.hidden = [
            self._dense(channels, f"hidden_{i}") for i in range(self.num_output_layers)
        ]
        self.output_logits = self._logits_layer()

    def _dense(self, units, name):
        return keras.layers.Dense(units, dtype=self.layer_dtype, name=name)

    def _head(self, features):
        for layer in self.hidden:
            features = layer(ops.relu(features))
        return self.output_logits(ops.relu(features))
