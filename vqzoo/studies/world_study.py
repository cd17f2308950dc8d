"""World models with different eyes, on the same experience, with several seeds."""

import dataclasses

from vqzoo.registry import lazily
from vqzoo.runs import files
from vqzoo.runs.folder import Run
from vqzoo.studies.world_model import EYES, StageSettings, WorldModelRecipe
from vqzoo.training.settings import RunSettings, setting

fitting = lazily("vqzoo.training.fitting")
sweep_loop = lazily("vqzoo.studies.sweep_loop")
sweep_table = lazily("vqzoo.studies.sweep_table")

SHOWN = (
    "reconstruction.psnr",
    "codebook.bottom_usage",
    "rate.raw_bits_per_frame",
    "rate.bits_per_frame",
    "imagination.nats_1",
    "imagination.psnr_1",
    "imagination.psnr_15",
    "imagination.psnr_50",
    "imagination.decodable_50",
    "imagination.objects_50",
    "state_variables.vectors_f1",
    "state_variables.indices_f1",
    "state_variables.latents_f1",
    "state_variables.majority_f1",
    "controller.score",
    "controller.random",
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class WorldStudyRecipe(RunSettings, StageSettings):
    """A comparison of world models.

    Raises: ValueError: on a value that cannot work, with the name of its flag.
    """

    eyes: tuple[str, ...] = setting(
        ("vae", "collapsed", "healthy", "noisy", "fsq"),
        f"eyes to compare, some of {', '.join(EYES)}",
    )
    seeds: tuple[int, ...] = setting(
        (0, 1, 2), "every eye, memory and controller runs with each of these"
    )

    def __post_init__(self):
        for name in ("eyes", "seeds"):
            values = getattr(self, name)
            self.expect(name, values and len(set(values)) == len(values), "different")
        self.expect("eyes", set(self.eyes) <= set(EYES), f"some of {tuple(EYES)}")
        self.expect_unused("eye", False, "eyes", "world_model")
        super().__post_init__()

    def shrunk(self):
        """The recipe with the numbers of a smoke run, where `smoke` is set."""
        if not self.smoke:
            return self
        first, *_, last = self.eyes * 2
        eyes = tuple(dict.fromkeys((first, last)))
        return dataclasses.replace(self, eyes=eyes, seeds=self.seeds[:1])

    def model_of(self, eye, seed, folder, experience):
        """The recipe of one world model: `WorldModelRecipe`."""
        shared = {
            field.name: getattr(self, field.name)
            for kind in (RunSettings, StageSettings)
            for field in dataclasses.fields(kind)
        }
        changes = {"eye": eye, "seed": seed, "name": f"{eye}_{seed}", "resume": False}
        changes |= {"runs_dir": str(folder), "experience": str(experience)}
        changes |= {"experience_options": ()}
        return WorldModelRecipe(**{**shared, **changes})

    def run(self):
        """Runs the world models and writes a table that compares them.

        Finished runs of a resumed study are not repeated.

        Returns:
            `pathlib.Path` of the folder.

        Raises:
            As `WorldModelRecipe.run`.
        """
        recipe = self.shrunk()
        settings = {"recipe": recipe.identity()}
        opened = Run.open(self.runs_dir, self.name, settings, resume=self.resume)
        with opened as run:
            run.save_state()
            return recipe._run(run)

    def _run(self, run):
        folder, experience = run.path / "runs", self.experience
        if not experience:
            whole = WorldModelRecipe(
                environment=self.environment,
                experience_options=self.experience_options,
                seed=self.seed,
                smoke=self.smoke,
            )
            collect = whole.stages(folder, "", "", "")[0]
            experience = sweep_loop.finished(collect)
        rows = []
        for seed in self.seeds:
            for eye in self.eyes:
                fitting.say(f"\n{eye}, seed {seed}")
                model = self.model_of(eye, seed, folder, experience)
                done = Run(sweep_loop.finished(model))
                rows.append(_row(eye, seed, done))
                files.write_json(run.path / sweep_loop.ROWS, rows)
        shown = [n for n in SHOWN if any(n in row["metrics"] for row in rows)]
        table = sweep_table.table(rows, shown)
        with files.replacing(run.path / sweep_table.TABLE) as aside:
            aside.write_text(table)
        run.finish({"test": sweep_table.medians(shown, rows)})
        fitting.say(f"\n{table}\nDone: {self.name}, in {run.path}")
        return run.path


def _row(eye, seed, done):
    """The numbers of a world model as a row of a sweep."""
    found = done.metrics().items()
    numbers = {f"{name}.{k}": v for name, each in found for k, v in each.items()}
    row = {"condition": eye, "series": eye, "place": None, "changes": {}, "seed": seed}
    return {**row, "metrics": numbers, "skipped": {}}
