"""Seeds, what runs in one process, and reasons to skip what cannot run here."""

import importlib.util
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest.mock

import numpy as np
import pytest

# XLA spends most of a test of tiny models on making them fast: this process and those
# that it starts go without that.
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
# The same for TensorFlow.
os.environ.setdefault(
    "XLA_FLAGS",
    "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true",
)
# And they share what is compiled: two test processes run the same small programs.
if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
    COMPILED = tempfile.TemporaryDirectory(prefix="vqzoo-tests-")
    os.environ["JAX_COMPILATION_CACHE_DIR"] = COMPILED.name
    os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
    os.environ["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] = "-1"
# Each of several test processes has a core: more threads would wait for each other.
if "PYTEST_XDIST_WORKER" in os.environ:
    for limit in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
        os.environ.setdefault(limit, "1")
# Those of scikit-learn wait busily: a map of t-SNE took 40 times as long.
os.environ.setdefault("OMP_NUM_THREADS", "1")

DATA = pathlib.Path(__file__).resolve().parents[2] / "shared" / "data"

LINES = pathlib.Path(__file__).with_name("known_skips.txt").read_text().splitlines()
KNOWN_SKIPS = [line for line in LINES if line and not line.startswith("#")]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Tests that share a fixture of their file or folder go to one process."""
    for item in items:
        if item.get_closest_marker("xdist_group"):
            continue
        fixtures = [named[-1] for named in item._fixtureinfo.name2fixturedefs.values()]
        places = {
            fixture.baseid
            for fixture in fixtures
            if fixture.scope in ("module", "session") and fixture.baseid
        }
        # What stands in this file, such as `run_python`, is cheap.
        if places := places - {"tests"}:
            item.add_marker(pytest.mark.xdist_group(min(places)))


@pytest.hookimpl(trylast=True)
def pytest_collection_finish(session):
    # pytest-xdist 3.8 marks groups in what pytest 9.2 no longer has, without a word.
    if session.config.getoption("loadgroup", False):
        for item in session.items:
            if item.get_closest_marker("xdist_group") and "@" not in item.nodeid:
                raise pytest.UsageError("this pytest and pytest-xdist lose groups")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    return _without_unknown_skips((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector):
    return _without_unknown_skips((yield))


def _without_unknown_skips(report):
    """A report that fails where CI is set and nobody knows why a test is skipped."""
    if "CI" in os.environ and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2].removeprefix("Skipped: ")
        if not any(re.fullmatch(known, reason) for known in KNOWN_SKIPS):
            report.outcome = "failed"
            report.longrepr = f"{reason!r} is not a line of tests/known_skips.txt"
    return report


def pytest_runtest_setup(item):
    if item.get_closest_marker("data") and not DATA.exists():
        pytest.skip(f"needs the real images of {DATA}, which is missing")
    if item.get_closest_marker("gpu") and not _has_gpu():
        pytest.skip("needs a GPU")


@pytest.fixture(autouse=True, scope="session")
def kept_kernels():
    """Leaves out what `set_random_seed` does to TensorFlow: dropping all its kernels.

    Nothing here draws from a seed of TensorFlow's own.
    """
    with unittest.mock.patch("tensorflow.random.set_seed"):
        yield


@pytest.fixture(autouse=True)
def fixed_seed():
    import keras

    keras.utils.set_random_seed(0)


@pytest.fixture(scope="session")
def run_python():
    """Function that runs a new Python process, which finds vqzoo, and returns it."""
    import vqzoo

    package = str(pathlib.Path(vqzoo.__file__).parents[1])
    path = os.pathsep.join(filter(None, [package, os.environ.get("PYTHONPATH")]))

    def run(*arguments, backend):
        if importlib.util.find_spec(backend) is None:
            pytest.skip(f"{backend} is not installed")
        finished = subprocess.run(
            [sys.executable, *map(str, arguments)],
            env={**os.environ, "KERAS_BACKEND": backend, "PYTHONPATH": path},
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert finished.returncode == 0, finished.stderr[-3000:]
        return finished

    return run


@pytest.fixture(scope="session")
def load_elsewhere(run_python):
    """Function that lets a new process load every file of a folder (fresh_process)."""

    def load(folder, backend):
        import keras

        from tests.helpers import fresh_process, processes

        if backend == keras.backend.backend():
            code, output = processes.call(fresh_process.main, folder)
            assert code == 0, output[-3000:]
        else:
            script = fresh_process.__file__
            run_python("-W", "error::UserWarning", script, folder, backend=backend)
        outputs = folder.glob("*.outputs.npz")
        return {p.name.removesuffix(".outputs.npz"): dict(np.load(p)) for p in outputs}

    return load


def _has_gpu():
    import keras

    if keras.backend.backend() == "jax":
        import jax

        return jax.default_backend() == "gpu"
    if keras.backend.backend() == "torch":
        import torch

        return torch.cuda.is_available()
    import tensorflow as tf

    return bool(tf.config.list_physical_devices("GPU"))
