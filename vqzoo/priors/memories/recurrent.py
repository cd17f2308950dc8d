"""What memories have in common that are one LSTM over frames."""

import keras
from keras import ops

from vqzoo.priors.memories.memory import Memory


class RecurrentMemory(Memory):
    """An LSTM that takes the last frame and the action, and describes the next frame.

    Abstract. Given its state, the numbers of a frame are independent of each other:
    they are drawn at once. A subclass has `_make_ends`, which makes the layers around
    the LSTM, `_inputs` from frames and actions to what the LSTM takes, and
    `_described`, from its outputs to what describes a frame.
    """

    def _make_layers(self):
        self._make_ends()
        self.lstm = keras.layers.LSTM(
            self.num_units, return_sequences=True, dtype=self.layer_dtype, name="lstm"
        )
        self._make_heads()

    def _whole(self, latents, actions):
        taken = self._inputs(latents, actions)
        # Each frame is described by the ones before it; nothing is before the first.
        nothing = ops.zeros_like(taken[:, :1])
        taken = ops.concatenate([nothing, taken[:, :-1]], axis=1)
        features = self.lstm(taken)
        return {"latents": self._described(features), **self._heads(features)}

    def _start(self, batch_size):
        zeros = ops.zeros((batch_size, self.num_units), self.layer_dtype.compute_dtype)
        return {"hidden": zeros, "cell": zeros, "features": ops.cast(zeros, "float32")}

    def _frame(self, state, actions, draw):
        taken = self._inputs(state["latents"], actions)
        taken = ops.where(state["frame"] > 0, taken, ops.zeros_like(taken))
        features, (hidden, cell) = self.lstm.cell(
            taken, [state["hidden"], state["cell"]]
        )
        frame = draw(self._described(features))
        state = {
            **state,
            "latents": frame,
            "hidden": hidden,
            "cell": cell,
            "features": ops.cast(hidden, "float32"),
        }
        return self._heads(features), state

    def _encoded(self, actions, dtype):
        """Actions as numbers `(..., A)`: one of n, or themselves; none without them."""
        if self.num_actions:
            return [ops.one_hot(actions, self.num_actions, dtype=dtype)]
        return [ops.cast(actions, dtype)] if self.action_dim else []
