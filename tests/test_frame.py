import os
import subprocess
import sys

import pytest

from vqzoo import frame
from vqzoo.runs.files import RunError, Stopped

GROUPS = {
    "What": [
        frame.Flag("size", 8, "side of it", at_least=1, at_most=64),
        frame.Flag("mode", "", "how", choices=("fast", "slow")),
        frame.Flag("only", (), "some of them", choices=("a", "b")),
    ],
    "How": [
        frame.Flag("rate", 0.5, "of it"),
        frame.Flag("again", False, "once more"),
        frame.Flag("seeds", (0, 1), "of each run", kind=int),
        frame.Flag("options", ("levels=(8, 5)",), "of the layer"),
    ],
}


def do_nothing(values, *arguments):
    raise AssertionError("expected an error before the work")


def test_flags_have_the_types_of_their_defaults():
    argv = ["x", "--size=3", "--again", "--seeds=4,5", "in", "--only=b,a", "--rate=2"]
    values, rest = frame.parse([*argv, "--options=a=(1,2),b=c"], GROUPS, ["IN"])
    assert vars(values) == {
        "size": 3,
        "mode": "",
        "only": ("b", "a"),
        "rate": 2.0,
        "again": True,
        "seeds": (4, 5),
        "options": ("a=(1,2)", "b=c"),
    }
    assert rest == ["in"]


def test_without_flags_the_defaults_hold():
    values, _ = frame.parse(["x"], GROUPS)
    assert (values.size, values.seeds) == (8, (0, 1))
    assert values.options == ("levels=(8, 5)",)


@pytest.mark.parametrize(
    ("argument", "text"),
    [
        ("--sizes=3", "sizes"),
        ("--size=three", "--size=three"),
        ("--size=0", "--size to be at least 1, received 0"),
        ("--size=65", "--size to be at most 64, received 65"),
        ("--mode=quick", "--mode to be empty or one of fast, slow"),
        ("--only=a,c", "--only"),
        ("--seeds=1,x", "seeds"),
        ("size=3", "received ['size=3']"),
    ],
)
def test_what_cannot_be_is_named_and_ends_with_2(argument, text, capsys):
    assert frame.run(["x", argument], "", GROUPS, do_nothing) == 2
    said = capsys.readouterr()
    assert text in said.err and "--help" in said.err
    assert said.out == ""


def test_an_argument_that_is_missing_is_named(capsys):
    assert frame.run(["x", "a"], "", GROUPS, do_nothing, ["IN", "OUT"]) == 2
    assert "expected IN and OUT, received ['a']" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("program", "called"),
    [
        ("vqzoo train vqvae", "vqzoo train vqvae"),
        ("/usr/bin/vqzoo", "vqzoo"),
        ("/a/vqzoo/export/__main__.py", "python -m vqzoo.export"),
        ("/vqzoo/vqzoo/recipes/vae.py", "python -m vqzoo.recipes.vae"),
    ],
)
def test_an_error_says_how_the_command_is_called(program, called, capsys):
    assert frame.run([program], "", GROUPS, do_nothing, ["IN"]) == 2
    assert f"\nUsage: {called} IN [--flag=value ...]\n" in capsys.readouterr().err


def test_what_flags_cannot_be_together_is_an_error_of_usage(capsys):
    def prepare(values):
        raise ValueError("expected --mode with --rate")

    assert frame.run(["x"], "", GROUPS, do_nothing, prepare=prepare) == 2
    assert "expected --mode with --rate" in capsys.readouterr().err


@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help_has_the_usage_and_each_flag_under_its_group(flag, capsys):
    assert frame.run(["x", flag], "Does it.", GROUPS, do_nothing) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Does it."
    assert lines.index("What:") < lines.index("  --size=8  side of it")
    assert lines.index("  --size=8  side of it") < lines.index("How:")
    assert "  --[no]again  once more" in lines
    assert "  --seeds=0,1  of each run" in lines


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (ValueError("no"), 1, "Error: no"),
        (FileNotFoundError("gone"), 1, "Error: gone"),
        (RunError("bad run"), 1, "Error: bad run"),
        (Stopped("SIGTERM: saved", 143), 143, "SIGTERM: saved"),
        (KeyboardInterrupt(), 130, "Stopped by SIGINT"),
    ],
)
def test_what_the_user_can_mend_has_no_traceback(error, code, text, capsys):
    def work(values):
        raise error

    assert frame.run(["x"], "", GROUPS, work) == code
    assert capsys.readouterr().err == f"{text}\n"


def test_a_fault_of_ours_has_its_traceback():
    def work(values):
        raise KeyError("ours")

    with pytest.raises(KeyError):
        frame.run(["x"], "", GROUPS, work)


@pytest.mark.parametrize(("gives", "code"), [(None, 0), (1, 1), ("text", 0)])
def test_the_work_may_give_the_exit_code(gives, code):
    assert frame.run(["x"], "", GROUPS, lambda values: gives) == code


def python(script, **environment):
    return subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        timeout=120,
        env=os.environ | environment,
    )


CHATTER = """
WARNING: All log messages before absl::InitializeLog() is called are written to STDERR
I0000 00:00:1.3   27 port.cc:153] oneDNN custom operations are on. You may see
I0000 00:00:1.3   27 cudart_stub.cc:31] Could not find cuda drivers on your machine.
E0000 00:00:1.3   27 cuda_platform.cc:52] failed call to cuInit: UNKNOWN ERROR (303)
"""
NOISY = f"""
import os, sys
sys.argv = ["vqzoo"]
from vqzoo import frame

with frame.without_chatter():
    os.write(2, {CHATTER.encode()!r})
    os.write(2, b"E0000 real.cc:1] out of memory\\n")
    print("from Python", file=sys.stderr)
    END
print("after", file=sys.stderr)
"""


def test_only_chatter_is_dropped_and_the_rest_keeps_its_order():
    said = python(NOISY.replace("END", "pass")).stderr.split("\n")
    lines = [line for line in said if line]
    assert lines == ["E0000 real.cc:1] out of memory", "from Python", "after"]


def test_a_crash_loses_nothing_of_what_was_said():
    crashed = python(NOISY.replace("END", "os.write(2, b'last words'); os.abort()"))
    assert crashed.returncode == -6
    assert "out of memory" in crashed.stderr
    assert crashed.stderr.rstrip().endswith("last words")
    assert "oneDNN" not in crashed.stderr


def test_an_exception_of_an_import_passes():
    failed = python(NOISY.replace("END", "raise ImportError('broken')"))
    assert failed.returncode == 1
    assert "ImportError: broken" in failed.stderr


QUIET = """
import sys
sys.argv = ["vqzoo"]
import vqzoo
assert "keras" not in sys.modules
import tensorflow as tf
from vqzoo.layers import ResidualStack
tf.config.list_physical_devices("GPU")
stack, images = ResidualStack(2, 4), tf.ones((2, 8, 8, 8))
stack(images)
tf.function(stack)(images)
tf.get_logger().warning("a real warning")
"""


def test_tensorflow_works_without_chatter_and_still_warns():
    """Its remapper failed on residual blocks, and said so at the first step."""
    environment = {"TF_CPP_MIN_LOG_LEVEL": "1"}
    finished = python(QUIET, **environment)
    assert (finished.returncode, finished.stdout) == (0, "")
    assert finished.stderr == "WARNING:tensorflow:a real warning\n"
