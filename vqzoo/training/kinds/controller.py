"""Training of controllers: by evolution, or as an actor and critic in dreams."""

import dataclasses
import time

import numpy as np

from vqzoo.registry import lazily
from vqzoo.runs import state
from vqzoo.runs.folder import STATE, Run
from vqzoo.training.settings import OptimizerSettings, RunSettings, Settings, setting
from vqzoo.world import CONTROLLER, CONTROLLER_NAMES

callbacks = lazily("vqzoo.training.callbacks")
control = lazily("vqzoo.measures.control")
controllers = lazily("vqzoo.world.controllers")
devices = lazily("vqzoo.training.devices")
evolution = lazily("vqzoo.world.evolution")
fingerprints = lazily("vqzoo.runs.fingerprint")
fitting = lazily("vqzoo.training.fitting")
playing = lazily("vqzoo.world.playing")
plots = lazily("vqzoo.plots")
records = lazily("vqzoo.training.records")
signal = lazily("signal")
trained = lazily("vqzoo.trained")


@dataclasses.dataclass(frozen=True, kw_only=True)
class PlaySettings(Settings):
    """The world and the controller."""

    world: str = setting("", "folder of a run of world_memory")
    controller: str = setting(
        "linear",
        "linear (evolved by CMA-ES) or actor_critic",
        choices=CONTROLLER_NAMES,
    )
    train_in: str = setting(
        "dream",
        "dream or environment, the real game",
        choices=("dream", "environment"),
    )
    temperature: float = setting(1.0, "temperature of the memory in dreams")
    horizon: int = setting(15, "actions per dream", at_least=1)
    max_steps: int = setting(
        0, "actions after which a real game is cut off; 0: as the episodes", at_least=0
    )
    test_games: int = setting(16, "real games played at the end; 0: none", at_least=0)
    processes: int = setting(1, "processes that play the real game", at_least=1)


@dataclasses.dataclass(frozen=True, kw_only=True)
class EvolutionSettings(Settings):
    """Evolution of a linear controller."""

    generations: int = setting(50, "generations of the evolution", at_least=1)
    population: int = setting(16, "controllers per generation", at_least=4)
    rollouts: int = setting(4, "games that each controller plays", at_least=1)
    spread: float = setting(0.1, "standard deviation of the first generation")


@dataclasses.dataclass(frozen=True, kw_only=True)
class ActorCriticSettings(Settings):
    """The actor and the critic."""

    epochs: int = setting(10, "parts of the training, each measured", at_least=1)
    updates: int = setting(200, "steps per epoch, each with new dreams", at_least=1)
    batch_size: int = setting(32, "dreams per step", at_least=1)
    entropy: float = setting(0.01, "weight of the entropy of actions", at_least=0)
    discount: float = setting(0.99, "discount of later rewards per step")
    trace: float = setting(0.95, "lambda of the returns")


@dataclasses.dataclass(frozen=True, kw_only=True)
class ControllerRecipe(
    RunSettings,
    PlaySettings,
    EvolutionSettings,
    ActorCriticSettings,
    OptimizerSettings,
):
    """The controller.

    Raises: ValueError: on a value that cannot work, with the name of its flag.
    """

    def __post_init__(self):
        super().__post_init__()
        for name in ("temperature", "spread"):
            self.expect(name, getattr(self, name) > 0, "above 0")
        for name in ("discount", "trace"):
            self.expect(name, 0 <= getattr(self, name) <= 1, "in [0, 1]")
        learned = self.controller == "actor_critic"
        self.expect(
            "train_in",
            not (learned and self.train_in == "environment"),
            "dream for --controller=actor_critic, which learns in imagination",
        )

    def smoke_numbers(self):
        """Settings that a smoke run changes: a dict."""
        return {
            **super().smoke_numbers(),
            "horizon": min(self.horizon, 3),
            "max_steps": min(self.max_steps or 12, 12),
            "test_games": min(self.test_games, 2),
            "generations": min(self.generations, 2),
            "population": 4,
            "rollouts": 1,
            "epochs": min(self.epochs, 2),
            "updates": min(self.updates, 2),
            "batch_size": min(self.batch_size, 4),
        }

    def run(self):
        """Trains the controller, plays the real game and writes the results.

        Returns:
            `pathlib.Path` of the run's folder.

        Raises:
            MissingExtra: if a package is not installed.
            RunError: if the run cannot continue, for a reason that its user can fix.
            Stopped: after SIGTERM or SIGINT, once the state is saved.
            ValueError: if a setting does not fit the world.
        """
        self.expect("world", self.world, "a run of world_memory")
        surroundings = self.strategy, self.precision, self.seed
        with fitting.surroundings(*surroundings):
            return self.shrunk()._run()

    def _run(self):
        world = trained.load(self.world)
        self.expect("world", hasattr(world, "step"), "the folder of a world")
        learned = self.controller == "actor_critic"
        make = controllers.actor_critic if learned else controllers.linear
        controller = make(world.memory, world.actions)
        settings = fitting.settings(
            self.identity(),
            world.frame_shape,
            (),
            fingerprints.fingerprint(world.memory),
            model_fingerprint=fingerprints.fingerprint(world.model),
        )
        with Run.open(self.runs_dir, self.name, settings, resume=self.resume) as run:
            train = self._learn if learned else self._evolve
            train(run, world, controller)
            # Not compiled, so that it loads without the loss.
            delivered = make(world.memory, world.actions)
            delivered.set_weights(controller.get_weights())
            run.save_model(delivered, CONTROLLER)
            metrics = {}
            if self.test_games:
                limits = {"games": self.test_games, "max_steps": self.max_steps}
                metrics = control.real_scores(world, delivered, **limits)
            name = "score" if self.controller == "linear" else "val_score"
            rows = [(row["epoch"], row[name]) for row in run.history()]
            curve = plots.curves(
                {self.train_in: tuple(zip(*rows))}, "generation or epoch", "score"
            )
            run.finish({"test": metrics}, pictures={"scores": curve})
            lines = (f"  {name:<24}{value:.3f}" for name, value in metrics.items())
            fitting.say("\n".join((f"\nDone: {self.name}, in {run.path}", *lines)))
            return run.path

    def _evolve(self, run, world, controller):
        size = controllers.num_parameters(world.memory, world.actions)
        scores = ()
        if self.resume:
            (scores,), run.header = state.load_arrays(run.path / STATE)
        search = evolution.Evolution(
            size, self.population, self.spread, self.seed, scores
        )
        fitting.say(f"{size:,} weights; {self.population} controllers per generation")
        begun = playing.starts(world)
        settings = self.processes, self.max_steps
        with playing.Players(world, trained.load, *settings) as players:
            for generation in range(len(search.scores), self.generations):
                began = time.monotonic()
                candidates = search.ask()
                generator = np.random.default_rng((self.seed, generation))
                if self.train_in == "environment":
                    seeds = generator.integers(2**31, size=self.rollouts)
                    found = players.scores(candidates, seeds)
                else:
                    found = playing.dream_linear(
                        world,
                        begun,
                        candidates,
                        self.horizon,
                        generator,
                        count=self.rollouts,
                        temperature=self.temperature,
                    )
                search.tell(found)
                self._note(run, generation, found, time.monotonic() - began)
                run.header["step"] = generation + 1
                run.save_state(arrays=[np.array(search.scores)])
        controllers.set_parameters(controller, search.mean)

    def _note(self, run, generation, found, seconds):
        row = {"epoch": generation + 1, "seconds": round(seconds, 2)}
        row["score"] = float(np.mean(found))
        row |= {"best": float(np.max(found)), "worst": float(np.min(found))}
        run.add_epoch(row)
        fitting.say(
            f"generation {generation + 1}: {row['score']:.3f}, best {row['best']:.3f}"
        )

    def _learn(self, run, world, controller):
        total = self.epochs * self.updates
        controller.compile(
            self.make_optimizer(total),
            loss={"logits": controllers.policy_loss, "value": "mse"},
            loss_weights={"logits": 1.0, "value": 0.5},
        )
        begun = playing.starts(world)
        policy = controllers.Policy(world.memory, world.actions, controller)
        first = self._batch(world, begun, policy, np.random.default_rng(0))[0]
        devices.build(controller, first, None)
        run.restore(controller)
        saving = callbacks.RunState(run, self.save_steps, self.updates)
        # Scores of the epoch so far, saved with the state.
        dreamed = run.header.setdefault("dreamed", [])
        epochs = records.Epochs(
            saving, lambda _: _summary(dreamed), controller, None, newest=True
        )
        for each in (saving, epochs):
            each.set_model(controller)
        handlers = saving.catch_signals()
        try:
            for step in range(run.header["step"], total):
                epoch, done = divmod(step, self.updates)
                if not done:
                    dreamed.clear()
                if not done or epochs.began is None:
                    epochs.on_epoch_begin(epoch)
                generator = np.random.default_rng((self.seed, step))
                batch, score = self._batch(world, begun, policy, generator)
                logs = controller.train_on_batch(*batch, return_dict=True)
                dreamed.append(score)
                saving.on_train_batch_end(done, logs)
                if done == self.updates - 1:
                    epochs.on_epoch_end(epoch, dict(logs))
                    fitting.say(f"epoch {epoch + 1}: {_summary(dreamed)['score']:.4f}")
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)

    def _batch(self, world, begun, policy, generator):
        """A training batch of new dreams, and their mean score."""
        rows = generator.integers(len(begun["latents"]), size=self.batch_size)
        games = playing.dream(
            world,
            playing.rows_of(begun, rows),
            policy,
            self.horizon,
            generator,
            self.temperature,
        )
        looked = [controllers.look(world.memory, s) for s in games["states"]]
        looked = [np.concatenate(parts) for parts in zip(*looked)]  # step by step
        values = policy.controller.predict_on_batch(looked)["value"][:, 0]
        values = values.reshape(self.horizon + 1, -1).T
        kept = playing.going(games["ends"])
        returns = controllers.lambda_returns(
            games["rewards"],
            games["ends"],
            values,
            discount=self.discount,
            trace=self.trace,
        )
        advantages = returns - values[:, :-1]
        advantages /= max(float(advantages[kept].std()), 0.1)
        parts = [games["actions"], advantages, np.full_like(advantages, self.entropy)]
        targets = np.stack(parts, axis=-1).astype("float32")
        flat = {
            "logits": _by_step(targets).reshape(-1, 3),
            "value": _by_step(returns).reshape(-1, 1),
        }
        weights = _by_step(kept).ravel().astype("float32")
        shown = [each[: weights.size] for each in looked]
        batch = (shown, flat, {name: weights for name in flat})
        return batch, float((games["rewards"] * kept).sum(axis=1).mean())


def _by_step(array):
    """`(games, steps, ...)` as `(steps, games, ...)`."""
    return np.swapaxes(array, 0, 1)


def _summary(dreamed):
    score = float(np.mean(dreamed)) if dreamed else 0.0
    return {"loss": -score, "score": score}
