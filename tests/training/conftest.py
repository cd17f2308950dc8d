import dataclasses

import numpy as np
import pytest

from tests.helpers.processes import run_in_process
from tests.helpers.small_models import model_of
from vqzoo import training

TINY = training.Recipe(
    name="tiny",
    noise_stddev=(1.0,),
    epochs=2,
    max_steps_per_epoch=5,
    batch_size=4,
    save_steps=1,
    precision="float32",
    strategy="none",
    tensorboard=False,
    smoke=True,
)


@pytest.fixture
def tiny(tmp_path):
    """A recipe of 6 steps in all, which saves its state after every second one."""
    return dataclasses.replace(TINY, runs_dir=str(tmp_path / "runs"))


@pytest.fixture(scope="session")
def whole(tmp_path_factory):
    """The recipe `tiny` elsewhere, after a run of its own process to its end."""
    recipe = dataclasses.replace(TINY, runs_dir=str(tmp_path_factory.mktemp("whole")))
    assert run_in_process(recipe)[0] == 0
    return recipe


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    """Images of two classes in folders, and a small model of them."""
    from PIL import Image

    folder = tmp_path_factory.mktemp("data")
    generator = np.random.default_rng(0)
    for split, count in (("train", 12), ("test", 4)):
        for label in ("cat", "dog"):
            target = folder / "images" / split / label
            target.mkdir(parents=True)
            for i in range(count):
                pixels = generator.integers(0, 256, (16, 16, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(target / f"{i}.png")
    model_of(0).save(folder / "model.keras")
    return folder
