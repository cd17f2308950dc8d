"""The protocol of memories: training, likelihoods, states, imagination."""

import keras
import numpy as np
from keras import ops

from vqzoo.arguments import check_at_least, check_positive
from vqzoo.priors import raster
from vqzoo.priors.memories import imagination
from vqzoo.priors.memories.frames import FrameModel


class Memory(FrameModel):
    """A model of the next frame, its reward and its end, given frames and actions.

    Abstract. Its likelihood is exact. Besides what `FrameModel` needs, a subclass has
    `_frame_loss` and `_log_probs` of frames, `_start`, its first state, `_draw`, and
    `_frame(state, actions, draw)`, which gives the logits of the reward and end that
    come with the next frame, and the state after it.
    """

    # Positions of a frame that are drawn one after the other; None: all at once.
    columns = (None,)

    def training_pair(self, latents, actions=None, rewards=None, ends=None, mask=None):
        """Arrays of a training step: `(inputs, targets, weights)`.

        Args:
            latents: `(batch, num_frames, frame_size)`.
            actions: ints `(batch, num_frames)` or floats `(batch, num_frames, A)`.
            rewards: floats `(batch, num_frames)`, of the actions.
            ends: bools `(batch, num_frames)`, of the actions.
            mask: bools `(batch, num_frames)`, whether a frame counts, or None.
        """
        weights = np.ones(np.shape(latents)[:2], "float32")
        if mask is not None:
            weights *= mask
        if not self.has_actions:
            return latents, latents, weights[..., None]
        inputs = {"latents": latents, "actions": actions}
        came = weights.copy()
        came[:, 0] = 0.0  # no reward or end comes with the first frame
        targets = {"latents": latents, "ends": _later(ends).astype("float32")}
        if self.reward_values:
            targets["rewards"] = self.reward_indices(_later(rewards))
        beside = {name: came for name in targets if name != "latents"}
        return inputs, targets, {"latents": weights[..., None], **beside}

    def reward_indices(self, rewards):
        """Index in `reward_values` of the nearest to each reward, int32."""
        values = np.asarray(self.reward_values)
        rewards = np.asarray(rewards, "float64")
        return np.abs(rewards[..., None] - values).argmin(-1).astype("int32")

    def training_loss(self):
        """The losses, in nats: of the latents of a frame, its reward and its end."""
        if not self.has_actions:
            return self._frame_loss()
        losses = {"latents": self._frame_loss(), "ends": _end_nats}
        if self.reward_values:
            losses["rewards"] = keras.losses.SparseCategoricalCrossentropy(
                from_logits=True
            )
        return losses

    def log_prob(self, latents, actions=None, rewards=None, ends=None, batch_size=32):
        """Log likelihood of each frame, given those before it: float64, nats.

        For real-valued latents it is the log of a density: compare it only between
        memories of the same latents.

        Args:
            latents: `(batch, frames, frame_size)`.
            actions: as in `training_pair`, `(batch, frames, ...)`; the last one of a
                sequence is ignored.
            rewards: floats `(batch, frames)` or None, of the actions. The log
                probability of a reward is added to that of the frame it comes with.
            ends: bools `(batch, frames)` or None, likewise.
            batch_size: int, sequences at once.

        Returns:
            `(batch, frames)`.

        Raises:
            ValueError: if the arrays do not fit the memory.
        """
        parts = []
        given = {"latents": latents, "actions": actions}
        given |= {"rewards": rewards, "ends": ends}
        given = {name: np.asarray(a) for name, a in given.items() if a is not None}
        for batch in raster.batches(given, batch_size):
            shown = {k: v for k, v in batch.items() if k in ("latents", "actions")}
            self.checked(**shown)
            outputs = imagination.whole(self, **shown)
            log_p = self._log_probs(outputs["latents"], batch["latents"])
            if "rewards" in batch:
                chosen = self.reward_indices(_later(batch["rewards"]))[..., None]
                log_all = _log_softmax(outputs["rewards"])
                log_p[:, 1:] += np.take_along_axis(log_all, chosen, -1)[:, 1:, 0]
            if "ends" in batch:
                signs = np.where(_later(batch["ends"]), -1.0, 1.0)
                log_p[:, 1:] -= np.logaddexp(0, signs * outputs["ends"])[:, 1:]
            parts.append(log_p)
        return np.concatenate(parts)

    def start(self, batch_size):
        """The state before the first frame; all states are dicts of arrays.

        In a state, `latents` are the last frames, `(batch, frame_size)`, and `features`
        `(batch, F)` summarize all frames so far. A controller sees both.
        """
        check_at_least(1, batch_size=batch_size)
        dtype = "int32" if self.takes_codes else "float32"
        state = {
            "latents": ops.zeros((batch_size, self.frame_size), dtype),
            "frame": ops.zeros((), "int32"),
            **self._start(batch_size),
        }
        return keras.tree.map_structure(ops.convert_to_numpy, state)

    def observe(self, state, latents, actions=None):
        """The state after a known frame.

        Args:
            state: as from `start`, `observe` or `imagine`.
            latents: `(batch, frame_size)`.
            actions: `(batch, ...)`, taken at the frame before; None before the first
                frame.
        """
        latents = ops.convert_to_numpy(self._checked("latents", latents))
        given = {**self.given(state, actions), "latents": latents}
        return imagination.step(self, known=True).predict_on_batch(given)["state"]

    def imagine(self, state, actions=None, *, temperature=1.0, seed=None):
        """Draws the next frame, its reward and its end.

        Args:
            state: as from `start`, `observe` or `imagine`.
            actions: `(batch, ...)`, taken at the last frame; None before the first
                frame.
            temperature: float above 0.
            seed: int, `np.random.Generator` or None.

        Returns:
            `(latents, rewards, ends, state)`: `(batch, frame_size)`, float32 `(batch,)`
            and bool `(batch,)`; rewards and ends that are not predicted are 0.
        """
        check_positive(temperature=temperature)
        batch = len(state["latents"])
        given = self.given(state, actions)
        given |= self.random(np.random.default_rng(seed), batch)
        given["temperature"] = np.full((batch,), temperature, "float32")
        drawn = imagination.step(self, known=False).predict_on_batch(given)
        return drawn["state"]["latents"], *imagination.came(self, drawn), drawn["state"]

    def given(self, state, actions):
        """A state and the actions taken in it, by name, as inputs of a step."""
        if not self.has_actions:
            self.checked(state["latents"], actions)
            return {"state": state}
        if actions is None:
            if state["frame"]:
                raise ValueError(f"expected actions for {self.name}, received None")
            shape = (len(state["latents"]), *self._input("actions").shape[1:])
            actions = np.zeros(shape, "int32" if self.num_actions else "float32")
        actions = ops.convert_to_numpy(self._checked("actions", actions))
        return {"state": state, "actions": actions}

    def random(self, generator, *shape):
        """Random numbers to draw frames of a shape with, by name."""
        places = (*shape, self.frame_size)
        kinds = {"uniform": places, "came": (*shape, 2), **self._more_random(places)}
        return {
            name: raster.random_numbers(
                generator, "normal" if name == "normal" else "uniform", size
            )
            for name, size in kinds.items()
        }

    def _more_random(self, places):
        return {}

    def _known_frame(self, state, actions, latents):
        """As `_frame`, of a frame that is known: logits, and the state after it."""
        return self._frame(state, actions, lambda outputs, column=None: latents)

    def dream(
        self,
        latents,
        actions=None,
        *,
        num_frames=None,
        temperature=1.0,
        seed=None,
        cached=True,
    ):
        """Continues known frames.

        Args:
            latents: `(batch, known, frame_size)`; `known` may be 0.
            actions: `(batch, num_frames, ...)` or None; the last one is ignored.
            num_frames: int, known and drawn frames together. Defaults to `num_frames`
                of the memory.
            temperature: float above 0.
            seed: int or None.
            cached: bool. Whether to go from state to state; if not, each draw computes
                the whole network, as a reference.

        Returns:
            dict: `latents` `(batch, num_frames, frame_size)`, `rewards` and `ends`
            `(batch, num_frames)`, those that come *with* a frame; 0 for known frames.
        """
        check_positive(temperature=temperature)
        latents = np.asarray(latents)
        batch, known = latents.shape[:2]
        count = num_frames or self.num_frames
        if not known <= count:
            raise ValueError(f"expected {known=} frames within {num_frames=}")
        if self.has_actions and (
            actions is None or np.shape(actions)[:2] != (batch, count)
        ):
            raise ValueError(
                f"expected actions of shape ({batch}, {count}, ...), received shape="
                f"{None if actions is None else np.shape(actions)}"
            )
        random = self.random(np.random.default_rng(seed), batch, count)
        run = imagination.on if cached else imagination.anew
        return run(self, latents, actions, count, random, temperature)

    def sample(self, count, *, temperature=1.0, seed=None, cached=True):
        """Films from scratch, `(count, num_frames, frame_size)`, without actions."""
        nothing = np.zeros((count, 0, self.frame_size))
        return self.dream(nothing, temperature=temperature, seed=seed, cached=cached)[
            "latents"
        ]

    def _draw(self, outputs, random, heat, column):
        """Draws latents of a frame from outputs and random numbers.

        Args:
            outputs: of the positions that are drawn together.
            random: as from `random`, for one frame.
            heat: `(batch, 1)`, temperatures.
            column: int or int tensor, the position; None for all positions together.
        """
        raise NotImplementedError


def _end_nats(ends, logits):
    return ops.softplus(ops.where(ends > 0.5, -logits, logits))


def _later(values):
    """Values of actions, moved to the frames that they come with."""
    values = np.asarray(values)
    return np.concatenate([values[:, :1], values[:, :-1]], axis=1)


def _log_softmax(logits):
    logits = np.asarray(logits, "float64")
    logits = logits - logits.max(axis=-1, keepdims=True)
    return logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
