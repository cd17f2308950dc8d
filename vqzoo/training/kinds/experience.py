"""Collection of experience: episodes of a real game in a run's folder."""

import dataclasses
import functools
import pathlib
import time

from vqzoo import world
from vqzoo.datasets import experience
from vqzoo.registry import lazily, parse_options
from vqzoo.runs.folder import Run
from vqzoo.training.settings import RunSettings, Settings, setting

collecting = lazily("vqzoo.world.collecting")
environments = lazily("vqzoo.world.environments")
np = lazily("numpy")
plots = lazily("vqzoo.plots")
policies = lazily("vqzoo.world.policies")
tqdm = lazily("tqdm")
trained = lazily("vqzoo.trained")

SHOWN = 32


@dataclasses.dataclass(frozen=True, kw_only=True)
class GameSettings(Settings):
    """The game."""

    environment: str = setting(
        "ALE/Pong-v5", "a gymnasium environment whose observation is an image"
    )
    environment_options: tuple[str, ...] = setting(
        (), "arguments of gymnasium.make, name=value"
    )
    frame_size: int = setting(64, "side of the frames in pixels", at_least=8)
    action_repeat: int = setting(
        1, "how often an action is repeated; ALE games repeat by themselves", at_least=1
    )
    max_steps: int = setting(
        0,
        "actions after which an episode is cut off; 0: the game decides",
        at_least=0,
    )

    def __post_init__(self):
        super().__post_init__()
        parse_options(self.environment_options)

    def game_options(self):
        """Arguments of `PixelEnvironment` other than the name: a dict."""
        names = ("frame_size", "action_repeat", "max_steps")
        options = {name: getattr(self, name) for name in names}
        return options | {"options": parse_options(self.environment_options)}


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExperienceRecipe(RunSettings, GameSettings):
    """The experience.

    Raises: ValueError: on a value that cannot work, with the name of its flag.
    """

    episodes: int = setting(50, "games to play", at_least=3)
    policy: str = setting(
        "random",
        f"{', '.join(world.POLICY_NAMES)}, or the folder of a run of world_controller "
        "or world_model, whose controller plays",
    )
    random_share: float = setting(
        0.1, "probability of a random action, where a controller plays"
    )
    experience: str = setting(
        "", "folder of earlier episodes of the game, which the new ones are added to"
    )
    processes: int = setting(2, "processes that play", at_least=1)

    def __post_init__(self):
        super().__post_init__()
        self.expect("random_share", 0 <= self.random_share <= 1, "in [0, 1]")
        if self.policy in world.POLICY_NAMES:
            text = "a folder whose controller plays"
            self.expect_unused("random_share", False, "policy", text)

    def smoke_numbers(self):
        """Settings that a smoke run changes: a dict."""
        return {
            **super().smoke_numbers(),
            "episodes": 3,
            "max_steps": min(self.max_steps or 12, 12),
        }

    def run(self):
        """Plays the episodes and writes them to a folder.

        Returns:
            `pathlib.Path` of the run's folder.

        Raises:
            MissingExtra: if a package is not installed.
            FileNotFoundError: if there are no earlier episodes in `experience`.
            RunError: if the run cannot continue, for a reason that its user can fix.
            ValueError: if the environment has no images as observations, or a setting
                does not fit the earlier episodes.
        """
        recipe = self.shrunk()
        earlier, policy = recipe._given()
        # A game that cannot be played leaves no folder.
        environments.PixelEnvironment(self.environment, **self.game_options()).close()
        settings = {"recipe": recipe.identity()}
        opened = Run.open(self.runs_dir, self.name, settings, resume=self.resume)
        with opened as run:
            run.save_state()
            return recipe._collect(run, earlier, policy)

    def _given(self):
        """The earlier experience, or None, and the policy, as `collect` takes it."""
        earlier = experience.Experience(self.experience) if self.experience else None
        if earlier is not None:
            known = earlier.card["environment"]
            text = f"{known}, the game of --experience={self.experience}"
            self.expect("environment", self.environment == known, text)
            side = earlier.frame_shape[0]
            text = f"{side}, as the frames of --experience={self.experience}"
            self.expect("frame_size", self.frame_size == side, text)
        if self.policy in world.POLICY_NAMES:
            return earlier, self.policy
        file = pathlib.Path(self.policy, f"{world.CONTROLLER}.keras")
        names = ", ".join(world.POLICY_NAMES)
        self.expect("policy", file.is_file(), f"{names} or a folder with {file.name}")
        given = {"path": self.policy, "load_world": trained.load}
        given["random_share"] = self.random_share
        return earlier, functools.partial(policies.Controlled, **given)

    def _collect(self, run, earlier, policy):
        began = time.monotonic()
        with tqdm.tqdm(total=self.episodes, unit=" episodes") as bar:
            found = collecting.collect(
                run.path,
                self.environment,
                episodes=self.episodes,
                policy=policy,
                earlier=earlier,
                seed=self.seed,
                processes=self.processes,
                progress=lambda _: bar.update(),
                **self.game_options(),
            )
        seconds = time.monotonic() - began
        new = found.card["episodes"][-self.episodes :]
        scores = [each["score"] for each in new]
        steps = sum(each["steps"] for each in new)
        metrics = {
            "episodes": len(new),
            "steps": steps,
            "frames_per_second": steps / seconds,
            "score": float(np.mean(scores)),
            "score_stddev": float(np.std(scores)),
        }
        figure = plots.image_grid(_spread_frames(found), self.environment)
        run.finish({"experience": metrics}, pictures={"frames": figure})
        print(self._last_words(run, found, metrics), flush=True)
        return run.path

    def _last_words(self, run, found, metrics):
        counts = [len(found.episodes(split)) for split in experience.SPLITS]
        train, validation, test = counts
        return f"""
Done: {self.name}, {metrics["steps"]:,} steps of {self.environment}
  score     {metrics["score"]:.2f}, deviation {metrics["score_stddev"]:.2f}
  episodes  {train} for training, {validation} for validation, {test} for the test
  all of it in {run.path}
What next:
  an eye    vqzoo train vqvae --model=vqvae_64 --image_size={self.frame_size} \\
                --dataset=episodes --data_dir={run.path}"""


def _spread_frames(found):
    """Frames spread over the first episode, as images."""
    frames = found.all[0].frames
    places = np.linspace(0, len(frames) - 1, min(SHOWN, len(frames))).astype(int)
    return frames[places] / np.float32(255) - np.float32(0.5)
