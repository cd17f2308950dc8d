"""Controllers: small networks that choose actions from the state of a memory."""

import pathlib

import keras
import numpy as np
from keras import ops

from vqzoo.arguments import check_at_least
from vqzoo.runs import files
from vqzoo.runs.folder import SETTINGS
from vqzoo.world import CONTROLLER, WORLD


def linear(memory, actions):
    """The controller of Ha and Schmidhuber: one linear map.

    Args:
        memory: `Memory`.
        actions: `Actions`.

    Returns:
        `keras.Model` from `look` of a state to float32 `(batch, actions.dim)`.

    Source: Ha and Schmidhuber 2018, arXiv 1803.10122, section 2.4.
    """
    latents, features = _inputs(memory)
    looked = keras.layers.Concatenate(dtype="float32")([latents, features])
    chosen = keras.layers.Dense(
        actions.dim, kernel_initializer="zeros", dtype="float32", name="actions"
    )
    return keras.Model([latents, features], chosen(looked), name="linear")


def actor_critic(memory, actions, *, units=128, num_channels=8):
    """A perceptron with two heads: logits of actions, and the value of a state.

    Args:
        memory: `Memory`.
        actions: `Actions`, which must be discrete.
        units: int, of each of its two hidden layers.
        num_channels: int, size of the embedding of a code.

    Returns:
        `keras.Model` from `look` of a state to `logits` `(batch, actions.count)` and
        `value` `(batch, 1)`, float32.

    Raises:
        ValueError: if actions are real-valued.
    """
    check_at_least(1, units=units, num_channels=num_channels)
    if not actions.is_discrete:
        raise ValueError(
            f"expected discrete actions for an actor and critic, received {actions}: "
            "take the linear controller"
        )
    latents, features = _inputs(memory)
    looked = latents
    if memory.takes_codes:
        # Codes arrive scaled; the embedding rounds down to get integers again.
        most = max(count for _, count in memory.tiers)
        codes = keras.layers.Rescaling((most - 1) / 2, most / 2, dtype="float32")
        embedded = keras.layers.Embedding(most, num_channels, dtype="float32")
        looked = keras.layers.Flatten(dtype="float32")(embedded(codes(latents)))
    hidden = keras.layers.Concatenate(dtype="float32")([looked, features])
    for index in range(2):
        layer = keras.layers.Dense(
            units, activation="silu", dtype="float32", name=f"hidden_{index}"
        )
        norm = keras.layers.LayerNormalization(dtype="float32", name=f"norm_{index}")
        hidden = norm(layer(hidden))
    ends = {"logits": (actions.count, 0.01), "value": (1, 0.01)}
    outputs = {
        name: keras.layers.Dense(
            size,
            kernel_initializer=keras.initializers.RandomNormal(stddev=scale),
            dtype="float32",
            name=name,
        )(hidden)
        for name, (size, scale) in ends.items()
    }
    return keras.Model([latents, features], outputs, name="actor_critic")


def _inputs(memory):
    """Symbolic latents and features, with sizes from a state."""
    count = memory.start(1)["features"].shape[1]
    return (
        keras.Input((memory.frame_size,), name="latents"),
        keras.Input((count,), name="features"),
    )


def load(path, load_world):
    """The world and the controller of a folder.

    Args:
        path: folder of a run of `world_model`, or of `world_controller`, which says
            where its world is.
        load_world: `vqzoo.load`.

    Returns:
        `World` and `keras.Model`.

    Raises:
        ValueError: if there is no controller, or its world is not where it was.
    """
    path = pathlib.Path(path)
    file = path / f"{CONTROLLER}.keras"
    if not file.is_file():
        raise ValueError(
            "expected the folder of a run of world_controller or world_model, found no "
            f"{file.name} in {path}"
        )
    world = path
    if not (path / WORLD).is_file():
        world = files.read_json(path / SETTINGS)["recipe"]["world"]
    return load_world(world), keras.saving.load_model(file, compile=False)


def look(memory, state):
    """What a controller sees of a state: a list of float32 `(batch, ...)`.

    They are the latents of the last frame and the features of the memory. Codes are
    scaled to [-1, 1], which is meaningful if they are ordered.
    """
    latents = np.asarray(state["latents"], "float32")
    if memory.takes_codes:
        most = max(count for _, count in memory.tiers)
        latents = 2 * latents / max(most - 1, 1) - 1
    return [latents, np.asarray(state["features"], "float32")]


class LinearPolicy:
    """Many linear controllers at once; each plays its own part of a batch.

    Args:
        memory: `Memory`.
        actions: `Actions`.
        parameters: float `(controllers, n)`, n as in `num_parameters`.
    """

    def __init__(self, memory, actions, parameters):
        self.memory, self.actions = memory, actions
        self.parameters = np.asarray(parameters, "float32")

    def act(self, state, generator):
        """Actions `(batch, ...)`; each controller has an equal part of the batch."""
        del generator  # nothing is drawn
        looked = np.concatenate(look(self.memory, state), axis=1)
        looked = looked.reshape(len(self.parameters), -1, looked.shape[1])
        shape = (len(self.parameters), looked.shape[2] + 1, self.actions.dim)
        weights = self.parameters.reshape(shape)
        outputs = looked @ weights[:, :-1] + weights[:, -1:]
        return _chosen(self.actions, outputs.reshape(-1, self.actions.dim))


def num_parameters(memory, actions):
    """Number of parameters of a linear controller: kernel and offsets."""
    features = memory.start(1)["features"].shape[1]
    return (memory.frame_size + features + 1) * actions.dim


def set_parameters(controller, parameters):
    """Sets the weights of a `linear` model to parameters of a `LinearPolicy`."""
    rows = np.reshape(parameters, (-1, controller.output.shape[-1]))
    controller.set_weights([rows[:-1], rows[-1]])


class Policy:
    """A controller that plays.

    Args:
        memory: `Memory`.
        actions: `Actions`.
        controller: `keras.Model` as from `linear` or `actor_critic`.
        temperature: float, at least 0; divides the logits of an actor. 0 takes the
            likeliest action.
    """

    def __init__(self, memory, actions, controller, temperature=1.0):
        self.memory, self.actions = memory, actions
        self.controller = controller
        self.temperature = temperature

    def act(self, state, generator):
        """Actions `(batch, ...)` in a state; `generator` is a `np.random.Generator`."""
        outputs = self.controller.predict_on_batch(look(self.memory, state))
        if not isinstance(outputs, dict):
            return _chosen(self.actions, outputs)
        logits = outputs["logits"]
        if self.temperature:
            noise = generator.gumbel(size=logits.shape)
            logits = logits / self.temperature + noise
        return logits.argmax(axis=-1)


class RandomPolicy:
    """Draws actions uniformly.

    Args:
        actions: `Actions`.
    """

    def __init__(self, actions):
        self.actions = actions

    def act(self, state, generator):
        """Actions `(batch, ...)`."""
        return self.actions.random(generator, len(state["latents"]))


def _chosen(actions, outputs):
    """Actions of outputs `(batch, dim)`: the largest, or squashed between bounds."""
    if actions.is_discrete:
        return outputs.argmax(axis=-1)
    low, high = np.array(actions.low), np.array(actions.high)
    share = 1 / (1 + np.exp(-np.clip(outputs, -30, 30)))
    return (low + (high - low) * share).astype("float32")


def policy_loss(targets, logits):
    """Nats of the actions taken, weighted by advantage, minus weighted entropy.

    Args:
        targets: float `(batch, 3)`: action, advantage, entropy weight.
        logits: float `(batch, actions)`.

    Source: Williams 1992 (REINFORCE) with the critic as baseline, as in Micheli et al.
        2023 (IRIS), arXiv 2209.00588, appendix B.
    """
    log_p = ops.log_softmax(logits, axis=-1)
    taken = ops.cast(targets[:, :1], "int32")
    log_taken = ops.take_along_axis(log_p, taken, axis=-1)[:, 0]
    entropy = -ops.sum(ops.exp(log_p) * log_p, axis=-1)
    return -log_taken * targets[:, 1] - targets[:, 2] * entropy


def lambda_returns(rewards, ends, values, *, discount=0.99, trace=0.95):
    """Lambda returns: a mixture of n-step returns of all lengths.

    Args:
        rewards: `(batch, steps)`, of each action.
        ends: bool `(batch, steps)`, whether the game ended with the action.
        values: `(batch, steps + 1)`, the critic's value of each state.
        discount: float, gamma.
        trace: float, lambda.

    Returns:
        Float32 `(batch, steps)`.

    Source: Sutton and Barto 2018, eq. 12.2; Hafner et al. 2021 (Dreamer V2), arXiv
        2010.02193, eq. 4.
    """
    returns = np.zeros_like(values, "float32")
    returns[:, -1] = values[:, -1]
    for step in reversed(range(rewards.shape[1])):
        later = (1 - trace) * values[:, step + 1] + trace * returns[:, step + 1]
        returns[:, step] = rewards[:, step] + discount * later * ~ends[:, step]
    return returns[:, :-1]
