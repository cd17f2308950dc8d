"""A run's folder, its artifact, and TensorFlow's C library."""

import json
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from tests.helpers.small_models import METRICS, SETTINGS, make_model
from vqzoo import export


@pytest.fixture(scope="session")
def run_dir(tmp_path_factory):
    """A finished run: its model has the state of an optimizer."""
    folder = tmp_path_factory.mktemp("runs")
    model = make_model("two tiers")
    model.compile("adam", loss="mse")
    model.optimizer.build(model.trainable_variables)
    model.save(folder / "model.keras")
    (folder / "metrics.json").write_text(json.dumps(METRICS))
    (folder / "recipe.json").write_text(json.dumps(SETTINGS))
    return folder


@pytest.fixture(scope="session")
def artifact(run_dir, tmp_path_factory):
    """The folder of an exported artifact."""
    target = tmp_path_factory.mktemp("export") / "small-model"
    return export.export(run_dir, target)[0]


@pytest.fixture(scope="session")
def run_c_api(tmp_path_factory):
    """A function that answers requests with TensorFlow's C library alone."""
    script = pathlib.Path(__file__).parents[1] / "helpers/c_api.py"

    def run(saved_model, requests):
        folder = tmp_path_factory.mktemp("c_api")
        arrays = {
            f"{name}|{signature}|{argument}": array
            for name, (signature, arguments) in requests.items()
            for argument, array in arguments.items()
        }
        np.savez(folder / "requests.npz", **arrays)
        paths = (saved_model, folder / "requests.npz", folder / "results.npz")
        subprocess.run([sys.executable, script, *paths], check=True)
        with np.load(folder / "results.npz", allow_pickle=True) as results:
            return dict(results)

    return run
