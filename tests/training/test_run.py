import csv
import dataclasses
import json
import pathlib
import signal

import keras
import numpy as np
import pytest

from tests.helpers import shards
from tests.helpers.processes import call, finish, run, start
from tests.helpers.small_models import model_of
from vqzoo import datasets
from vqzoo.measures import held_out
from vqzoo.runs import files, state
from vqzoo.runs.folder import Run
from vqzoo.training import callbacks, fitting
from vqzoo.training.kinds.coding import QuantizerSettings

pytestmark = pytest.mark.usefixtures("no_pictures")


def folder_of(recipe):
    (path,) = pathlib.Path(recipe.runs_dir, recipe.name).iterdir()
    return path


def final_state(recipe):
    return state.load_arrays(folder_of(recipe) / "state.npz")


def books_over_training(recipe):
    return Run(folder_of(recipe)).codebooks()


def history(run_dir):
    return list(csv.DictReader((run_dir / "history.csv").read_text().splitlines()))


def assert_same_state(recipe, other):
    arrays, header = final_state(recipe)
    expected, expected_header = final_state(other)
    assert header["step"] == expected_header["step"] == 6
    for array, value in zip(arrays, expected, strict=True):
        np.testing.assert_array_equal(array, value)
    books, expected_books = map(books_over_training, (recipe, other))
    assert list(books["top"]) == list(expected_books["top"]) == [1, 2, 3, 4, 6]
    for step, book in books["top"].items():
        np.testing.assert_array_equal(book, expected_books["top"][step])
    drop = [{**row, "seconds": 0} for row in header["history"]]
    assert drop == [{**row, "seconds": 0} for row in expected_header["history"]]


def test_a_run_leaves_every_file_and_the_model_loads(whole):
    run_dir = folder_of(whole)
    names = {path.name for path in run_dir.iterdir()}
    assert names == {
        "best.keras",
        "codebook.png",
        "codebooks.npz",
        "codebooks_over_training.png",
        "events",
        "history.csv",
        "last.keras",
        "latents.png",
        "losses.csv",
        "metrics.json",
        "model.keras",
        "recipe.json",
        "reconstructions.png",
        "state.npz",
        "training.png",
    }
    output = pathlib.Path(whole.runs_dir, "output.txt").read_text()
    assert str(run_dir / "model.keras") in output
    model = keras.saving.load_model(run_dir / "model.keras")
    images = datasets.load("photos", image_size=32).test.arrays(limit=16)[0]
    again = held_out.held_out_metrics(model, images)[0]
    measured = Run(run_dir).metrics()["test"]
    assert measured == pytest.approx(again, rel=1e-4)
    assert 0 < measured["top_usage"] <= 1
    rows = history(run_dir)
    assert [row["step"] for row in rows] == ["3", "6"]
    settings = json.loads((run_dir / "recipe.json").read_text())
    assert settings["recipe"]["noise_stddev"] == [1.0]
    assert len(settings["data_fingerprint"]) == 64


def test_the_best_epoch_is_the_model_that_is_delivered(whole):
    run_dir = folder_of(whole)
    rows = history(run_dir)
    best = min(float(row["val_loss"]) for row in rows)
    images = datasets.load("photos", image_size=32).validation.arrays(limit=16)[0]
    model = keras.saving.load_model(run_dir / "model.keras")
    loss = held_out.held_out_metrics(model, images)[0]["loss"]
    assert loss == pytest.approx(best, rel=1e-4)


def test_a_run_says_what_data_it_read(whole):
    folder = pathlib.Path(whole.runs_dir)
    run = next(folder.rglob("recipe.json")).parent
    said = (folder / "output.txt").read_text().splitlines()
    found = json.loads((run / "recipe.json").read_text())["data"]
    assert found["source"] == "photos" and found["shape"] == [32, 32, 3]
    assert said[0] == f"Data: photos, {found['images']:,} images"
    assert said[1].startswith("Splits: train 4,096, validation ")


def test_a_folder_is_described_before_training(tiny, data, capsys):
    recipe = dataclasses.replace(
        tiny, dataset="folder", data_dir=str(data / "images"), layout="split/class"
    )
    fitting.load_data(recipe, 16)
    assert capsys.readouterr().out.splitlines() == [
        f"Data: 32 files in {data / 'images'}, 32 images",
        "Splits: train 22, validation 2, test 8; 2 classes: 0 cat 16, 1 dog 16 "
        "(split/class)",
        "Images: 16 x 16 x 3 (height x width x channels); from 16 x 16",
    ]


def test_validation_is_of_images_from_all_over_the_split(tiny, tmp_path):
    from PIL import Image

    for number in range(120):
        path = tmp_path / "data" / "abc"[number // 40] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (64, 64), (number, 0, 0)).save(path)
    recipe = dataclasses.replace(
        tiny, dataset="folder", data_dir=str(tmp_path / "data"), classes=("a", "b")
    )
    split = fitting.load_data(recipe, 64, validation_fraction=0.5).validation
    assert split.size == 40
    images = [recipe._arrays(split) for _ in range(2)]
    np.testing.assert_array_equal(*images)
    reds = np.round((images[0][:, 0, 0, 0] + 0.5) * 255)
    every = np.round((split.arrays()[0][:, 0, 0, 0] + 0.5) * 255)
    assert len(reds) == 16 and set(reds // 40) == {0, 1}
    assert reds.tolist() == every[np.arange(16) * 40 // 16].tolist()


def test_the_terms_of_the_loss_are_of_images_from_all_over():
    model = model_of(0)
    images = np.zeros((2 * held_out.FEW, 16, 16, 3), "float32")
    images[held_out.FEW :] = np.linspace(-0.5, 0.5, 16)[:, None]
    measures = held_out.held_out_metrics(model, images)[0]
    (top, _), latents = model.quantizers, model.latents(images[::2])
    expected = float(top.loss_terms(latents[0])["commitment"])
    assert measures["top_commitment"] == pytest.approx(expected, rel=1e-5)
    of_first = float(top.loss_terms(model.latents(images[:1])[0])["commitment"])
    assert abs(expected / of_first - 1) > 0.01


@pytest.mark.slow
@pytest.mark.parametrize("step, saved", [(2, 2), (3, 2), (3.5, 3), (5, 4)])
def test_a_killed_run_ends_with_the_weights_of_one_that_was_not(
    tiny, whole, step, saved, capsys
):
    code, output = call(run, tiny, step)
    assert code == -signal.SIGKILL, output
    dataclasses.replace(tiny, resume=True).run()
    assert f"from step {saved}" in capsys.readouterr().out
    assert_same_state(tiny, whole)


@pytest.mark.slow
def test_sigterm_saves_says_so_and_the_run_goes_on(tiny, whole):
    code, output = finish(start(tiny, 4, signal.SIGTERM))
    assert code == 128 + signal.SIGTERM
    assert "SIGTERM: the run stopped at step 5" in output
    assert "--resume" in output
    code, output = finish(start(dataclasses.replace(tiny, resume=True)))
    assert code == 0, output
    assert_same_state(tiny, whole)


def test_resume_without_an_unfinished_run_is_an_error(whole):
    with pytest.raises(files.RunError, match="--resume: no unfinished run"):
        dataclasses.replace(whole, resume=True).run()


def stop_at(monkeypatch, step):
    """Makes the run believe that a SIGTERM came during a step."""
    end_of_batch = callbacks.RunState.on_train_batch_end

    def on_train_batch_end(self, batch, logs=None):
        if self.run.header["step"] + 1 == step:
            self.signal = signal.SIGTERM
        end_of_batch(self, batch, logs)

    monkeypatch.setattr(callbacks.RunState, "on_train_batch_end", on_train_batch_end)


def test_a_loss_that_turns_nan_stops_the_run_and_keeps_the_last_good_state(
    tiny, monkeypatch
):
    def poison(self, batch, logs=None):
        if self.run.header["step"] == 4:
            weight = self.model.trainable_variables[-1]
            weight.assign(np.full(weight.shape, np.nan))

    monkeypatch.setattr(callbacks.RunState, "on_train_batch_begin", poison)
    with pytest.raises(
        files.RunError, match="reconstruction loss is not finite at step 5"
    ):
        tiny.run()
    arrays, header = final_state(tiny)
    assert header["step"] == 4
    assert all(np.isfinite(a).all() for a in arrays if a.dtype.kind == "f")
    # It could go on, but not with another setting, which is named.
    with pytest.raises(files.RunError, match="--learning_rate: 0.0003 in the run, 0.1"):
        dataclasses.replace(tiny, resume=True, learning_rate=0.1).run()


# One epoch: each operation beside the steps is checked too, which takes long.
@pytest.mark.parametrize(
    "model",
    ["vqvae2_32", pytest.param("hierarchical_vae_32", marks=pytest.mark.slow)],
)
def test_check_numerics_lets_a_sound_run_through(tiny, model):
    changes = {"model": model, "check_numerics": True, "epochs": 1}
    if model == "hierarchical_vae_32":  # It has no codes, and refuses their settings.
        plain = {f.name: f.default for f in dataclasses.fields(QuantizerSettings)}
        changes |= {**plain, "model_options": ("groups_per_scale=(1,)",)}
    run_dir = dataclasses.replace(tiny, **changes).run()
    assert history(run_dir)[-1]["step"] == "3"


def test_check_numerics_names_the_operation_that_gave_nan(tiny, monkeypatch):
    def poison(self, batch, logs=None):
        if self.run.header["step"] == 1:
            weight = self.model.get_layer("bottom_projection").bias
            weight.assign(np.full(weight.shape, np.nan))

    monkeypatch.setattr(callbacks.RunState, "on_train_batch_begin", poison)
    with pytest.raises(
        files.RunError, match="--check_numerics: NaN .*bottom_projection"
    ):
        dataclasses.replace(tiny, check_numerics=True).run()


def test_check_numerics_finds_an_image_that_is_not_finite(tiny, monkeypatch):
    batches = datasets.Split.batches

    def poisoned(self, *args, **kwargs):
        nan = float("nan")
        return batches(self, *args, **kwargs).map(
            lambda batch: {**batch, "image": nan * batch["image"]}
        )

    monkeypatch.setattr(datasets.Split, "batches", poisoned)
    with pytest.raises(files.RunError, match="--check_numerics: NaN .* of the data"):
        dataclasses.replace(tiny, check_numerics=True).run()


def test_the_term_that_turned_nan_is_named():
    assert (
        callbacks._broken_term({"reconstruction": 0.1, "loss": np.nan}) == "commitment"
    )
    assert callbacks._broken_term({"reconstruction": np.inf}) == "reconstruction"


def test_a_folder_that_cannot_be_made_names_the_flag(tiny, tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(files.RunError, match="--runs_dir"):
        dataclasses.replace(tiny, runs_dir=str(blocked)).run()


def test_a_batch_larger_than_the_data_names_the_flag(tiny):
    with pytest.raises(ValueError, match="--batch_size"):
        dataclasses.replace(tiny, smoke=False, batch_size=5000).run()


@pytest.mark.slow
def test_a_run_with_an_average_delivers_it_and_goes_on_to_the_bit(
    tiny, tmp_path, monkeypatch
):
    averaged = dataclasses.replace(
        tiny,
        optimizer="adamw",
        weight_decay=0.01,
        clip_norm=1.0,
        accumulation_steps=2,
        average_decay=0.5,
        warmup_share=0.3,
        learning_rate_schedule="cosine",
    )
    whole = dataclasses.replace(averaged, runs_dir=str(tmp_path / "whole"))
    run_dir = whole.run()
    with monkeypatch.context() as patch:
        stop_at(patch, 5)
        with pytest.raises(files.Stopped):
            averaged.run()
    dataclasses.replace(averaged, resume=True).run()
    assert_same_state(averaged, whole)
    model = keras.saving.load_model(run_dir / "last.keras")
    arrays = final_state(whole)[0]
    weight = model.trainable_variables[0].numpy()
    saved = [array for array in arrays if array.shape == weight.shape]
    # The state has the weights as they are trained, and their average as another.
    assert not np.array_equal(saved[0], weight)
    assert any(np.array_equal(array, weight) for array in saved[1:])


@pytest.mark.slow
def test_a_killed_run_on_shards_ends_with_the_weights_of_one_that_was_not(
    tiny, tmp_path, monkeypatch, no_pictures, capsys
):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for number in range(4):
        rows = shards.records(8 * number, 8, size=32)
        shards.tar(tmp_path / f"train-{number}.tar", rows)
    pattern = f"{tmp_path}/train-{{0..3}}.tar"
    tiny = dataclasses.replace(
        tiny, dataset="shards", data_dir=pattern, shuffle_window=6
    )
    whole = dataclasses.replace(tiny, runs_dir=str(tmp_path / "whole"))
    whole.run()
    code, output = call(run, tiny, 5)  # in the second epoch
    assert code == -signal.SIGKILL, output
    dataclasses.replace(tiny, resume=True).run()
    assert "from step 4" in capsys.readouterr().out
    assert_same_state(tiny, whole)
