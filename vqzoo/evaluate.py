"""Measures a model: `python -m vqzoo.evaluate MODEL --dataset=... [--out=DIR]`.

MODEL is a .keras file, the folder of a finished run, or the folder of a prior's run,
whose samples and likelihoods are then measured too. It writes report.html, a page that
needs nothing beside it, and metrics.json.
"""

import dataclasses
import pathlib
import platform
import sys
import time

from absl import flags

from vqzoo import measures, registry, report, trained
from vqzoo.datasets import factors
from vqzoo.measures.cost import CARBON_INTENSITY, WATTS
from vqzoo.measures.representation import REPRESENTATIONS
from vqzoo.runs import files
from vqzoo.runs.folder import METRICS, Run
from vqzoo.training import devices
from vqzoo.version import __version__

USAGE_ERROR = 2
NAMES = registry.names("measures")


def main(argv):
    """Evaluates as the command line says, and returns the exit code.

    Args:
        argv: list of str, the program's name first.

    Returns:
        int: 0 when the report is written, 1 when that failed for a reason that the user
        can mend, 2 on an unknown flag or an impossible value.
    """
    values = _flags()
    try:
        rest = values(argv)[1:]
        if values.help:
            print(f"{__doc__}\n{values.get_help()}")
            return 0
        _check(values, rest)
    except (flags.Error, ValueError) as error:
        print(f"{error}\nSee --help for all flags.", file=sys.stderr)
        return USAGE_ERROR
    try:
        _evaluate(pathlib.Path(rest[0]), values)
    except (OSError, ValueError, files.RunError) as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    return 0


def _flags():
    values = flags.FlagValues()
    text, whole, real = flags.DEFINE_string, flags.DEFINE_integer, flags.DEFINE_float
    kinds = ", ".join(REPRESENTATIONS)
    for define, name, default, words in (
        (text, "dataset", "photos", "photos, folder, or a tensorflow-datasets name"),
        (text, "data_dir", "", "folder or archive of the data, where it needs one"),
        (
            flags.DEFINE_list,
            "classes",
            [],
            "only these classes of the data; empty: all",
        ),
        (whole, "image_size", 0, "side of the images; 0: the model's own"),
        (text, "out", "", "folder for the report; empty: runs/evaluate/<time>"),
        (flags.DEFINE_bool, "quick", False, "few images and steps: a first look"),
        (flags.DEFINE_list, "only", [], f"some of {', '.join(NAMES)}; empty: all"),
        (whole, "num_images", 0, "test images; 0: 10,000 at most, and 2 GB"),
        (whole, "num_samples", 0, "images to draw; 0: 1,000, or to --retrain 10,000"),
        (flags.DEFINE_bool, "retrain", False, "also what trains classifiers, for long"),
        (whole, "retrain_steps", 0, "steps of each of those classifiers; 0: 2,000"),
        (
            text,
            "factors",
            "",
            f"{', '.join(factors.NAMES)}: measure disentanglement, minutes to hours",
        ),
        (text, "representation", "indices", f"of grids of codes there: {kinds}"),
        (text, "inception", "", "saved network of FID, images to 2,048 features"),
        (real, "watts", WATTS, "assumed mean power of the machine that trained"),
        (real, "carbon_intensity", CARBON_INTENSITY, "assumed, kg of CO2 a kWh"),
        (real, "training_hours", 0.0, "of the training; 0: those of its history.csv"),
        (flags.DEFINE_bool, "help", False, "show this help"),
    ):
        define(name, default, words, flag_values=values)
    return values


def _check(values, rest):
    if len(rest) != 1:
        raise ValueError(f"expected one MODEL, a file or a folder, received {rest}")
    unknown = set(values.only) - set(NAMES)
    for name, condition, text in (
        ("only", not unknown, f"some of {', '.join(NAMES)}"),
        (
            "factors",
            values.factors in ("", *factors.NAMES),
            f"empty or one of {', '.join(factors.NAMES)}",
        ),
        (
            "representation",
            values.representation in REPRESENTATIONS,
            f"one of {', '.join(REPRESENTATIONS)}",
        ),
        ("watts", values.watts > 0, "above 0"),
        *(
            (name, values[name].value >= 0, "at least 0")
            for name in (
                "image_size",
                "num_images",
                "num_samples",
                "retrain_steps",
                "carbon_intensity",
                "training_hours",
            )
        ),
    ):
        if not condition:
            raise ValueError(
                f"expected --{name} to be {text}, received {values[name].value!r}"
            )


def _evaluate(path, values):
    from tqdm import tqdm

    began = time.monotonic()
    loaded = trained.load(path)
    model = loaded.model
    splits = measures.load_splits(model, values, values.image_size)
    subject = measures.subject_of(
        model,
        splits,
        _sizes(model, values, splits.train.size),
        values,
        factors=values.factors,
        options=_options(values),
        progress=lambda steps, what: tqdm(steps, desc=what, leave=False),
        pipeline=loaded.pipeline,
        history=loaded.run.history(),
        losses=loaded.run.losses(),
    )
    out = _folder(values.out)
    chosen = values.only or NAMES
    with tqdm(total=len(chosen), unit=" sections") as bar:

        def on_done(section, seconds):
            missing = len(section.skipped)
            parts = f", {missing} not measured" if missing else ""
            bar.write(f"{section.title}: {seconds:.1f} s{parts}", file=sys.stderr)
            bar.update()

        sections = measures.measure(
            subject, chosen, on_start=bar.set_description, on_done=on_done
        )
    facts = _facts(path, subject, time.monotonic() - began)
    _write(out, path, facts, sections, values)


def _sizes(model, values, num_train):
    sizes = measures.sizes_of(model, values.quick)
    # Classifiers of real images and of samples learn from as many.
    samples = min(sizes.train_images, num_train) if values.retrain else 0
    given = {
        "images": values.num_images,
        "samples": values.num_samples or samples,
        "retrain_steps": values.retrain_steps,
    }
    chosen = {name: value for name, value in given.items() if value}
    return dataclasses.replace(sizes, **chosen)


def _options(values):
    names = ("retrain", "watts", "training_hours", "carbon_intensity")
    options = {name: values[name].value for name in names}
    if values.inception:
        from vqzoo.measures.inception import inception_features

        options["inception"] = inception_features(values.inception)
    return options


def _folder(out):
    if not out:
        return Run.new("runs", "evaluate").path
    folder = pathlib.Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _facts(path, subject, seconds):
    model, data = subject.model, subject.data
    shape = " x ".join(map(str, model.image_shape))
    counts = (
        f"{len(subject.images):,} of {data.num_test:,} test, "
        f"{len(subject.train_images):,} of {data.num_train:,} training, at random"
    )
    named = ", ".join(data.class_names[:20]) or "none"
    return {
        "model": f"{type(model).__name__} {model.name}, {path}",
        "priors": ", ".join(type(p).__name__ for p in subject.pipeline.priors)
        if subject.pipeline
        else "none",
        "data": f"{data.name}, images of {shape}, {data.fingerprint[:12]}",
        "classes": named,
        "images": counts,
        "machine": devices.describe(),
        "vqzoo": f"{__version__}, Python {platform.python_version()}",
        "time": f"{seconds:.0f} s",
    }


def _write(out, path, facts, sections, values):
    title = f"Evaluation of {path.parent.name or path.name}/{path.name}"
    page = report.render(title, facts, sections)
    with files.replacing(out / "report.html") as aside:
        aside.write_text(page, encoding="utf-8")
    settings = {name: values[name].value for name in values if name != "help"}
    Run(out).finish(facts=facts, settings=settings, **measures.as_json(sections))
    skipped = [section.title for section in sections if section.skipped]
    print(f"report   {out / 'report.html'}\nnumbers  {out / METRICS}")
    if skipped:
        print(f"in part or not measured, with reasons: {', '.join(skipped)}")


if __name__ == "__main__":
    sys.exit(main(sys.argv))
