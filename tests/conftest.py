"""Seeds, and reasons to skip what this machine cannot run."""

import os
import pathlib

import pytest

# XLA spends most of a test of tiny models on making them fast: this process and those
# that it starts go without that.
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")

DATA = pathlib.Path(__file__).resolve().parents[2] / "shared" / "data"


def pytest_runtest_setup(item):
    if item.get_closest_marker("data") and not DATA.exists():
        pytest.skip(f"needs the real images of {DATA}, which is missing")
    if item.get_closest_marker("gpu") and not _has_gpu():
        pytest.skip("needs a GPU")


@pytest.fixture(autouse=True)
def fixed_seed():
    import keras

    keras.utils.set_random_seed(0)


def _has_gpu():
    import keras

    if keras.backend.backend() == "jax":
        import jax

        return jax.default_backend() == "gpu"
    import tensorflow as tf

    return bool(tf.config.list_physical_devices("GPU"))
