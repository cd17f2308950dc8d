"""Inputs and construction of memories: frames of an autoencoder, and actions."""

import math

import keras
import numpy as np
from keras import ops

from vqzoo.arguments import (
    BuiltModel,
    argument_names,
    check_at_least,
    check_codes,
    plain,
)


class FrameModel(BuiltModel):
    """A model of the frames of a game or film, as encoded by an autoencoder.

    Abstract. A frame is the output of an autoencoder's `encode`, all tiers in one row:
    `flat` makes it from a tuple of tiers, `tiers_of` does the inverse. `actions[t]` is
    taken at frame t; the reward and the end of `actions[t]` come with frame t + 1.
    Without actions a memory is a model of films.

    A subclass makes its layers in `_make_layers`, and maps frames and actions to
    outputs in `_whole`.

    Args:
        tiers: sequence of `(shape, number of codes)` of the tiers of a frame, top
            first, the number 0 for real-valued latents.
        num_frames: int, length of sequences in training and in `sample`.
        num_actions: int, number of discrete actions; 0 for none.
        action_dim: int, length of real-valued actions; 0 for none.
        reward_values: all rewards that occur, ascending. Empty: rewards are not
            predicted.
        dtype: dtype policy. Defaults to the global policy.
        name: str or None, of the model.
    """

    # Whether frames are codes, and not real numbers.
    takes_codes = True
    # Arguments that make it small, for smoke runs.
    smoke_options = {}

    def _make(self, arguments, *sizes):
        """The whole constructor, from its `locals()` and sizes of at least 1."""
        common = dict(arguments["kwargs"])
        self._begin(common.pop("name", None))
        for name in argument_names(type(self)):
            setattr(self, name, plain(arguments[name]))
        self._adopt(**common)
        check_at_least(1, **{name: arguments[name] for name in sizes})
        self._make_layers()
        shown = {"latents": self._input("latents", self.num_frames)}
        if self.has_actions:
            shown["actions"] = self._input("actions", self.num_frames)
        inputs = shown if self.has_actions else shown["latents"]
        self._finish(inputs, self._outputs(shown))

    def _adopt(
        self,
        *,
        num_frames=16,
        num_actions=0,
        action_dim=0,
        reward_values=(),
        dtype=None,
    ):
        check_at_least(0, num_actions=num_actions, action_dim=action_dim)
        check_at_least(2, num_frames=num_frames)
        if num_actions and action_dim:
            raise ValueError(
                "expected discrete or real-valued actions, received "
                f"{num_actions=}, {action_dim=}"
            )
        self.tiers = tuple((tuple(shape), int(count)) for shape, count in self.tiers)
        counts = [count for _, count in self.tiers]
        if not counts or any((count > 0) != self.takes_codes for count in counts):
            kind = "codes" if self.takes_codes else "real-valued latents, of 0 codes"
            raise ValueError(f"expected tiers of {kind}, received tiers={self.tiers}")
        self.reward_values = tuple(map(float, reward_values))
        if list(self.reward_values) != sorted(set(self.reward_values)):
            raise ValueError(
                f"expected reward_values that ascend, received {reward_values=}"
            )
        self.num_frames, self.num_actions = num_frames, num_actions
        self.action_dim = action_dim
        self.layer_dtype = keras.dtype_policies.get(dtype)

    def get_config(self):
        return {
            **{name: getattr(self, name) for name in argument_names(type(self))},
            "num_frames": self.num_frames,
            "num_actions": self.num_actions,
            "action_dim": self.action_dim,
            "reward_values": self.reward_values,
            "dtype": keras.dtype_policies.serialize(self.layer_dtype),
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config):
        return cls(**config)

    @property
    def has_actions(self):
        """Whether it takes actions, and predicts ends and perhaps rewards."""
        return bool(self.num_actions or self.action_dim)

    @property
    def frame_size(self):
        """Number of codes or values in a frame, over all tiers."""
        return sum(math.prod(shape) for shape, _ in self.tiers)

    def flat(self, tiers):
        """Frames `(..., frame_size)` of a tuple of tiers `(..., *shape)`, as arrays."""
        dtype = "int32" if self.takes_codes else "float32"
        rows = [
            np.asarray(array, dtype).reshape(*np.shape(array)[: -len(shape)], -1)
            for array, (shape, _) in zip(tiers, self.tiers, strict=True)
        ]
        return np.concatenate(rows, axis=-1)

    def tiers_of(self, frames):
        """The tuple of tiers `(..., *shape)` of frames: the inverse of `flat`."""
        ends = np.cumsum([math.prod(shape) for shape, _ in self.tiers])[:-1]
        parts = np.split(np.asarray(frames), ends, axis=-1)
        return tuple(
            part.reshape(*part.shape[:-1], *shape)
            for part, (shape, _) in zip(parts, self.tiers)
        )

    def _input(self, name, frames=None):
        """A symbolic input of `frames` frames, or of one."""
        time = () if frames is None else (frames,)
        if name == "latents":
            dtype = "int32" if self.takes_codes else "float32"
            return keras.Input((*time, self.frame_size), dtype=dtype, name=name)
        if self.num_actions:
            return keras.Input(time, dtype="int32", name=name)
        return keras.Input((*time, self.action_dim), name=name)

    def _make_heads(self):
        """Makes the layers from features of a frame to its reward and its end."""
        self.reward_logits = self.end_logits = None
        if self.reward_values:
            self.reward_logits = keras.layers.Dense(
                len(self.reward_values), dtype="float32", name="rewards"
            )
        if self.has_actions:
            self.end_logits = keras.layers.Dense(1, dtype="float32", name="ends")

    def _heads(self, features):
        """Logits of rewards `(..., R)` and ends `(...)` by name, if predicted."""
        found = {}
        if self.reward_logits is not None:
            found["rewards"] = self.reward_logits(features)
        if self.end_logits is not None:
            found["ends"] = self.end_logits(features)[..., 0]
        return found

    def _outputs(self, inputs):
        outputs = self._whole(inputs["latents"], inputs.get("actions"))
        return outputs if self.has_actions else outputs["latents"]

    def call(self, inputs, training=None):
        if not isinstance(inputs, dict):
            inputs = {"latents": inputs}
        return self._outputs(self.checked(**inputs))

    def checked(self, latents, actions=None):
        """Frames and actions by name, as inputs of the layers.

        Raises:
            ValueError: if they do not fit this memory, such as an unknown action.
        """
        shown = {"latents": latents}
        if self.has_actions:
            if actions is None:
                raise ValueError(f"expected actions for {self.name}, received None")
            shown["actions"] = actions
        elif actions is not None:
            raise ValueError(f"{self.name} is a model of films and takes no actions")
        return {name: self._checked(name, value) for name, value in shown.items()}

    def _checked(self, name, values):
        symbol = self._input(name)
        if symbol.dtype == "int32":
            counts = [count for _, count in self.tiers]
            count = max(counts) if name == "latents" else self.num_actions
            values = check_codes(values, count, name=name, least=0)
        else:
            values = ops.convert_to_tensor(values, dtype=symbol.dtype)
        last = values.shape[len(values.shape) - len(symbol.shape) + 1 :]
        if tuple(last) != tuple(symbol.shape[1:]):
            shape = ", ".join(map(str, ("...", *symbol.shape[1:])))
            raise ValueError(
                f"expected {name} of shape ({shape}), received "
                f"shape={tuple(values.shape)}"
            )
        return values

    def compute_output_spec(self, inputs, training=None):
        batch = keras.tree.flatten(inputs)[0].shape[0]
        return keras.tree.map_structure(
            lambda s: keras.KerasTensor((batch, *s.shape[1:]), dtype=s.dtype),
            self.output,
        )

    def compute_output_shape(self, input_shape):
        return (*input_shape[:1], *self.output.shape[1:])
