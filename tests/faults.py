"""The campaign of faults: python -m tests.faults [--count=N] [--only=NAME ...].

Alters files of every format, and runs the tests of kills, races, bombs, hostile servers
and browsers. Writes docs/results/faults.json, and faults.md from it: what was tried,
what survived, was refused, was lost (ended in a traceback or in lost work), was silent
(gave something else without a word).
"""

import argparse
import collections
import contextlib
import dataclasses
import io
import json
import pathlib
import subprocess
import sys
import tarfile
import tempfile
import time
import typing
import warnings
import xml.etree.ElementTree
import zipfile

import numpy as np
from PIL import Image

ROOT = pathlib.Path(__file__).parents[1]
PAGE = ROOT / "docs" / "results" / "faults.json"
OUTCOMES = ("survived", "refused", "lost", "silent")
# Families of faults that are tests: what becomes of a fault where a test passes, and
# what is selected of which files.
TESTS = {
    "bombs": (
        "refused",
        "claims or unpacks or large or never or bounded or too_long or fill or held_to",
        "tests/datasets tests/test_trained.py tests/codec tests/serving tests/app",
    ),
    "hostile papers and models": ("refused", "", "tests/test_trained.py"),
    "hostile servers": (
        "refused",
        "",
        "tests/serving/test_hostile_servers.py tests/serving/test_retries.py",
    ),
    "the explorer: strangers and 20 users": (
        "refused",
        "",
        "tests/app/test_guard.py tests/app/test_uploads.py",
    ),
    "full disks and folders that cannot be written": (
        "refused",
        "disk or cannot_be or fails",
        "tests/runs tests/codec/test_batch.py tests/datasets/test_store.py",
    ),
    "races": (
        "survived",
        "second or another_process or share or threads",
        "tests/runs tests/datasets/test_codes.py tests/studies tests/serving",
    ),
    "damaged data under evaluate, Ctrl-C while data are prepared": (
        "refused",
        "hostile_files or ctrl_c",
        "tests/test_evaluate.py tests/test_cli.py",
    ),
    "kills, signals and resumes": (
        "survived",
        "killed or stopped or sigterm or goes_on",
        "tests/training tests/studies tests/runs",
    ),
}


@dataclasses.dataclass(frozen=True)
class Format:
    """Files that are altered.

    Args:
        make: function of a folder that makes it and gives the file that is altered.
        read: function of that file to arrays that compare.
        errors: the errors that a reader may end in.
        is_summed: bool. Whether other bytes must not give other values in silence.
        cost: int, how many times slower than others.
    """

    make: typing.Callable
    read: typing.Callable
    errors: tuple
    is_summed: bool = False
    cost: int = 1


def alter(data, rng):
    """Bytes with a fault: of a bit, cut off, overwritten, taken out or put in."""
    data, kind = bytearray(data), rng.integers(5)
    at = int(rng.integers(max(1, len(data))))
    length = int(rng.integers(1, 64))
    if kind == 0:
        data[at] ^= 1 << int(rng.integers(8))
    elif kind == 1:
        del data[at:]
    elif kind == 2:
        data[at : at + length] = rng.bytes(min(length, len(data) - at))
    elif kind == 3:
        del data[at : at + length]
    else:
        data[at:at] = rng.bytes(length)
    return bytes(data)


def fuzz(file_format, count, seed=0):
    """Outcomes of altered files: a `Counter`, and what was lost or silent."""
    rng, outcomes, notes = np.random.default_rng(seed), collections.Counter(), []
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(file_format.make(pathlib.Path(folder)))
        whole = path.read_bytes()
        known = _values(file_format.read(path))
        for number in range(max(1, count // file_format.cost)):
            path.write_bytes(alter(whole, rng))
            outcome, note = _try(file_format, path, known)
            outcomes[outcome] += 1
            if note:
                notes.append(f"{number}: {note}")
    return outcomes, notes


def _try(file_format, path, known):
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            values = _values(file_format.read(path))
    except file_format.errors:
        return "refused", None
    except Exception as error:
        return "lost", f"{type(error).__name__}: {str(error)[:200]}"
    if file_format.is_summed and values != known:
        return "silent", "other values"
    return "survived", None


def _values(values):
    """What compares, of arrays."""
    return [(np.asarray(v).shape, np.asarray(v).tobytes()) for v in values]


def formats():
    """The formats by name."""
    from tests.helpers.pipelines import pipeline_of
    from tests.helpers.small_models import make_images, model_of
    from vqzoo import trained
    from vqzoo.codec import Codec, CodecError
    from vqzoo.datasets import archives, folder, reading
    from vqzoo.datasets.arrays import load_arrays
    from vqzoo.datasets.images import UnreadableImageError
    from vqzoo.runs import files, state
    from vqzoo.runs.folder import Run
    from vqzoo.serving import ServingError, over_rest
    from vqzoo.serving.protocol import Signature, Tensor, check

    picture = make_images(1)[0]
    codec = Codec(model_of(0))
    made = {}

    def image(kind, **options):
        def make(place):
            path = place / "image"
            Image.fromarray(picture).save(path, kind, **options)
            return path

        def read(path):
            return [p.values for p in reading.read(path.read_bytes())]

        return Format(make, read, (UnreadableImageError,))

    for kind in ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF", "PPM", "TGA", "AVIF"):
        made[f"image, {kind}"] = image(kind)

    def vqz(place):
        (place / "x.vqz").write_bytes(codec.compress([picture])[0])
        return place / "x.vqz"

    def unpack(path):
        (result,) = codec.decompress([path.read_bytes()])
        if isinstance(result, CodecError):
            raise result
        return [result]

    made[".vqz"] = Format(vqz, unpack, (CodecError,), is_summed=True)

    def archive(name):
        def make(place):
            path = place / name
            data = {"a/1.txt": b"one" * 99, "b/2.txt": b"two"}
            if name.endswith(".zip"):
                with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
                    for inner, text in data.items():
                        file.writestr(inner, text)
                return path
            with tarfile.open(path, f"w:{name.rpartition('.')[2]}") as file:
                for inner, text in data.items():
                    member = tarfile.TarInfo(inner)
                    member.size = len(text)
                    file.addfile(member, io.BytesIO(text))
            return path

        def read(path):
            contents = archives.read_files(path, archives.list_files(path))
            return [np.frombuffer(text or b"", "uint8") for _, text in contents]

        return Format(make, read, (ValueError,))

    for name in ("x.tar.gz", "x.tar.xz", "x.zip"):
        made[f"archive, {name[2:]}"] = archive(name)

    def idx(place):
        head = bytes([0, 0, 8, 3]) + np.array([40, 8, 8], ">i4").tobytes()
        path = place / "train-images-idx3-ubyte"
        path.write_bytes(head + np.random.default_rng(0).bytes(40 * 64))
        return path

    def load_folder(path):
        return folder.load_folder(path.parent).train.arrays()[0]

    made["IDX"] = Format(idx, load_folder, (ValueError,), cost=4)

    def npz(place):
        np.savez(place / "x.npz", images=make_images(20))
        return place / "x.npz"

    def arrays(path):
        return load_arrays(path).train.arrays()[0]

    made[".npz of images"] = Format(npz, arrays, (ValueError,), True, cost=4)

    def saved_state(place):
        state.save_arrays(place / "state.npz", [np.arange(99.0)], {"step": 3})
        return place / "state.npz"

    def restored(path):
        return state.load_arrays(path)[0]

    made["state of a run"] = Format(saved_state, restored, (files.RunError,), True)

    def settings(place):
        Run(place).write_settings({"recipe": {"epochs": 3}})
        return place / "recipe.json"

    def read_settings(path):
        return [str(Run(path.parent).settings())]

    made["settings of a run"] = Format(settings, read_settings, (files.RunError,))

    def lone(place):
        model_of(0).save(place / "x.keras")
        return place / "x.keras"

    def weights(path):
        return trained.load(path).model.get_weights()

    refused = (trained.TrainedError,)
    made[".keras"] = Format(lone, weights, refused, True, cost=8)

    def paper(place):
        pipeline_of().save(place)
        return place / "pipeline.json"

    def priors(path):
        return trained.load(path.parent).pipeline.tiers

    made["pipeline.json"] = Format(paper, priors, refused, cost=8)

    signature = Signature(
        "encode",
        {"images": Tensor("uint8", (-1, 4, 4, 3))},
        {"bottom_codes": Tensor("int32", (-1, 2, 2))},
    )
    asked = {"images": np.zeros((2, 4, 4, 3), "uint8")}

    def answer(place):
        text = json.dumps({"outputs": np.arange(8).reshape(2, 2, 2).tolist()})
        (place / "answer").write_text(text)
        return place / "answer"

    def understood(path):
        outputs = over_rest._read(
            path.read_bytes(), lambda read: over_rest._outputs(read, signature, 2)
        )
        check(outputs, signature, asked)
        return outputs.values()

    made["answer over REST"] = Format(answer, understood, (ServingError,))
    return made


def killed():
    """Recipes of every kind of run, made small, by the kind's name."""
    from vqzoo import studies, training

    small = {
        "precision": "float32",
        "strategy": "none",
        "tensorboard": False,
        "smoke": True,
    }
    steps = {**small, "epochs": 2, "max_steps_per_epoch": 5, "batch_size": 4}
    return {
        "autoencoder": training.Recipe(
            name="autoencoder", noise_stddev=(1.0,), save_steps=1, **steps
        ),
        "prior": training.PriorRecipe(
            name="prior", prior="pixelcnn", save_steps=1, **steps
        ),
        "GAN": training.GANRecipe(name="gan", **small),
        "sweep": studies.SweepRecipe(
            name="sweep",
            conditions=("noisy: noise_stddev=0.5", "plain: noise_stddev=0.0"),
            measurements=("reconstruction",),
            shown=("reconstruction.psnr",),
            seeds=(0,),
            **steps,
        ),
    }


def kill_runs(recipe, count, seed=0):
    """Outcomes of kills at random moments, of runs that go on and are killed again.

    A kill is survived if the run ends with the states, to the bit, of one that was not
    killed, and silent if it ends with others.
    """
    from tests.helpers import processes
    from vqzoo.runs import state
    from vqzoo.runs.folder import Run

    rng, outcomes, notes = np.random.default_rng(seed), collections.Counter(), []

    def end(runs_dir, resume=False, seconds=600):
        """Exit code of a run that is killed after some seconds; None if it was."""
        one = dataclasses.replace(recipe, runs_dir=str(runs_dir), resume=resume)
        process = processes.FRESH.Process(target=processes.run, args=(one,))
        process.start()
        process.join(seconds)
        code = process.exitcode
        process.kill()
        process.join()
        return code

    def arrays(runs_dir):
        run_dir = Run.finished(runs_dir, recipe.name).path
        states = sorted(run_dir.rglob("state.npz"))
        assert states, "a run without a state proves nothing"
        return [_values(state.load_arrays(path)[0]) for path in states]

    with tempfile.TemporaryDirectory() as folder:
        end(folder)  # starts the server of processes
        began = time.monotonic()
        whole = pathlib.Path(folder, "whole")
        end(whole)
        lasts, known = time.monotonic() - began, arrays(whole)
        while outcomes.total() < count:
            runs_dir, kills, code = pathlib.Path(folder, f"{outcomes.total()}"), 0, None
            while code is None:
                resume = Run.unfinished(runs_dir, recipe.name) is not None
                seconds = rng.uniform(0, lasts) if kills < 5 else 600
                code = end(runs_dir, resume, seconds)
                kills += code is None
                if Run.finished(runs_dir, recipe.name):
                    break
            if not Run.finished(runs_dir, recipe.name):
                outcome = "lost"
            else:
                outcome = "survived" if arrays(runs_dir) == known else "silent"
            if outcome != "survived":
                notes.append(f"{outcome} after {kills} kills: exit code {code}")
            outcomes[outcome] += max(1, kills)
    return outcomes, notes


def run_tests(passed, chosen, paths):
    """Outcomes of tests, each of which tries a fault and asserts what becomes of it."""
    with tempfile.TemporaryDirectory() as folder:
        report = pathlib.Path(folder) / "report.xml"
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
        marks = [
            "-m",
            "not distributed and not fuzz and not gpu",
            f"--junitxml={report}",
        ]
        named = ["-k", chosen] if chosen else []
        # A campaign counts what fails and goes on.
        subprocess.run(
            [*command, *marks, *named, *paths.split()], cwd=ROOT, check=False
        )
        cases = xml.etree.ElementTree.parse(report).getroot().iter("testcase")
        outcomes, notes = collections.Counter(), []
        for case in cases:
            if case.find("skipped") is not None:
                continue
            failed = any(case.find(kind) is not None for kind in ("failure", "error"))
            outcomes["lost" if failed else passed] += 1
            notes += [case.get("name")] if failed else []
    return outcomes, notes


def page(results):
    """The page: Markdown of what `main` kept as JSON."""
    lines = [
        "# Faults",
        "",
        f"Written by `make faults` on {results['date']}, in {results['minutes']:.0f} "
        "minutes, from faults.json beside it. Files are altered at random: a bit, a "
        "cut, bytes that are overwritten, taken out or put in. Survived: read all the "
        "same, or gone on with to the same end. Refused: one clear error. Lost: a "
        "traceback, or a test that fails. Silent: other values without a word, where "
        "sums are kept.",
        "",
        "| fault | tried | survived | refused | lost | silent |",
        "|---|---|---|---|---|---|",
    ]
    total = collections.Counter()
    for name, row in results["rows"].items():
        counts = {outcome: row.get(outcome, 0) for outcome in OUTCOMES}
        total.update(counts)
        lines.append(_row(name, counts))
    lines.append(_row("**all**", {outcome: total[outcome] for outcome in OUTCOMES}))
    return "\n".join([*lines, ""])


def _row(name, counts):
    numbers = [sum(counts.values()), *counts.values()]
    return f"| {name} | {' | '.join(f'{number:,}' for number in numbers)} |"


def main(arguments):
    """Runs the campaign and writes the page; returns 1 if anything was lost."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=400, help="files of each format")
    parser.add_argument("--only", nargs="*", default=[], help="parts of names")
    parser.add_argument("--out", type=pathlib.Path, default=PAGE)
    parser.add_argument("--kills", type=int, default=15, help="of each kind of run")
    flags = parser.parse_args(arguments)
    began, rows, bad = time.monotonic(), {}, {}
    work = {
        f"altered: {name}": lambda made=made: fuzz(made, flags.count)
        for name, made in formats().items()
    }
    work |= {
        f"kills at random moments: {kind}": lambda made=made: kill_runs(
            made, flags.kills
        )
        for kind, made in killed().items()
    }
    work |= {name: lambda what=what: run_tests(*what) for name, what in TESTS.items()}
    for name, run in work.items():
        if flags.only and not any(part in name for part in flags.only):
            continue
        with contextlib.redirect_stdout(sys.stderr):
            outcomes, notes = run()
        rows[name] = dict(outcomes)
        print(name, rows[name], *notes, sep="\n  ", flush=True)
        if outcomes["lost"] or outcomes["silent"]:
            bad[name] = notes
        _write(flags.out, began, rows, bad)
    return int(bool(bad))


def _write(path, began, rows, bad):
    results = {
        "date": time.strftime("%Y-%m-%d"),
        "minutes": (time.monotonic() - began) / 60,
        "rows": rows,
        "notes": bad,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(results, indent=2) + "\n")
    path.with_suffix(".md").write_text(page(results))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
