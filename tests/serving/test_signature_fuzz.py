import json
import os
import pathlib
import subprocess
import sys

import pytest

SECONDS = 2.0


def run_fuzz(artifact, folder, count):
    """What the fuzzing process found; it runs in an empty folder."""
    home = folder / "home"
    home.mkdir()
    script = pathlib.Path(__file__).with_name("fuzz_signatures.py")
    paths = (artifact / "saved_model" / "1", str(count), "0", folder / "result.json")
    environment = {**os.environ, "TMPDIR": str(home), "PYTHONDONTWRITEBYTECODE": "1"}
    before = files_and_times(artifact)
    process = subprocess.run(
        [sys.executable, script, *paths],
        cwd=home,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr[-3000:]
    assert list(home.iterdir()) == []
    assert files_and_times(artifact) == before
    return json.loads((folder / "result.json").read_text())


def files_and_times(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


def check(found, count):
    """What holds for any number of inputs."""
    refused, answered = found["refused"], found["answered"]
    assert sum(refused.values()) + sum(answered.values()) == count
    assert found["slowest"] < SECONDS
    assert found["good_answers"] == count // 200
    # A damaged file may still be an image; all else has to be refused.
    assert set(answered) <= {"file"}
    kinds = {"shape", "dtype", "value", "rows", "missing", "file"}
    assert set(refused) == kinds
    assert refused["file"] > answered.get("file", 0)


def test_malformed_inputs_are_refused_and_nothing_else_happens(artifact, tmp_path):
    check(run_fuzz(artifact, tmp_path, 200), 200)


@pytest.mark.fuzz
def test_ten_thousand_malformed_inputs_leave_no_trace(artifact, tmp_path):
    found = run_fuzz(artifact, tmp_path, 10_000)
    check(found, 10_000)
    assert found["bytes_at_the_end"] < 1.05 * found["bytes_after_a_fifth"]
