"""The settings of a sweep: one recipe under several conditions, with several seeds."""

import dataclasses
import re

from vqzoo.registry import parse_options
from vqzoo.report import MEASUREMENTS
from vqzoo.studies import sweep_loop
from vqzoo.training.prior_recipe import PriorRecipe
from vqzoo.training.recipe import Recipe
from vqzoo.training.settings import setting

SECTIONS = tuple(name for name, *_ in MEASUREMENTS)
OF_RECIPE = tuple(field.name for field in dataclasses.fields(Recipe))
OF_PRIOR = tuple(field.name for field in dataclasses.fields(PriorRecipe))
OF_DATA = ("dataset", "data_dir", "classes")
NOT_SWEPT = ("name", "runs_dir", "resume", "seed", "smoke", *OF_DATA)


@dataclasses.dataclass(frozen=True)
class Condition:
    """What one condition of a sweep changes.

    Args:
        name: str, of its row in the table.
        series: str, of the curve that it is a point of.
        place: float on the horizontal axis, or None: a level beside the curves.
        changes: dict of settings of the recipe.
    """

    name: str
    series: str
    place: float | None
    changes: dict


@dataclasses.dataclass(frozen=True, kw_only=True)
class SweepRecipe(Recipe):
    """A recipe that is trained and measured under conditions; each field is a flag.

    Raises: ValueError: on a value that cannot work, with the name of its flag.
    """

    conditions: tuple[str, ...] = setting(
        (),
        "what is compared, each NAME: field=value field=value, where NAME@NUMBER is a "
        "point of the curve NAME",
    )
    seeds: tuple[int, ...] = setting((0, 1, 2), "each condition is run with each")
    measurements: tuple[str, ...] = setting(
        ("reconstruction",), f"of each model; any of {', '.join(SECTIONS)}"
    )
    shown: tuple[str, ...] = setting(
        ("reconstruction.psnr",), "numbers in table and pictures, MEASUREMENT.NUMBER"
    )
    axis: str = setting(
        "", "what the NUMBER of a condition is; or MEASUREMENT.NUMBER, measured"
    )
    num_images: int = setting(10_000, "test images, and training images, measured")
    quick: bool = setting(False, "measure with few images and steps: a first look")
    representation: str = setting("indices", "of grids of codes for disentanglement")
    prior_settings: tuple[str, ...] = setting(
        (),
        "field=value of the recipe of a prior, fitted to each model's codes; empty: no "
        "prior",
    )

    def __post_init__(self):
        super().__post_init__()
        conditions = self.parsed()
        names = [condition.name for condition in conditions]
        folders = {_folder(name) for name in names}
        once = len(folders) == len(names) > 0
        self.expect("conditions", once, "one or more, each of another name")
        for condition in conditions:
            self.expect("conditions", set(condition.changes) <= _swept(), _known())
            self.of_condition(condition, seed=0, runs_dir=self.runs_dir)
        seeds = self.seeds
        valid = seeds and min(seeds) >= 0 and len(set(seeds)) == len(seeds)
        self.expect("seeds", valid, "different numbers of at least 0")
        of_sections = set(self.measurements) <= set(SECTIONS) and self.measurements
        self.expect("measurements", of_sections, f"some of {SECTIONS}")
        self._check_shown()
        self.expect("num_images", self.num_images >= 1, "at least 1")
        unknown = set(parse_options(self.prior_settings)) - set(OF_PRIOR)
        self.expect("prior_settings", not unknown, f"some of {OF_PRIOR}")

    def _check_shown(self):
        measured = [*self.shown, *([self.axis] if "." in self.axis else [])]
        for name in measured:
            section, dot, number = name.partition(".")
            self.expect(
                "shown" if name in self.shown else "axis",
                section in self.measurements and dot and number,
                f"numbers of --measurements={','.join(self.measurements)}",
            )

    def run(self):
        """Runs the recipe; returns the folder, as `sweep_loop.run`."""
        return sweep_loop.run(self)

    def shrunk(self):
        """The recipe with the numbers of a smoke run, where `smoke` is set."""
        if not self.smoke:
            return self
        return dataclasses.replace(
            super().shrunk(),
            conditions=self.conditions[:1] + self.conditions[1:][-1:],
            seeds=self.seeds[:1],
            quick=True,
            num_images=60,
        )

    def parsed(self):
        """The conditions: a list of `Condition`.

        Raises:
            ValueError: if a text cannot be read, with the name of the flag.
        """
        return [self._parse(text) for text in self.conditions]

    def _parse(self, text):
        name, colon, changes = text.partition(":")
        series, at, place = name.partition("@")
        readable = colon and series.strip() and "," not in name
        try:
            changes = parse_options(changes.split())
            place = float(place) if at else None
        except ValueError:
            readable = False
        self.expect("conditions", readable, "of the form NAME@NUMBER: field=value")
        name = re.sub(r"\s*@\s*", " ", name).strip()
        return Condition(name, series.strip(), place, changes)

    def of_condition(self, condition, seed, runs_dir):
        """The recipe of one run of the sweep.

        Args:
            condition: `Condition`.
            seed: int.
            runs_dir: path of the folder of its runs.

        Raises:
            ValueError: on a value that cannot work, with the name of its flag.
        """
        own = {name: getattr(self, name) for name in OF_RECIPE}
        for name, value in condition.changes.items():
            several = isinstance(own.get(name), tuple)
            own[name] = (value,) if several and not isinstance(value, tuple) else value
        name = f"{_folder(condition.name)}_{seed}"
        own |= {"name": name, "seed": seed, "runs_dir": str(runs_dir)}
        return Recipe(**own)

    def prior_of(self, recipe, model):
        """The recipe of the prior of a run's model, or None.

        Args:
            recipe: `Recipe` of the run.
            model: path of its model.
        """
        if not self.prior_settings:
            return None
        same = (*OF_DATA, "seed", "runs_dir", "precision", "tensorboard")
        own = {name: getattr(recipe, name) for name in (*same, "smoke")}
        options = parse_options(self.prior_settings)
        return PriorRecipe(
            **{**own, "name": f"{recipe.name}_prior", "model": str(model), **options}
        )


def _folder(name):
    """The name of a condition as part of the name of a folder."""
    return re.sub(r"[^\w.]+", "_", name)


def _swept():
    return set(OF_RECIPE) - set(NOT_SWEPT)


def _known():
    return f"settings of {', '.join(sorted(_swept()))}"
