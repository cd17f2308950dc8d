"""Training of memories of games, and what memories of films share with them."""

import dataclasses

import numpy as np

from vqzoo import registry
from vqzoo.registry import lazily, parse_options
from vqzoo.runs.files import RunError
from vqzoo.runs.folder import Run
from vqzoo.training.settings import (
    OptimizerSettings,
    RunSettings,
    Settings,
    StepSettings,
    setting,
)

actions_of = lazily("vqzoo.world.actions")
cluster = lazily("sklearn.cluster")
devices = lazily("vqzoo.training.devices")
dreams = lazily("vqzoo.world.dream")
experience = lazily("vqzoo.datasets.experience")
fingerprints = lazily("vqzoo.runs.fingerprint")
fitting = lazily("vqzoo.training.fitting")
keras = lazily("keras")
plots = lazily("vqzoo.plots")
tqdm = lazily("tqdm")
trained = lazily("vqzoo.trained")
windows = lazily("vqzoo.training.windows")

MEMORIES = registry.names("priors.memories")
LATENTS = "latents"
MAX_WINDOWS = 64  # held-out windows measured per epoch
SMOKE_FRAMES = 4
STARTS = 256  # from which dreams begin
MAX_REWARDS = 32  # different ones; beyond that, means of clusters


@dataclasses.dataclass(frozen=True, kw_only=True)
class MemorySettings(Settings):
    """The model and its memory."""

    model: str = setting(
        "", "trained autoencoder whose latents to predict: a run's folder or a file"
    )
    memory: str = setting(
        "frame_transformer", f"one of {', '.join(MEMORIES)}", choices=MEMORIES
    )
    memory_options: tuple[str, ...] = setting(
        (), "arguments of the memory, name=value, such as num_layers=4"
    )
    num_frames: int = setting(16, "frames per training sequence", at_least=2)

    def __post_init__(self):
        super().__post_init__()
        parse_options(self.memory_options)

    def smoke_numbers(self):
        """Settings that a smoke run changes: a dict."""
        small = registry.find("priors.memories", self.memory).smoke_options
        return {
            **super().smoke_numbers(),
            "num_frames": min(self.num_frames, SMOKE_FRAMES),
            "memory_options": (
                *self.memory_options,
                *(f"{name}={value}" for name, value in small.items()),
            ),
        }

    def load_eye(self):
        """The autoencoder.

        Raises: ValueError: if there is none, or it does not encode images.
        """
        self.expect("model", self.model, "a trained autoencoder")
        return trained.load(self.model, needs_images=True).model

    def make_memory(self, model, films, **known):
        """A new memory for a model's latents of films.

        Args:
            model: a model of vqzoo.models.
            films: sequence of `windows.Film`.
            **known: further arguments, such as those of actions.

        Raises:
            ValueError: if memory and model do not fit together.
        """
        kind = registry.find("priors.memories", self.memory)
        shape = np.shape(films[0].frames)[1:]
        self.expect(
            "model",
            shape == tuple(model.image_shape),
            f"a model of {' x '.join(map(str, shape))} frames",
        )
        tiers = dreams.tiers_of(model)
        has_codes = bool(model.quantizers)
        users = [
            name
            for name in MEMORIES
            if registry.find("priors.memories", name).takes_codes == has_codes
        ]
        what = "codes" if has_codes else "real-valued latents"
        self.expect("memory", self.memory in users, f"{' or '.join(users)} for {what}")
        options = {"num_frames": self.num_frames, **parse_options(self.memory_options)}
        try:
            return kind(tiers, name="memory", **known, **options)
        except TypeError as error:
            raise ValueError(
                f"{kind.__name__} cannot be made with "
                f"--memory_options={','.join(self.memory_options)}: {error}"
            ) from error


@dataclasses.dataclass(frozen=True, kw_only=True)
class FramesRecipe(RunSettings, MemorySettings, StepSettings, OptimizerSettings):
    """What the runs of all memories have in common.

    Abstract: a subclass has `load_films`; `about`, which gives the memory's arguments
    for actions; and `report`.

    Raises: ValueError: on a value that cannot work, with the name of its flag.
    """

    def load_films(self):
        """`(films, fingerprint, context)`: films by split; the last is for `report`."""
        raise NotImplementedError

    def about(self, films, context):
        """Further arguments of the memory, from the films by split."""
        return {}

    def report(self, run, model, memory, films, latents, context):
        """Measures the best memory and finishes the run."""
        raise NotImplementedError

    def run(self):
        """Trains the memory and writes a folder with it and its figures.

        Returns:
            `pathlib.Path` of the run's folder.

        Raises:
            RunError: if the run cannot continue, for a reason that its user can fix.
            Stopped: after SIGTERM or SIGINT, once the state is saved.
            ValueError: if a setting does not fit the data or the model.
        """
        surroundings = self.strategy, self.precision, self.seed
        with fitting.surroundings(*surroundings) as strategy:
            if devices.is_multi_worker(strategy):
                raise RunError("a memory trains on one machine: unset TF_CONFIG")
            return self.shrunk()._run(strategy)

    def _run(self, strategy):
        model = self.load_eye()
        films, fingerprint, context = self.load_films()
        keras.utils.set_random_seed(self.seed)
        with devices.scope(strategy):
            memory = self.make_memory(
                model, films["train"], **self.about(films, context)
            )
        settings = fitting.settings(
            self.identity(),
            model.image_shape,
            (),
            fingerprint,
            model_fingerprint=fingerprints.fingerprint(model),
        )
        with Run.open(self.runs_dir, self.name, settings, resume=self.resume) as run:
            latents = windows.encode(
                model,
                memory,
                films,
                run.path / LATENTS,
                lambda some: tqdm.tqdm(some, unit=" films", desc="encoding"),
            )
            self._fit(run, memory, latents, strategy)
            memory = keras.saving.load_model(run.best_path, compile=False)
            self.report(run, model, memory, films, latents, context)
            return run.path

    def _fit(self, run, memory, latents, strategy):
        train = windows.Windows(latents["train"], self.num_frames)
        frames = sum(map(len, latents["train"]))
        steps = max(1, frames // (self.batch_size * self.num_frames))
        steps = min(steps, self.max_steps_per_epoch or steps)
        with devices.scope(strategy):
            optimizer = self.make_optimizer(steps * self.epochs)
            memory.compile(optimizer, loss=memory.training_loss())

        def pair(arrays):
            return memory.training_pair(**arrays)

        devices.build(memory, pair(train.arrays([0])), strategy)
        run.restore(memory)
        count = f"{memory.count_params():,} weights"
        fitting.say(f"{memory.name}: {count}; steps per epoch: {steps}")
        validation = windows.Windows(
            latents["validation"], self.num_frames, self.num_frames
        )
        held_out = validation.arrays(some(len(validation), MAX_WINDOWS))
        fitting.fit(
            memory,
            lambda step: train.endless(pair, self.batch_size, self.seed, step),
            run,
            epochs=self.epochs,
            steps=steps,
            measure=lambda memory: figures(memory, held_out),
            **self.operation(),
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class MemoryRecipe(FramesRecipe):
    """The memory of a game.

    Raises: ValueError: on a value that cannot work, with the name of its flag.
    """

    experience: str = setting("", "folder of a run of world_experience")

    def load_films(self):
        self.expect("experience", self.experience, "a run of world_experience")
        found = experience.Experience(self.experience)
        films = {
            split: [windows.of_episode(each) for each in found.episodes(split)]
            for split in experience.SPLITS
        }
        return films, found.fingerprint, found

    def about(self, films, context):
        actions = actions_of.Actions(**context.card["actions"])
        rewards = np.concatenate([film.rewards for film in films["train"]])
        return {
            "num_actions": actions.count,
            "action_dim": actions.action_dim,
            "reward_values": reward_values(rewards),
        }

    def report(self, run, model, memory, films, latents, context):
        """Writes the world that `vqzoo.load` opens, and its figures."""
        test = windows.Windows(latents["test"], self.num_frames, self.num_frames)
        found = figures(memory, test.arrays(range(len(test))))
        dreams.World(
            model,
            memory,
            actions_of.Actions(**context.card["actions"]),
            dreams.starts_of(context.episodes("train"), STARTS),
            environment=context.card["environment"],
            options=context.card["options"],
            path=run.path,
        ).save(run.path)
        rows = [(row["epoch"], row["val_nats_per_frame"]) for row in run.history()]
        curve = plots.curves(
            {"validation": tuple(zip(*rows))}, "epoch", "nats per frame"
        )
        run.finish({"test": found}, pictures={"nats": curve})
        lines = "\n".join(f"  {name:<18}{value:.4f}" for name, value in found.items())
        fitting.say(
            f"\nDone: {self.name}, on {len(test)} windows of test episodes\n{lines}\n"
            f"  the world is in {run.path}"
        )


def some(count, most):
    """At most `most` indices, spread over `count`."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).astype(int))


def reward_values(rewards):
    """The rewards that a memory distinguishes: all different ones, or k-means of them.

    Quantiles would drop rare rewards, which often are those that matter; with the means
    of clusters the sum of all rewards stays as it is.
    """
    values, counts = np.unique(np.asarray(rewards, "float64"), return_counts=True)
    if len(values) > MAX_REWARDS:
        clusters = cluster.KMeans(MAX_REWARDS, n_init=1, random_state=0)
        clusters.fit(values[:, None], sample_weight=counts)
        values = np.unique(clusters.cluster_centers_)
    # If all rewards are equal, add one, so that there is something to predict.
    return tuple(map(float, values if len(values) > 1 else (*values, *values + 1)))


def figures(memory, arrays):
    """Nats of held-out windows: a dict of floats, `loss` their sum.

    Args:
        memory: `Memory`.
        arrays: dict as from `Windows.arrays`; the first frame of a window is left out,
            as nothing predicts it.
    """
    given = {name: array for name, array in arrays.items() if name != "mask"}
    counted = arrays["mask"][:, 1:]

    def nats(*names):
        known = {name: given[name] for name in ("latents", *names) if name in given}
        known |= {"actions": given["actions"]} if "actions" in given else {}
        return -memory.log_prob(**known)[:, 1:][counted].mean()

    found = {"loss": nats("rewards", "ends"), "nats_per_frame": nats()}
    for name in ("rewards", "ends"):
        if name in given:
            found[f"nats_per_{name[:-1]}"] = nats(name) - found["nats_per_frame"]
    return {name: float(value) for name, value in found.items()}
