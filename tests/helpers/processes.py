"""New processes, and runs in processes of their own that end at a chosen step."""

import multiprocessing
import os
import pathlib
import pickle
import signal
import subprocess
import sys
import tempfile

DRIVER = """
import pickle, sys
from tests.helpers import processes
processes.run(*pickle.loads(bytes.fromhex(sys.argv[1])))
"""
# Each process is a fork of one that has imported vqzoo and done nothing since: to
# import TensorFlow takes longer than most of what they do.
FRESH = multiprocessing.get_context("forkserver")
FRESH.set_forkserver_preload(["vqzoo"])


def call(function, *arguments, timeout=300):
    """Exit code and output of a new process that calls a function.

    Its interpreter is not closed: see `start` where that matters.
    """
    with tempfile.TemporaryDirectory() as folder:
        output = pathlib.Path(folder, "output")
        process = FRESH.Process(target=_work, args=(output, function, arguments))
        process.start()
        process.join(timeout)
        process.kill()
        process.join()
        return process.exitcode, output.read_text()


def _work(output, function, arguments):
    with open(output, "w") as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
    function(*arguments)


def run(recipe, kill_after=0, kill_with=signal.SIGKILL):
    """Runs a recipe, which gets a signal after a step; 0: it does not.

    It comes at the end of the step, or with a half added before the next one begins.
    """
    from vqzoo import training
    from vqzoo.runs import state
    from vqzoo.training import callbacks

    class Killer(callbacks.RunState):
        def on_train_batch_begin(self, batch, logs=None):
            if self.run.header["step"] + 0.5 == kill_after:
                os.kill(os.getpid(), kill_with)

        def on_train_batch_end(self, batch, logs=None):
            super().on_train_batch_end(batch, logs)
            if self.run.header["step"] == kill_after:
                os.kill(os.getpid(), kill_with)

        def save(self):
            super().save()
            if "STATE_OF_WORKER" in os.environ:
                path = pathlib.Path(os.environ["STATE_OF_WORKER"])
                state.save(path, self.model, self.run.header)

    callbacks.RunState = Killer
    without_pictures(setattr)
    training.main(recipe, ["tiny"])


def without_pictures(replace):
    """Lets runs leave no pictures, which take a third of the time of a small one."""
    from vqzoo.training import report

    for name in ("_pictures", "_over_training"):
        replace(report, name, lambda *args: {})


def start(*arguments, **environment):
    """A Python that does `run` and ends: `subprocess.Popen`."""
    return subprocess.Popen(
        [sys.executable, "-c", DRIVER, pickle.dumps(arguments).hex()],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, **environment},
    )


def finish(process, timeout=300):
    """Exit code and all that the process wrote."""
    output, _ = process.communicate(timeout=timeout)
    return process.returncode, output
