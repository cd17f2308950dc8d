"""What a class's row for the conformance suite is made of.

A test file that has `CASES`, a list of `Case`, or `REFUSED`, a list of pairs of a
function that must fail and the message of its ValueError, takes part in
`tests/test_conformance.py`.
"""

import dataclasses
import importlib
import pathlib
import sys
from collections.abc import Callable

import keras
import numpy as np

from vqzoo.layers import NoisyAssignment, VectorQuantizerEMA

FOLDERS = ("layers", "quantizers", "metrics", "models", "priors")
FEW_CHANNELS = {"num_channels": 8, "residual_channels": 4, "num_residual_blocks": 1}


@dataclasses.dataclass(frozen=True, eq=False)
class Case:
    """A way to make an object and to call it.

    `random` says whether a training call draws random numbers; `unmoved` are parts of
    the paths of weights that a first step cannot move: what stands behind a gate that
    starts shut, and the outputs of scales that are not the last.
    """

    name: str
    make: Callable
    inputs: tuple
    kwargs: dict = dataclasses.field(default_factory=dict)
    random: bool = False
    unmoved: tuple = ()

    def __str__(self):
        return self.name

    @property
    def takes_floats(self):
        return self.inputs[0].dtype == np.float32


def random_floats(*shape, scale=1.0):
    generator = np.random.default_rng(sum(shape))
    return (scale * generator.normal(size=shape)).astype("float32")


def random_codes(*shape):
    return np.random.default_rng(1).integers(4, size=shape).astype("int32")


def random_images(*shape, scale=0.3):
    return np.clip(random_floats(*shape, scale=scale), -0.5, 0.5)


def random_pair():
    """Two batches of images to compare."""
    return tuple(random_images(b, 12, 12, 3, scale=0.2)[:2] for b in (2, 3))


def uniform():
    return keras.initializers.RandomUniform(-1, 1, seed=1)


def small_ema(tier=0, **options):
    return VectorQuantizerEMA(4 + tier, 2 + tier, seed=1, **options)


def small_noisy(tier=0):
    noise = NoisyAssignment(1.0, boundary="clip", seed=2)
    return small_ema(tier, assignment=noise)


def collected(name):
    """What the test files of each folder list under a name: {folder: [rows]}."""
    tests = pathlib.Path(__file__).parents[1]
    rows = {folder: [] for folder in FOLDERS}
    for folder in FOLDERS:
        for path in sorted((tests / folder).rglob("test_*.py")):
            # Not by import: on JAX the other files would only load TensorFlow.
            if f"\n{name} = " in path.read_text(encoding="utf-8"):
                rows[folder] += getattr(_test_module(path), name)
    return rows


def _test_module(path):
    # As pytest imports it, so that it is one module for both.
    if str(path.parent) not in sys.path:
        sys.path.insert(0, str(path.parent))
    return importlib.import_module(path.stem)


def as_model(case):
    """A model that can be fitted and saved: a layer stands behind a dense one."""
    made = case.make()
    if isinstance(made, keras.Model):
        return made
    (example,) = case.inputs
    inputs = keras.Input(example.shape[1:], dtype=example.dtype)
    hidden = inputs
    if case.takes_floats:
        hidden = keras.layers.Dense(example.shape[-1], name="before")(inputs)
    return keras.Model(inputs, made(hidden, **case.kwargs), name="wrapper")
