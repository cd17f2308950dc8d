"""Whole world models: experience, eye, memory and controller, in this order."""

import dataclasses
import pathlib
import types

import numpy as np

from vqzoo.registry import lazily, parse_options
from vqzoo.runs import films
from vqzoo.runs.folder import Run
from vqzoo.studies.sweep_recipe import changed
from vqzoo.training.kinds.autoencoder import Recipe
from vqzoo.training.kinds.controller import ControllerRecipe
from vqzoo.training.kinds.experience import ExperienceRecipe
from vqzoo.training.kinds.memory import MemoryRecipe
from vqzoo.training.settings import RunSettings, Settings, setting
from vqzoo.world import CONTROLLER, CONTROLLER_NAMES

action_spaces = lazily("vqzoo.world.actions")
control = lazily("vqzoo.measures.control")
datasets = lazily("vqzoo.datasets")
dreams = lazily("vqzoo.world.dream")
environments = lazily("vqzoo.world.environments")
episodes = lazily("vqzoo.datasets.experience")
extras = lazily("vqzoo.world.extras")
fitting = lazily("vqzoo.training.fitting")
imagination = lazily("vqzoo.measures.imagination")
measures = lazily("vqzoo.measures")
sweep_loop = lazily("vqzoo.studies.sweep_loop")
trained = lazily("vqzoo.trained")

# What each eye is, as settings of its recipe, and which memory takes its latents.
CODES = {"model": "vqvae_64"}
EYES = {
    "vae": {"model": "vae_64"},
    "collapsed": CODES | {"codebook_init": "random_normal", "restart_threshold": 0.0},
    "healthy": CODES,
    "noisy": CODES | {"noise_stddev": (1.0,), "sorted_codes": True},
    "fsq": CODES | {"quantizer": "fsq"},
    "two_tiers": {"model": "vqvae2_64", "model_options": ("num_channels=64",)},
}
MEMORIES = {"vae": "mdn_rnn"}
OF_CODES = ("code_lstm", "frame_transformer")
MEASURED = ("reconstruction", "codebook", "state_variables", "imagination")
STAGES = ("experience", "eye", "memory", "controller")
FILM = 64  # frames at most
SIDE = 64  # of the images of all eyes, unless the game's frames have another one


@dataclasses.dataclass(frozen=True, kw_only=True)
class StageSettings(Settings):
    """The stages."""

    environment: str = setting(
        "ALE/Pong-v5", "a gymnasium environment whose observation is an image"
    )
    experience: str = setting(
        "", "folder of a run of world_experience; empty: collect episodes"
    )
    eye: str = setting("healthy", f"one of {', '.join(EYES)}", choices=tuple(EYES))
    code_memory: str = setting(
        "code_lstm",
        f"memory of eyes with codes, one of {', '.join(OF_CODES)}; a VAE has mdn_rnn",
        choices=OF_CODES,
    )
    controller: str = setting(
        "linear",
        f"{', '.join(CONTROLLER_NAMES)}, or none",
        choices=(*CONTROLLER_NAMES, "none"),
    )
    experience_options: tuple[str, ...] = setting(
        (), "name=value, flags of world_experience, such as episodes=100"
    )
    eye_options: tuple[str, ...] = setting(
        (), "name=value, flags of a recipe of an autoencoder, such as epochs=4"
    )
    memory_options: tuple[str, ...] = setting(
        (), "name=value, flags of world_memory, such as epochs=4"
    )
    controller_options: tuple[str, ...] = setting(
        (), "name=value, flags of world_controller, such as train_in=environment"
    )
    compared: int = setting(
        0, "random controllers whose dream and game scores are compared; 0: none"
    )
    num_images: int = setting(5000, "frames to measure at most", at_least=8)
    quick: bool = setting(False, "measure with few frames and dreams: a first look")


@dataclasses.dataclass(frozen=True, kw_only=True)
class WorldModelRecipe(RunSettings, StageSettings):
    """A world model.

    Raises: ValueError: on a value that cannot work, with the name of its flag.
    """

    def __post_init__(self):
        super().__post_init__()
        if self.experience:
            users = "runs that collect: leave --experience out"
            self.expect_unused("experience_options", False, "experience", users)
        for stage in self.stages("stages", "experience", "eye", "memory"):
            stage.shrunk()

    def shrunk(self):
        """The recipe with the numbers of a smoke run, where `smoke` is set."""
        if not self.smoke:
            return self
        return dataclasses.replace(self, num_images=60, quick=True)

    def run(self):
        """Runs the stages and writes a world with its figures and a film.

        Finished stages are not repeated; a stage that was stopped continues.

        Returns:
            `pathlib.Path` of the run's folder.

        Raises:
            MissingExtra: if a package is not installed.
            RunError: if the run cannot continue, for a reason that its user can fix.
            Stopped: after SIGTERM or SIGINT, once the state is saved.
            ValueError: if a setting does not fit the game.
        """
        recipe = self.shrunk()
        recipe._check_game()
        settings = {"recipe": recipe.identity()}
        opened = Run.open(self.runs_dir, self.name, settings, resume=self.resume)
        with opened as run:
            run.save_state()
            return recipe._run(run)

    def _check_game(self):
        """What the last stage would refuse, hours later."""
        if self.controller == "linear":
            extras.take("cma", "--controller=linear")
        if self.experience:
            card = episodes.Experience(self.experience).card
            actions = action_spaces.Actions(**card["actions"])
            known = card["environment"], StageSettings.environment
            text = f"{known[0]}, the game of --experience={self.experience}"
            self.expect("environment", self.environment in known, text)
        else:
            collect = self.stages("", "", "", "")[0]
            game = environments.PixelEnvironment(
                collect.environment, **collect.game_options()
            )
            actions = game.actions
            game.close()
        fits = actions.is_discrete or self.controller != "actor_critic"
        self.expect("controller", fits, "linear or none for real-valued actions")

    def _run(self, run):
        folder, done = str(run.path / "stages"), {"experience": self.experience}
        for name in ("experience", "eye", "memory", "controller"):
            if name == "controller" and self.controller == "none" or done.get(name):
                continue
            paths = [str(done.get(n, "")) for n in ("experience", "eye", "memory")]
            stage = self.stages(folder, *paths)[list(STAGES).index(name)]
            fitting.say(f"\n{name}")
            done[name] = sweep_loop.finished(stage)
        world = trained.load(done["memory"])
        found = episodes.Experience(done["experience"])
        fitting.say("\nmeasuring")
        metrics, skipped = self.measure(world, found)
        if "controller" in done:
            metrics["controller"] = Run(done["controller"]).metrics()["test"]
        if self.compared > 1:
            given = {"count": self.compared, "seed": self.seed}
            given = {**(control.QUICK if self.quick else {}), **given}
            both = control.dream_and_game(world, **given)
            metrics["control"] = {"rank_correlation": both["rank_correlation"]}
        for part in ("eye", "memory"):
            history = Run(done[part]).history()
            seconds = {"training_seconds": sum(row["seconds"] for row in history)}
            metrics[part] = {**Run(done[part]).metrics()["test"], **seconds}
        world.save(run.path)
        self._film(run, world, found)
        models = {}
        if "controller" in done:
            name = f"{CONTROLLER}.keras"
            models[name] = done["controller"] / name
        run.finish(metrics, models=models, skipped=skipped)
        fitting.say(_last_words(self, run, world.environment, metrics))
        return run.path

    def stages(self, folder, experience, eye, memory):
        """The recipes of the stages, in order.

        Args:
            folder: path of the folder of their runs.
            experience, eye, memory: paths of the finished stages before.

        Raises:
            ValueError: on a value that cannot work, with the name of its flag.
        """
        same = {"seed": self.seed, "smoke": self.smoke, "runs_dir": str(folder)}
        fitted = {"precision": self.precision, "tensorboard": self.tensorboard}
        fitted |= {"save_steps": self.save_steps, **same}
        options = [parse_options(getattr(self, f"{name}_options")) for name in STAGES]
        collect = ExperienceRecipe(
            environment=self.environment, name="experience", **same
        )
        collect = changed(collect, options[0])
        side = collect.frame_size
        if experience and (pathlib.Path(experience) / episodes.CARD).is_file():
            side = episodes.Experience(experience).frame_shape[0]
        sized = {} if side == SIDE else {"image_size": side}
        parts = (
            Recipe(
                name="eye",
                dataset="episodes",
                data_dir=experience,
                **{**fitted, **EYES[self.eye], **sized},
            ),
            MemoryRecipe(
                name="memory",
                model=eye,
                experience=experience,
                memory=MEMORIES.get(self.eye, self.code_memory),
                batch_size=16,
                learning_rate=1e-3,
                learning_rate_schedule="cosine",
                warmup_share=0.05,
                clip_norm=1.0,
                **fitted,
            ),
            ControllerRecipe(
                name="controller",
                world=memory,
                controller="linear" if self.controller == "none" else self.controller,
                clip_norm=1.0,
                **fitted,
            ),
        )
        return [collect, *map(changed, parts, options[1:])]

    def measure(self, world, found):
        """Metrics of a world on the test episodes, and skipped ones, by section."""
        settings = types.SimpleNamespace(
            dataset="episodes",
            data_dir=str(found.path),
            quick=self.quick,
            representation="indices",
        )
        splits = datasets.load(
            "episodes", data_dir=found.path, image_size=world.frame_shape[0]
        )
        sizes = measures.sizes_of(world.model, self.quick)
        sizes = dataclasses.replace(
            sizes,
            images=min(sizes.images, self.num_images),
            train_images=min(2 * sizes.train_images, 2 * self.num_images),
        )
        subject = measures.subject_of(
            world.model, splits, sizes, settings, options={"world": world}
        )
        names = [name for name in MEASURED if name != "codebook" or subject.tiers]
        sections = measures.measure(subject, names, draws=False)
        metrics = {s.name: dict(s.metrics) for s in sections if s.metrics}
        rates = [
            np.prod(shape) * np.log2(count)
            for shape, count in world.memory.tiers
            if count
        ]
        rate = {"latents": float(world.memory.frame_size)}
        if rates:
            rate["raw_bits_per_frame"] = float(sum(rates))
            nats = metrics.get("imagination", {}).get("nats_1")
            if nats is not None:
                rate["bits_per_frame"] = nats / np.log(2)
        metrics["rate"] = rate
        skipped = {f"{s.name}.{k}": v for s in sections for k, v in s.skipped.items()}
        return metrics, skipped

    def _film(self, run, world, found):
        """Writes a film with the real game on the left and its dream on the right."""
        longest = max(map(len, found.episodes("test"))) + 1
        known = dreams.CONTEXT
        horizon = min(FILM, longest - known)
        dreamed = imagination.imagine(world, found, count=1, horizons=(horizon,))
        frames = world.decode(dreamed.film["latents"][0])
        real = dreamed.rows["frame"][0]
        gap = np.full((len(real), real.shape[1], 2, 3), 255, "uint8")
        films.save(np.concatenate([real, gap, frames], 2), run.path / "film", scale=3)


def _last_words(recipe, run, environment, metrics):
    shown = [
        ("reconstruction", "psnr"),
        *(("imagination", f"psnr_{horizon}") for horizon in imagination.HORIZONS),
        *(("state_variables", f"{kind}_f1") for kind in ("vectors", "latents")),
        *(("rate", f"{kind}_per_frame") for kind in ("raw_bits", "bits")),
        ("controller", "score"),
        ("controller", "random"),
    ]
    rows = [
        f"  {section + ' ' + name:<32}{metrics[section][name]:.3f}"
        for section, name in shown
        if name in metrics.get(section, {})
    ]
    text = "\n".join(rows)
    return f"""
Done: {recipe.name}, {environment}, eye {recipe.eye}
{text}
  film.gif, the world, the controller and all numbers are in {run.path}
What next:
  play it   vqzoo app --model={run.path}"""
