"""Runs in processes of their own, which a test can end at a chosen step."""

import dataclasses
import json
import os
import signal
import subprocess
import sys

DRIVER = """
import json, os, pathlib, sys
from vqzoo import training
from vqzoo.runs import state
from vqzoo.training import callbacks
settings, kill_after = json.loads(sys.argv[1]), float(sys.argv[2])
class Killer(callbacks.RunState):
    def on_train_batch_begin(self, batch, logs=None):
        if self.run.header["step"] + 0.5 == kill_after:
            os.kill(os.getpid(), int(sys.argv[3]))
    def on_train_batch_end(self, batch, logs=None):
        super().on_train_batch_end(batch, logs)
        if self.run.header["step"] == kill_after:
            os.kill(os.getpid(), int(sys.argv[3]))
    def save(self):
        super().save()
        if "STATE_OF_WORKER" in os.environ:
            path = pathlib.Path(os.environ["STATE_OF_WORKER"])
            state.save(path, self.model, self.run.header)
callbacks.RunState = Killer
# JSON has no tuples, and a flag's default says what the flag takes.
settings = {k: tuple(v) if isinstance(v, list) else v for k, v in settings.items()}
training.main(training.Recipe(**settings), ["tiny"])
"""


def start(recipe, kill_after=0, kill_with=signal.SIGKILL, **environment):
    """A process that runs a recipe and ends itself after a step; 0: it does not.

    It ends at the end of the step, or with a half added before the next one begins.
    """
    settings = json.dumps(dataclasses.asdict(recipe))
    return subprocess.Popen(
        [sys.executable, "-c", DRIVER, settings, str(kill_after), str(int(kill_with))],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, **environment},
    )


def finish(process, timeout=300):
    """Exit code and all that the process wrote."""
    output, _ = process.communicate(timeout=timeout)
    return process.returncode, output


def run_in_process(recipe, kill_after=0, kill_with=signal.SIGKILL):
    """Exit code and output of a run in a process of its own."""
    return finish(start(recipe, kill_after, kill_with))
