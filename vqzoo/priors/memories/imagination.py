"""Frames that a memory draws, from cached states or by the whole network."""

import keras
import numpy as np
from keras import ops

from vqzoo.priors import raster


class _Step(keras.Model):
    """From a state and actions to the next state: what `predict` compiles.

    Args:
        memory: `Memory`.
        known: bool. Whether the frame is given instead of drawn.
    """

    def __init__(self, memory, known):
        super().__init__(name=f"{memory.name}_step", dtype="float32", autocast=False)
        self.memory = memory
        self.known = known

    def call(self, inputs):
        memory, given = self.memory, (inputs["state"], inputs.get("actions"))
        later = {"frame": inputs["state"]["frame"] + 1}
        if self.known:
            _, state = memory._known_frame(*given, inputs["latents"])
            return {"state": {**state, **later}}
        heat = inputs["temperature"][:, None]

        def draw(outputs, column=None):
            return memory._draw(outputs, inputs, heat, column)

        outputs, state = memory._frame(*given, draw)
        drawn = _draw_heads(outputs, inputs["came"], heat)
        return {"state": {**state, **later}, **drawn}


def step(memory, *, known):
    """The compiled step of a memory, cached."""
    return raster.sampler_of(memory, _Step, known)


class _Whole(keras.Model):
    """The whole network over sequences of one length: what `predict` compiles."""

    def __init__(self, memory, num_frames):
        super().__init__(name=f"{memory.name}_whole", dtype="float32", autocast=False)
        self.memory = memory
        self.num_frames = num_frames

    def call(self, inputs):
        outputs = self.memory(inputs, training=False)
        return outputs if self.memory.has_actions else {"latents": outputs}


def whole(memory, latents, actions=None):
    """Outputs of a memory for sequences: a dict of arrays, also without actions."""
    shown = {"latents": latents}
    if memory.has_actions:
        shown["actions"] = actions
    # One for each length, which transformer blocks must know.
    return raster.sampler_of(memory, _Whole, latents.shape[1]).predict_on_batch(shown)


def _draw_heads(outputs, random, heat):
    """Draws indices of rewards, and ends, 0 or 1, from logits: a dict."""
    drawn = {}
    if "rewards" in outputs:
        drawn["rewards"] = raster.choose(outputs["rewards"] / heat, random[:, 0])
    if "ends" in outputs:
        probability = ops.sigmoid(outputs["ends"] / heat[:, 0])
        drawn["ends"] = ops.cast(random[:, 1] < probability, "int32")
    return drawn


def came(memory, drawn):
    """Rewards, float32, and ends, bool `(batch,)`, of a step; zeros if not drawn."""
    batch = len(drawn["state"]["latents"])
    rewards, ends = np.zeros((batch,), "float32"), np.zeros((batch,), bool)
    if "rewards" in drawn:
        rewards = np.asarray(memory.reward_values, "float32")[drawn["rewards"]]
    if "ends" in drawn:
        ends = drawn["ends"] > 0
    return rewards, ends


def on(memory, latents, actions, count, random, temperature):
    """`Memory.dream` from state to state."""
    batch, known = latents.shape[:2]
    state, film = memory.start(batch), _Film(memory, batch, count)
    heat = np.full((batch,), temperature, "float32")
    for frame in range(count):
        here = actions[:, frame - 1] if frame and memory.has_actions else None
        drawn = {}
        if frame < known:
            state = memory.observe(state, latents[:, frame], here)
        else:
            given = {name: array[:, frame] for name, array in random.items()}
            given |= {**memory.given(state, here), "temperature": heat}
            drawn = step(memory, known=False).predict_on_batch(given)
            state = drawn["state"]
        film.put(frame, {**drawn, "state": state})
    return film.arrays


def anew(memory, latents, actions, count, random, temperature):
    """`Memory.dream` with the whole network computed for each draw."""
    batch, known = latents.shape[:2]
    film = _Film(memory, batch, count)
    frames = film.arrays["latents"]
    frames[:, :known] = latents
    heat = ops.full((batch, 1), temperature, "float32")
    for frame in range(known, count):
        here = _tensors(random, frame)
        for column in memory.columns:
            outputs = _tensors(whole(memory, frames, actions), frame)
            places = slice(None) if column is None else column
            drawn = memory._draw(outputs["latents"][:, places], here, heat, column)
            frames[:, frame, places] = ops.convert_to_numpy(drawn)
        drawn = keras.tree.map_structure(
            ops.convert_to_numpy, _draw_heads(outputs, here["came"], heat)
        )
        film.put(frame, {**drawn, "state": {"latents": frames[:, frame]}})
    return film.arrays


def _tensors(arrays, frame):
    """One frame of arrays over time, by name."""
    return {k: ops.convert_to_tensor(array[:, frame]) for k, array in arrays.items()}


class _Film:
    """Arrays over time: `latents`, `rewards`, `ends`."""

    def __init__(self, memory, batch, count):
        self.memory = memory
        dtype = "int32" if memory.takes_codes else "float32"
        self.arrays = {
            "latents": np.zeros((batch, count, memory.frame_size), dtype),
            "rewards": np.zeros((batch, count), "float32"),
            "ends": np.zeros((batch, count), bool),
        }

    def put(self, frame, drawn):
        self.arrays["latents"][:, frame] = drawn["state"]["latents"]
        rewards, ends = came(self.memory, drawn)
        self.arrays["rewards"][:, frame], self.arrays["ends"][:, frame] = rewards, ends
