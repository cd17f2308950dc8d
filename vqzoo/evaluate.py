"""Measures a model: `vqzoo evaluate MODEL --dataset=... [--out=DIR]`.

MODEL is a .keras file, the folder of a finished run, or the folder of a prior's run,
whose samples and likelihoods are then measured too. It writes report.html, a page that
needs nothing beside it, and metrics.json.
"""

import dataclasses
import json
import pathlib
import platform
import sys
import time

from vqzoo import frame, measures, registry, report, sample, trained
from vqzoo.datasets import MAX_BYTES, READING, WITH_FACTORS
from vqzoo.datasets.columns import COLUMNS
from vqzoo.frame import Flag
from vqzoo.measures import protocols
from vqzoo.measures.cost import CARBON_INTENSITY, WATTS
from vqzoo.measures.protocols import PROTOCOLS
from vqzoo.measures.representation import REPRESENTATIONS
from vqzoo.runs import files
from vqzoo.runs.folder import METRICS, Run
from vqzoo.version import __version__

devices = registry.lazily("vqzoo.training.devices")

NAMES = registry.names("measures")
FLAGS = {
    "The data": [
        Flag("dataset", "photos", "photos, folder, or a tensorflow-datasets name"),
        Flag(
            "data_dir",
            "",
            "folder or archive of the data; not every data set needs one",
        ),
        Flag("classes", (), "only these classes of the data; empty: all"),
        Flag("image_size", 0, "side of the images; 0: the model's own", at_least=0),
        *(
            Flag(name, *text, kind=float)
            for name, text in {**READING, **COLUMNS}.items()
        ),
        Flag("max_bytes", *MAX_BYTES, at_least=1),
        Flag(
            "num_images",
            0,
            "number of test images; 0: at most 10,000, and at most 2 GB",
            at_least=0,
        ),
    ],
    "What is measured": [
        Flag("only", (), f"some of {', '.join(NAMES)}; empty: all", choices=NAMES),
        Flag("quick", False, "few images and steps: a first look"),
        Flag(
            "num_samples",
            0,
            "images to draw; 0: 1,000, or 10,000 with --retrain",
            at_least=0,
        ),
        Flag(
            "retrain",
            False,
            "also run the measures that train classifiers, which take long",
        ),
        Flag(
            "retrain_steps",
            0,
            "steps of each of those classifiers; 0: 2,000",
            at_least=0,
        ),
        Flag(
            "guidance_scales",
            (),
            "draw samples at each of these scales, such as 1,1.5,2,3; empty: none",
            kind=float,
        ),
        Flag(
            "judge",
            "",
            "judge.keras of another evaluation, or a .keras file from images to logits "
            "and features; empty: it is trained here",
        ),
        Flag("judge_steps", 0, "steps of its training; 0: 400", at_least=0),
        Flag(
            "factors",
            "",
            f"{', '.join(WITH_FACTORS)}: measure disentanglement, minutes to hours",
            choices=WITH_FACTORS,
        ),
        Flag(
            "representation",
            "indices",
            f"of grids of codes there: {', '.join(REPRESENTATIONS)}",
            choices=tuple(REPRESENTATIONS),
        ),
        Flag(
            "inception",
            "",
            "Inception network of FID: pytorch-fid's weights (.pth), or a saved model "
            "from images to 2,048 features",
        ),
        Flag(
            "lpips_backbone",
            "",
            "VGG16 weights for LPIPS: a file of torchvision's weights, or imagenet, "
            "which Keras downloads; empty: no LPIPS",
        ),
        Flag(
            "lpips_weights",
            "",
            "linear weights of LPIPS, vgg.pth; empty: those of the package lpips",
        ),
        Flag(
            "protocol",
            "",
            "fixes all that Frechet distances depend on, and writes it beside them: "
            f"one of {', '.join(PROTOCOLS)}; empty: none",
            choices=tuple(PROTOCOLS),
        ),
        Flag(
            "beside",
            "",
            "folder of another evaluation of the protocol, whose numbers are shown too",
        ),
    ],
    "How samples are drawn": [*sample.DRAWING, *sample.REJECTION],
    "What is assumed": [
        Flag("watts", WATTS, "mean power of the machine that trained"),
        Flag("carbon_intensity", CARBON_INTENSITY, "kg of CO2 per kWh", at_least=0),
        Flag("training_hours", 0.0, "of training; 0: as in history.csv", at_least=0),
    ],
    "What is written": [
        Flag("out", "", "folder for the report; empty: runs/evaluate/<time>")
    ],
}


def main(argv):
    """Evaluates as the command line says; returns the exit code of `frame`."""
    return frame.run(argv, __doc__, FLAGS, _evaluate, ["MODEL"], prepare=_checked)


def _checked(values):
    if values.watts <= 0:
        raise ValueError(f"expected --watts to be above 0, received {values.watts}")
    if values.lpips_weights and not values.lpips_backbone:
        raise ValueError("expected --lpips_backbone with --lpips_weights")
    if wrong := [s for s in values.guidance_scales if not 0 <= s < float("inf")]:
        raise ValueError(f"expected --guidance_scales of at least 0, received {wrong}")
    if values.beside and not values.protocol:
        raise ValueError(
            "expected a --protocol with --beside, that of the other evaluation"
        )
    return protocols.applied(sample.check_rejection(values))


def _evaluate(values, path):
    from tqdm import tqdm

    began, path = time.monotonic(), pathlib.Path(path)
    loaded = trained.load(path)
    model = loaded.model
    splits = measures.load_splits(model, values, values.image_size)
    protocols.check_enough(values.protocol, splits)
    _warn_of_range(loaded.settings.get("data", {}), splits.summary)
    subject = measures.subject_of(
        model,
        splits,
        _sizes(model, values, splits.train.size),
        values,
        factors=values.factors,
        options=_options(values, loaded, splits),
        progress=lambda steps, what: tqdm(steps, desc=what, leave=False),
        pipeline=loaded.pipeline,
        history=loaded.run.history(),
        losses=loaded.run.losses(),
    )
    out = _folder(values.out)
    chosen = values.only or measures.names_of(model.item)
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
    record = _record(values, subject)
    if values.beside:
        sections.append(_beside(values.beside, record, sections))
    if "judge" in vars(subject) and not values.judge:
        subject.judge.network.save(out / "judge.keras")
    _write(out, path, facts, sections, values, record)


def _record(values, subject):
    """What stands beside the numbers of a protocol; empty without one."""
    if not values.protocol:
        return {}
    hashes = {}
    if subject.has_judge:
        hashes[subject.features_name] = protocols.hash_of_network(subject.judge.network)
    if values.inception:
        hashes["inception"] = protocols.hash_of_file(values.inception)
    return {"protocol": protocols.record(values.protocol, subject, hashes)}


def _beside(folder, record, sections):
    """A section with the numbers of another evaluation beside these."""
    path = pathlib.Path(folder) / METRICS
    if not path.is_file():
        raise ValueError(f"expected the folder of an evaluation, received {folder}")
    ours = {**record, **measures.as_json(sections)}
    rows = protocols.side_by_side(ours, json.loads(path.read_text("utf-8")))
    section = measures.Section(
        name="beside", title=f"Beside {path.parent.name}", text="Of one protocol."
    )
    section.table("Sets of images", ("number", "this", path.parent.name), rows)
    return section


def _warn_of_range(then, now):
    """Says that the data have another scale than those of the training had."""
    ranges = [data.get("values") for data in (then, now)]
    if all(ranges) and ranges[0] != ranges[1]:
        low, high = next(iter(ranges[0].values()))
        print(
            f"The model learned images of {ranges[0]}, these have {ranges[1]}: "
            f"--value_range={low:g},{high:g} scales them as it learned",
            file=sys.stderr,
        )


def _sizes(model, values, num_train):
    sizes = measures.sizes_of(model, values.quick)
    # Classifiers of real images and of samples learn from as many.
    samples = min(sizes.train_images, num_train) if values.retrain else 0
    given = {
        "images": values.num_images,
        "samples": values.num_samples or samples,
        "retrain_steps": values.retrain_steps,
        "judge_steps": values.judge_steps,
    }
    if values.protocol:
        count = PROTOCOLS[values.protocol].num_reference
        # As many as it says, however large they are.
        given |= {"train_images": count, "train_bytes": 1e15}
    chosen = {name: value for name, value in given.items() if value}
    return dataclasses.replace(sizes, **chosen)


def _options(values, loaded, splits):
    names = "retrain watts training_hours carbon_intensity protocol guidance_scales"
    options = {name: getattr(values, name) for name in names.split()}
    options["drawing"] = sample.drawing(values)
    if values.reject:
        if loaded.pipeline is None:
            raise ValueError("expected the folder of a prior's run with --reject")
        options["draw"] = sample.drawer(values, loaded.pipeline)
    # Of the folder of a world model it is the world.
    options["world"] = loaded if getattr(loaded, "memory", None) else None
    if values.judge:
        from vqzoo.measures.judge import load

        known = loaded.model.image_shape, splits.class_names
        options["judge"] = load(values.judge, *known)
    if values.inception:
        from vqzoo.measures.inception import inception_features

        resize = {}
        if values.protocol:
            resize = {"resize": PROTOCOLS[values.protocol].inception_resize}
        options["inception"] = inception_features(values.inception, **resize)
    if values.lpips_backbone:
        from vqzoo.losses import make_lpips

        options["lpips"] = make_lpips(values.lpips_backbone, values.lpips_weights)
    return options


def _folder(out):
    if not out:
        return Run.new("runs", "evaluate").path
    folder = pathlib.Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _facts(path, subject, seconds):
    model, data = subject.model, subject.data
    shape = " x ".join(str(side or "any") for side in model.item_shape)
    counts = (
        f"{len(subject.images):,} of {data.num_test:,} test, "
        f"{len(subject.train_images):,} of {data.num_train:,} training, at random"
    )
    numbered = [f"{label} {name}" for label, name in enumerate(data.class_names)]
    named = ", ".join(numbered[:20]) or "none"
    return {
        "model": f"{type(model).__name__} {model.name}, {path}",
        "priors": ", ".join(type(p).__name__ for p in subject.pipeline.priors)
        if subject.pipeline
        else "none",
        "drawing": _drawing(subject),
        "data": f"{data.name}, {model.item}s of {shape}, {data.fingerprint[:12]}",
        "classes": named,
        f"{model.item}s": counts,
        "machine": devices.describe(),
        "vqzoo": f"{__version__}, Python {platform.python_version()}",
        "time": f"{seconds:.0f} s",
    }


def _drawing(subject):
    """How samples were drawn, where it is not as the priors say."""
    if subject.pipeline is None:
        return "none"
    usual = {None, *(flag.default for flag in sample.DRAWING)}
    drawing = subject.options["drawing"].items()
    given = [f"{name} {value}" for name, value in drawing if value not in usual]
    given += ["the best by --reject"] if "draw" in subject.options else []
    return ", ".join(given) or "as the priors say"


def _write(out, path, facts, sections, values, record):
    title = f"Evaluation of {path.parent.name or path.name}/{path.name}"
    page = report.render(title, facts, sections)
    with files.replacing(out / "report.html") as aside:
        aside.write_text(page, encoding="utf-8")
    settings = vars(values)
    numbers = measures.as_json(sections)
    Run(out).finish(facts=facts, settings=settings, **record, **numbers)
    skipped = [section.title for section in sections if section.skipped]
    print(f"report   {out / 'report.html'}\nnumbers  {out / METRICS}")
    if skipped:
        print(f"in part or not measured, with reasons: {', '.join(skipped)}")


if __name__ == "__main__":
    sys.exit(main(sys.argv))
