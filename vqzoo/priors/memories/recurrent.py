"""The base of memories that are an LSTM over frames."""

import keras
from keras import ops

from vqzoo.priors.memories.memory import Memory


class RecurrentMemory(Memory):
    """An LSTM that predicts the next frame from the last frame and the action.

    Abstract. Given its state, the latents of a frame are independent and are drawn at
    once. A subclass has `_make_ends`, which makes the layers around the LSTM;
    `_inputs`, from frames and actions to inputs of the LSTM; and `_described`, from its
    outputs to the distribution of a frame.
    """

    def _make_layers(self):
        self._make_ends()
        self.lstm = keras.layers.LSTM(
            self.num_units, return_sequences=True, dtype=self.layer_dtype, name="lstm"
        )
        self._make_heads()

    def _whole(self, latents, actions):
        taken = self._inputs(latents, actions)
        # Earlier frames predict each frame; the first one has none before it.
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
        """A list of actions `(..., A)`, one-hot if discrete; empty without them."""
        if self.num_actions:
            return [ops.one_hot(actions, self.num_actions, dtype=dtype)]
        return [ops.cast(actions, dtype)] if self.action_dim else []
