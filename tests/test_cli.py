import os
import pathlib
import subprocess
import sys

import pytest

import vqzoo
from vqzoo import cli, datasets, models, registry
from vqzoo.datasets import DATASETS

ROOT = pathlib.Path(vqzoo.__file__).parent
RECIPES = sorted(path.stem for path in (ROOT / "recipes").glob("[a-z]*.py"))


def listed(kind, capsys, *flags):
    assert cli.main(["vqzoo", "list", kind, *flags]) == 0
    lines = capsys.readouterr().out.splitlines()
    return dict(line.strip().split("  ", 1) for line in lines)


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("recipes", RECIPES),
        ("models", [name for name in models.__all__ if name.islower()]),
        ("quantizers", registry.names("quantizers")),
        ("priors", registry.names("priors") + registry.names("priors.gan")),
        ("datasets", list(DATASETS)),
    ],
)
def test_each_list_is_whole_and_says_what_a_thing_is(kind, names, capsys):
    texts = listed(kind, capsys)
    assert sorted(texts) == sorted(names)
    assert all(len(text.split()) > 2 for text in texts.values())


def test_artifacts_are_those_of_a_folder(tmp_path, capsys):
    artifacts = listed("artifacts", capsys, f"--artifacts_dir={ROOT.parent}/export")
    (noisy,) = [text for path, text in artifacts.items() if path.endswith("/vqvae2")]
    assert "vqvae2_32, 8 x 8 top codes and 16 x 16 bottom codes" in noisy
    assert cli.main(["vqzoo", "list", "artifacts", f"--artifacts_dir={tmp_path}"]) == 0
    assert capsys.readouterr().out == "no artifacts\n"


def test_help_names_every_command(capsys):
    assert cli.main(["vqzoo", "--help"]) == 0
    text = capsys.readouterr().out
    assert all(f"\n  {name} " in text for name in (*cli.OWN, *cli.COMMANDS))


def test_the_version_is_that_of_the_package(capsys):
    assert cli.main(["vqzoo", "--version"]) == 0
    assert capsys.readouterr().out == f"vqzoo {vqzoo.__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "near"),
    [
        (["trian"], "'trian', such as train"),
        (["train", "vqvae2_nosy"], "'vqvae2_nosy', such as vqvae2_noisy"),
        (["list", "model"], "'model', such as models"),
        (["list"], "expected what to list, received []"),
        (["train", "vqvae", "--epochz=3"], "Did you mean: epochs"),
        (["train", "vqvae", "--epochs=0"], "--epochs"),
    ],
)
def test_what_there_is_not_gives_2_and_what_is_near(arguments, near, capsys):
    try:
        code = cli.main(["vqzoo", *arguments])
    except SystemExit as stop:
        code = stop.code
    assert code == 2
    assert near in capsys.readouterr().err


ASKED = """
import sys
sys.argv = ["vqzoo", *sys.argv[1:]]
from vqzoo import cli
try:
    code = cli.main()
except SystemExit as stop:
    code = stop.code
print("loaded:", *{"tensorflow", "keras"} & set(sys.modules))
sys.exit(code)
"""


def ask(*arguments):
    """A command in a process of its own, and which heavy packages it loaded."""
    finished = subprocess.run(
        [sys.executable, "-c", ASKED, *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        env=os.environ | {"COLUMNS": "88"},
    )
    text, _, loaded = finished.stdout.rpartition("loaded:")
    return finished.returncode, text, finished.stderr, loaded.split()


@pytest.mark.parametrize(
    "arguments",
    [["train"], *([name] for name in ("list", *cli.COMMANDS))],
    ids=" ".join,
)
def test_help_loads_no_keras(arguments):
    code, text, errors, loaded = ask(*arguments, "--help")
    assert (code, errors, loaded) == (0, "", [])
    assert len(text.splitlines()) > 1


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["sample", "--prior=nowhere"], 1, "nowhere"),
        (["sample", "--n=0", "--prior=x"], 2, "--n"),
        (["compress", "nowhere", "out.vqz", "--model=x"], 1, "nowhere"),
        (["compress", __file__, "out.vqz", "--model=nowhere"], 1, "nowhere"),
        (["decompress", __file__, "out.png", "--mode=raw"], 2, "mode"),
        (["export", "nowhere", "target"], 1, "nowhere"),
        (["app", "--model=nowhere"], 1, "nowhere"),
        (["evaluate", "nowhere"], 1, "nowhere"),
        (["card", "nowhere", "target"], 1, "nowhere"),
    ],
)
def test_what_is_wrong_is_said_before_keras_is_loaded(arguments, code, text):
    ended, _, errors, loaded = ask(*arguments)
    assert (ended, loaded) == (code, [])
    assert text in errors and "Traceback" not in errors


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["list", "recipes"], ["train", "vqvae", "--help"]],
    ids=" ".join,
)
def test_a_reader_that_is_gone_is_no_error(arguments):
    reader, writer = os.pipe()
    os.close(reader)
    try:
        finished = subprocess.run(
            [sys.executable, "-m", "vqzoo", *arguments],
            stdout=writer,
            stderr=subprocess.PIPE,
            text=True,
            timeout=120,
        )
    finally:
        os.close(writer)
    assert (finished.returncode, finished.stderr) == (0, "")


RECIPES_ASKED = """
import importlib, sys
sys.argv, HEAVY = ["vqzoo"], {"tensorflow", "keras"}
from vqzoo import training
for name in NAMES:
    module = importlib.import_module(f"vqzoo.recipes.{name}")
    try:
        training.main(module.RECIPE, [name, "--help"], module.__doc__)
    except SystemExit as stop:
        print(stop.code, name, *HEAVY & set(sys.modules), file=sys.stderr)
"""


def test_help_of_a_recipe_loads_no_keras():
    program = RECIPES_ASKED.replace("NAMES", str(RECIPES))
    finished = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=120
    )
    assert finished.stderr.splitlines() == [f"0 {name}" for name in RECIPES]
    assert finished.stdout.count("--seed") >= len(RECIPES)


def test_python_m_is_a_command_too():
    command = [sys.executable, "-X", "importtime", "-m", "vqzoo", "list", "recipes"]
    finished = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert finished.returncode == 0 and "vqvae2_noisy" in finished.stdout
    assert "| keras" not in finished.stderr


LOADED = """
import keras, vqzoo
known = {known.__name__ for known in keras.saving.get_custom_objects().values()}
print({vqzoo.models.VQVAE2.__name__, "VectorQuantizerEMA", "PixelSNAIL"} <= known)
"""


def test_in_any_other_process_every_class_is_known_after_the_import():
    command = [sys.executable, "-c", LOADED]
    finished = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert finished.stdout == "True\n"


def test_ctrl_c_while_data_are_prepared_leaves_no_run(tmp_path, monkeypatch, capsys):
    def interrupted(*args, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(datasets, "load", interrupted)
    runs_dir = tmp_path / "runs"
    with pytest.raises(SystemExit) as ended:
        cli.main(["vqzoo", "train", "vqvae", "--smoke", f"--runs_dir={runs_dir}"])
    assert ended.value.code == 130 and not runs_dir.exists()
    assert "Stopped by SIGINT" in capsys.readouterr().err
