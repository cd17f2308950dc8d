import dataclasses

import pytest

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
