"""The settings of a sweep: one recipe under several conditions, with several seeds."""

import dataclasses
import os
import re

from vqzoo import registry
from vqzoo.registry import lazily, parse_options
from vqzoo.runs.folder import MODEL
from vqzoo.training.kinds.autoencoder import ModelSettings, Recipe
from vqzoo.training.kinds.coding import QuantizerSettings
from vqzoo.training.kinds.gan import GANRecipe
from vqzoo.training.kinds.prior import PriorRecipe
from vqzoo.training.loss_settings import LossSettings
from vqzoo.training.settings import (
    DataSettings,
    OptimizerSettings,
    StepSettings,
    setting,
)

sweep_loop = lazily("vqzoo.studies.sweep_loop")
verdicts = lazily("vqzoo.studies.verdicts")
RUN = "run"  # The numbers that a run left itself, in its metrics.json.
MEASURED = (*registry.names("measures"), RUN)
DATA_SETTINGS = tuple(field.name for field in dataclasses.fields(DataSettings))
NOT_SWEPT = ("name", "runs_dir", "resume", "seed", "smoke", *DATA_SETTINGS)


def _settings(kind):
    return tuple(field.name for field in dataclasses.fields(kind))


@dataclasses.dataclass(frozen=True)
class Condition:
    """What one condition of a sweep changes.

    Args:
        name: str, of its row in the table.
        series: str, of the curve that it is a point of.
        place: float on the horizontal axis, or None: a level beside the curves.
        changes: dict of settings of the recipe.
        model: str, name of the condition of its model, which other rows may share.
        prior: `Condition` of the prior that is fitted to the model and measured, or
            None.
    """

    name: str
    series: str
    place: float | None
    changes: dict
    model: str = ""
    prior: "Condition | None" = None


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
    seeds: tuple[int, ...] = setting(
        (0, 1, 2), "every condition runs with each of these"
    )
    only: tuple[str, ...] = setting(
        (), "run only rows whose name contains one of these texts; empty: all"
    )
    trained: str = setting(
        "",
        "a folder or .keras file to measure, or to train priors on, instead of "
        "training a model; conditions may set it",
    )
    measurements: tuple[str, ...] = setting(
        ("reconstruction",), f"of each model; any of {', '.join(MEASURED)}"
    )
    shown: tuple[str, ...] = setting(
        ("reconstruction.psnr",), "numbers in table and pictures, MEASUREMENT.NUMBER"
    )
    axis: str = setting(
        "", "what NUMBER in a condition means; or a MEASUREMENT.NUMBER to draw over"
    )
    num_images: int = setting(10_000, "test images, and training images, to measure")
    judge: str = setting(
        "",
        "a .keras classifier whose features compare sets of images, for "
        "data without classes; empty: train one on the data",
    )
    quick: bool = setting(False, "measure with few images and steps: a first look")
    representation: str = setting(
        "indices", "how codes become vectors in disentanglement"
    )
    prior_settings: tuple[str, ...] = setting(
        (), "field=value of a prior's recipe, for each model's codes; empty: no prior"
    )
    prior_conditions: tuple[str, ...] = setting(
        (),
        "priors to compare on each model, one a row, written like --conditions; "
        "--prior_settings holds what they share, gan=NAME makes one a GAN",
    )
    prior_measurements: tuple[str, ...] = setting(
        (), "what to measure of each prior of --prior_conditions"
    )
    models_with_priors: tuple[str, ...] = setting(
        (), "conditions whose models get the priors of --prior_conditions; empty: all"
    )
    claims: tuple[str, ...] = setting(
        (),
        "claims to test on the numbers, each WORDS: "
        "[CONDITION]MEASUREMENT.NUMBER > [CONDITION]MEASUREMENT.NUMBER",
    )
    baseline: str = setting("", "a condition: the others are shown relative to it too")

    def __post_init__(self):
        super().__post_init__()
        swept = {*set(_settings(Recipe)) - set(NOT_SWEPT), "trained"}
        self._check("conditions", swept)
        self.expect("conditions", len(self.conditions) > 0, "one or more")
        for condition in self.parsed():
            self.run_of(condition, seed=0, runs_dir=self.runs_dir)
        self._check_priors()
        seeds = self.seeds
        valid = seeds and min(seeds) >= 0 and len(set(seeds)) == len(seeds)
        self.expect("seeds", valid, "different numbers of at least 0")
        self.expect("only", len(self.jobs()) > 0, "texts in the names of rows")
        measured = self.measurements or self.prior_conditions
        for name in ("measurements", "prior_measurements"):
            known = set(getattr(self, name)) <= set(MEASURED) and measured
            self.expect(name, known, f"some of {MEASURED}")
        self._check_shown()
        for claim in self.claims:
            verdicts.parse(claim)
        self.expect("num_images", self.num_images >= 1, "at least 1")
        file = not self.judge or os.path.isfile(self.judge)
        self.expect("judge", file, "a .keras file")

    def _check(self, flag, swept):
        """Raises ValueError unless conditions have names and settings of their own."""
        conditions = self.parsed(flag)
        folders = {_folder(condition.name) for condition in conditions}
        once = len(folders) == len(conditions)
        self.expect(flag, once, "one or more, each of another name")
        known = f"settings of {', '.join(sorted(swept))}"
        for condition in conditions:
            self.expect(flag, set(condition.changes) <= swept, known)

    def _check_priors(self):
        known = {*_settings(PriorRecipe), *_settings(GANRecipe)} - set(NOT_SWEPT)
        self._check("prior_conditions", known)
        unknown = set(parse_options(self.prior_settings)) - known
        self.expect("prior_settings", not unknown, f"some of {sorted(known)}")
        models = {c.model for c in self.parsed() if self.prior_conditions}
        text = f"some of {sorted(models)}, models of --prior_conditions"
        self.expect("models_with_priors", set(self.models_with_priors) <= models, text)
        both = bool(self.prior_conditions) == bool(self.prior_measurements)
        self.expect("prior_measurements", both, "given with --prior_conditions")
        (condition, *_) = self.parsed()
        run = self.run_of(condition, seed=0, runs_dir=self.runs_dir)
        for prior in self.parsed("prior_conditions"):
            row = dataclasses.replace(condition, prior=prior)
            self.prior_of(row, run, MODEL)

    def _check_shown(self):
        measured = (*self.measurements, *self.prior_measurements)
        for name in [*self.shown, *([self.axis] if "." in self.axis else [])]:
            section, dot, number = name.partition(".")
            self.expect(
                "shown" if name in self.shown else "axis",
                section in measured and dot and number,
                f"numbers of --measurements={','.join(measured)}",
            )

    def check_used(self):
        """Raises ValueError if a setting was made that no row of the sweep uses."""
        measured = {*self.measurements, *self.prior_measurements} - {RUN}
        judged = "disentanglement" in measured
        self.expect_unused("representation", judged, "measurements", "disentanglement")
        for name in ("num_images", "quick"):
            self.expect_unused(name, measured, "measurements", "others than run")
        self.expect_unused("seed", False, "seeds", "single runs")
        rows = [row for condition in self.parsed() for row in self._rows(condition)]
        placed = "." in self.axis or any(row.place is not None for row in rows)
        self.expect_unused("axis", placed, "conditions", "those named NAME@NUMBER")
        names = {row.name for row in rows}
        known = not self.baseline or self.baseline in names
        self.expect("baseline", known, f"one of {', '.join(sorted(names))}")
        conditions = self.parsed()
        fitted = [c for c in conditions if not self.trained_of(c)]
        with_seed = fitted or self.prior_settings or self.prior_conditions
        text = "0 alone, as with --trained and no priors nothing is drawn"
        self.expect("seeds", with_seed or self.seeds == (0,), text)
        groups = (StepSettings, OptimizerSettings, ModelSettings, QuantizerSettings)
        groups += (LossSettings,)
        for name in [name for group in groups for name in _settings(group)]:
            self.expect_unused(name, fitted, "trained", "models to be trained")
        for name in set.intersection(*(set(c.changes) for c in conditions)):
            users = "conditions without a value of their own"
            self.expect_unused(name, False, "conditions", users)
        for condition in fitted:
            self.run_of(condition, seed=0, runs_dir=self.runs_dir).check_used()

    def run(self):
        """Runs the recipe; returns the folder, as `sweep_loop.run`."""
        self.check_used()
        return sweep_loop.run(self)

    def shrunk(self):
        """The recipe with the numbers of a smoke run, where `smoke` is set."""
        if not self.smoke:
            return self
        few = self.conditions[:1] + self.conditions[1:][-1:]
        # Each run shrinks its own numbers: here they would be settings of models that
        # do not use them.
        return dataclasses.replace(
            self,
            # One model is enough to see that its priors run.
            conditions=few[:1] if self.prior_conditions else few,
            models_with_priors=(),
            claims=(),
            prior_conditions=self.prior_conditions[:1] + self.prior_conditions[1:][-1:],
            only=(),
            seeds=self.seeds[:1],
            quick=True,
            num_images=60,
        )

    def jobs(self):
        """What is run and measured, in order: a list of `(Condition, seed)`."""
        rows = [row for condition in self.parsed() for row in self._rows(condition)]
        rows = [
            row
            for row in rows
            if not self.only or any(text in row.name for text in self.only)
        ]
        return [(row, seed) for seed in self.seeds for row in rows]

    def _rows(self, condition):
        """The row of a model, where something of it is measured, and of its priors."""
        if self.measurements:
            yield condition
        chosen = condition.model in (self.models_with_priors or [condition.model])
        for prior in self.parsed("prior_conditions") if chosen else ():
            yield dataclasses.replace(
                condition,
                name=f"{condition.name}, {prior.name}",
                series=f"{condition.series}, {prior.series}",
                place=condition.place if prior.place is None else prior.place,
                prior=prior,
            )

    def measured(self, condition):
        """Which measurements a row takes."""
        return self.prior_measurements if condition.prior else self.measurements

    def parsed(self, flag="conditions"):
        """The conditions of the models, or of the priors: a list of `Condition`.

        Raises:
            ValueError: if a text cannot be read, with the name of the flag.
        """
        return [self._parse(flag, text) for text in getattr(self, flag)]

    def _parse(self, flag, text):
        name, colon, changes = text.partition(":")
        series, at, place = name.partition("@")
        readable = colon and series.strip() and "," not in name
        try:
            changes = parse_options(changes.split())
            place = float(place) if at else None
        except ValueError:
            readable = False
        self.expect(flag, readable, "of the form NAME@NUMBER: field=value")
        name = re.sub(r"\s*@\s*", " ", name).strip()
        return Condition(name, series.strip(), place, changes, model=name)

    def run_of(self, condition, seed, runs_dir):
        """The recipe that trains the model of a row.

        Args:
            condition: `Condition`.
            seed: int.
            runs_dir: path of the folder of the sweep's runs.

        Raises:
            ValueError: on a value that cannot work, with the name of its flag.
        """
        settings = {name: getattr(self, name) for name in _settings(Recipe)}
        settings |= {
            "name": f"{_folder(condition.model)}_{seed}",
            "seed": seed,
            "runs_dir": str(runs_dir),
        }
        return changed(Recipe(**settings), condition.changes)

    def trained_of(self, condition):
        """Path of the model of a row that is there already, or empty."""
        return condition.changes.get("trained", self.trained)

    def prior_of(self, condition, run, model):
        """The recipe of the prior of a row, or None.

        Args:
            condition: `Condition`.
            run: `Recipe` of its model.
            model: path of the model.

        Raises:
            ValueError: on a value that cannot work, with the name of its flag.
        """
        if condition.prior is None and (
            self.prior_conditions or not self.prior_settings
        ):
            return None
        changes = parse_options(self.prior_settings)
        name = "prior"
        if condition.prior is not None:
            changes |= condition.prior.changes
            name = _folder(condition.prior.name)
        same = (*DATA_SETTINGS, "seed", "runs_dir", "precision", "tensorboard", "smoke")
        kind = GANRecipe if "gan" in changes else PriorRecipe
        recipe = kind(
            **{setting: getattr(run, setting) for setting in same},
            name=f"{run.name}_{name}",
            model=str(model),
        )
        return changed(recipe, changes)


def changed(recipe, changes):
    """A recipe with some changes; a single value may be a tuple of it."""
    changes = {name: value for name, value in changes.items() if name != "trained"}
    for name, value in changes.items():
        several = isinstance(getattr(recipe, name, None), tuple)
        if several and not isinstance(value, tuple):
            changes[name] = (value,)
    try:
        return dataclasses.replace(recipe, **changes)
    except TypeError as error:
        raise ValueError(f"{type(recipe).__name__}: {error}") from error


def _folder(name):
    """The name of a condition as part of the name of a folder."""
    return re.sub(r"[^\w.]+", "_", name)
