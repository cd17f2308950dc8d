"""Runs of priors that are stopped and gone on with."""

import dataclasses

import keras
import numpy as np
import pytest

from vqzoo.runs import files
from vqzoo.training import callbacks


def check_it_ends_the_same(recipe, finished, part, step, monkeypatch):
    """Stops a run in a part of it, goes on, and compares its priors with another's.

    Args:
        recipe: recipe of priors of two tiers.
        finished: `pathlib.Path` of a run of the same recipe that was not stopped.
        part: tuple of str, the end of the path of the part.
        step: int, of the part, before which the run is stopped.
        monkeypatch: fixture.
    """
    end_of_batch = callbacks.RunState.on_train_batch_end

    def stop_there(self, batch, logs=None):
        at_part = self.run.path.parts[-len(part) :] == part
        if at_part and self.run.header["step"] == step:
            self.signal = 15
        end_of_batch(self, batch, logs)

    with monkeypatch.context() as patch:
        patch.setattr(callbacks.RunState, "on_train_batch_end", stop_there)
        with pytest.raises(files.Stopped, match="--resume"):
            recipe.run()
    resumed = dataclasses.replace(recipe, resume=True).run()
    for tier in ("top", "bottom"):
        first, second = (
            keras.saving.load_model(each / f"{tier}.keras", compile=False)
            for each in (finished, resumed)
        )
        for expected, received in zip(first.weights, second.weights):
            np.testing.assert_array_equal(
                keras.ops.convert_to_numpy(received),
                keras.ops.convert_to_numpy(expected),
            )
