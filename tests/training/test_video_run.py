import dataclasses

import keras
import numpy as np
import pytest

from tests.helpers import worlds
from vqzoo import training
from vqzoo.runs import films as saving
from vqzoo.runs.folder import Run
from vqzoo.training.kinds import video

pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    folder = tmp_path_factory.mktemp("video")
    worlds.small().model.save(folder / "eye.keras")
    return training.VideoRecipe(
        name="video",
        model=str(folder / "eye.keras"),
        memory="code_lstm",
        smoke=True,
        batch_size=2,
        precision="float32",
        strategy="none",
        tensorboard=False,
        runs_dir=str(folder / "runs"),
    )


def test_films_go_on_from_their_first_frames(recipe):
    folder = recipe.run()
    run = Run(folder)
    metrics = run.metrics()["test"]
    assert set(metrics) == {
        f"{name}_{horizon}"
        for name in ("nats", "psnr", "copy_psnr", "fd_pixels")
        for horizon in (1, 5, 15)
    }
    # Sixteen codes of eight, of a memory that has learned next to nothing.
    assert metrics["nats_5"] == pytest.approx(16 * np.log(8), rel=0.3)
    assert metrics["copy_psnr_1"] > metrics["copy_psnr_15"] > 0
    assert (folder / "film.gif").stat().st_size > 100
    memory = keras.saving.load_model(folder / "memory.keras")
    assert not memory.has_actions and memory.sample(2, seed=0).shape == (2, 4, 16)


def test_a_folder_of_films_is_taken(recipe, tmp_path):
    for number in range(3):
        # Each frame is another one, as a GIF keeps no second one.
        frames = np.full((4 + number, 16, 16, 3), 80 * number, np.uint8)
        frames[:, 0, :, 0] = 255 * np.eye(16, dtype=int)[: len(frames)]
        saving.save(frames, tmp_path / str(number))
    own = dataclasses.replace(
        recipe, name="own", dataset="films", data_dir=str(tmp_path), epochs=1
    )
    metrics = Run(own.run()).metrics()["test"]
    assert set(metrics) == {"nats_1", "psnr_1", "copy_psnr_1"}  # of one film
    assert metrics["copy_psnr_1"] > 15
    longer = dataclasses.replace(own, smoke=False, known_frames=9, num_frames=2)
    with pytest.raises(ValueError, match="--known_frames to be less than the"):
        longer.run()


def test_what_does_not_fit_is_refused(recipe):
    with pytest.raises(ValueError, match="--data_dir is not used by --dataset=moving"):
        dataclasses.replace(recipe, data_dir="here")
    with pytest.raises(ValueError, match="--data_dir to be a folder of films"):
        dataclasses.replace(recipe, dataset="films")


def test_features_of_frames_are_means_of_blocks():
    frames = np.arange(64.0).reshape(1, 8, 8, 1)
    pooled = video._pooled(frames)
    assert pooled.shape == (1, 16)
    np.testing.assert_allclose(pooled[0, :2], [4.5, 6.5])
