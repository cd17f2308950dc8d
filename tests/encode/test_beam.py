"""The pipeline of Apache Beam: one command, its processes, its errors, its kills."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from tests.helpers import shards as small
from tests.helpers.small_models import model_of
from vqzoo import cli
from vqzoo.datasets import code_shards
from vqzoo.encode import __main__ as command

pytest.importorskip("apache_beam")
pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("encode")
    model_of(1).save(folder / "model.keras")
    for number in range(3):
        small.tar(folder / f"in-{number}.tar", small.records(20 * number, 20, 16))
    return folder


def flags_of(place, output, *more):
    return [
        "vqzoo",
        "encode",
        f"--model={place}/model.keras",
        f"--input={place}/in-{{0..2}}.tar",
        f"--output={output}",
        *more,
    ]


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_one_command_encodes_and_runs_nothing_twice(place, tmp_path, capsys):
    assert cli.main(flags_of(place, tmp_path / "out")) == 0
    said = capsys.readouterr()
    assert "60 images in 3 shards, 0 bad" in said.out
    assert said.err.count("images a second") == 3
    before = contents(tmp_path / "out")
    assert cli.main(flags_of(place, tmp_path / "out")) == 0
    assert "images a second" not in capsys.readouterr().err
    assert contents(tmp_path / "out") == before


@pytest.mark.parametrize("options", [(), ("--runner=FnApiRunner",)])
def test_a_key_that_comes_twice_is_found(place, tmp_path, capsys, options):
    small.tar(tmp_path / "in-0.tar", small.records(0, 5, 16))
    small.tar(tmp_path / "in-1.tar", small.records(4, 5, 16))
    flags = flags_of(place, tmp_path / "out", f"--input={tmp_path}/in-{{0..1}}.tar")
    assert cli.main([*flags, *options]) == 1
    assert "expected each key once, received '000004'" in capsys.readouterr().err


def test_an_error_of_a_worker_is_told_without_beams_words(place, tmp_path, capsys):
    rows = small.records(0, 5, 16)
    rows[2]["image"] = b"none"
    small.tar(tmp_path / "in.tar", rows)
    flags = flags_of(place, tmp_path / "out", f"--input={tmp_path}/in.tar")
    assert cli.main([*flags, "--max_bad=0"]) == 1
    said = capsys.readouterr().err
    assert "Error: expected at most --max_bad=0" in said
    assert "000002: cannot identify" in said and "while running" not in said


def test_options_of_beam_are_passed_on(place):
    flags = ["vqzoo encode", "--model=m", "--runner=FlinkRunner", "--flink_master=a:1"]
    own, other = command._divided([*flags, "--paralelism=3"])
    assert own == ["vqzoo encode", "--model=m", "--paralelism=3"]
    assert other == ["--runner=FlinkRunner", "--flink_master=a:1"]


@pytest.mark.slow
def test_two_processes_write_the_same_bytes(place, tmp_path):
    assert cli.main(flags_of(place, tmp_path / "one")) == 0
    assert cli.main(flags_of(place, tmp_path / "two", "--workers=2")) == 0
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


@pytest.mark.slow
def test_a_job_that_is_killed_goes_on_to_the_same_bytes(place, tmp_path):
    assert cli.main(flags_of(place, tmp_path / "whole")) == 0
    out, state = tmp_path / "out", tmp_path / "out" / "_state"
    program = [sys.executable, "-m", "vqzoo.cli", *flags_of(place, out)[1:]]
    process = subprocess.Popen(program, stderr=subprocess.DEVNULL)
    try:
        while process.poll() is None and not (state / "00000000.json").exists():
            time.sleep(0.005)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert cli.main(flags_of(place, out)) == 0
    assert contents(out) == contents(tmp_path / "whole")
    keys = [key for rows in code_shards.read(out, check=True) for key in rows["key"]]
    assert keys == [f"{number:06d}" for number in range(60)]
    assert json.loads((out / "_manifest.json").read_text())["images"] == len(keys)
    assert np.unique(keys).size == 60 and not list(state.glob("*.part"))
    assert os.path.exists(out / "_manifest.json")
