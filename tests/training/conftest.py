import contextlib
import dataclasses

import numpy as np
import pytest

from tests.helpers.processes import without_pictures
from tests.helpers.small_models import model_of
from vqzoo import training
from vqzoo.training import records

TINY = training.Recipe(
    name="tiny",
    model="vqvae2_32",
    model_options=("num_residual_blocks=1",),
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
    """A recipe as `tiny` after its run, with a row in losses.csv for each step.

    What the run printed is `output.txt` beside it.
    """
    folder = tmp_path_factory.mktemp("whole")
    recipe = dataclasses.replace(TINY, runs_dir=str(folder), tensorboard=True)
    with pytest.MonkeyPatch.context() as patch, open(folder / "output.txt", "w") as out:
        patch.setattr(records, "LOSS_STEPS", 1)
        with contextlib.redirect_stdout(out):
            recipe.run()
    return recipe


@pytest.fixture
def no_pictures(monkeypatch):
    """Runs of the test leave no pictures."""
    without_pictures(monkeypatch.setattr)


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
