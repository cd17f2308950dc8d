import types

import numpy as np
import pytest

from vqzoo import layers
from vqzoo.runs.folder import Run
from vqzoo.training import records


def model_with(*quantizers):
    for layer in quantizers:
        if not layer.built:
            layer.build((None, 2, 2, 3))
    names = [f"tier {n}" for n in range(len(quantizers))]
    return types.SimpleNamespace(tier_names=names, quantizers=quantizers)


def train(run_dir, model, first, last, num_steps=100):
    run = Run(run_dir)
    run.header["step"] = first - 1
    keeper = records.Snapshots(run, num_steps)
    keeper.set_model(model)
    for step in range(first, last + 1):
        model.quantizers[0].codebook.assign(np.full((4, 3), step))
        keeper.on_train_batch_end(step)
        run.header["step"] = step


@pytest.fixture
def learned():
    return layers.VectorQuantizer(4, 3)


def test_steps_lie_ever_farther_apart_and_hold_their_codes(learned, tmp_path):
    train(tmp_path, model_with(learned), 1, 100)
    kept = Run(tmp_path).codebooks()["tier 0"]
    assert list(kept) == [1, 3, 6, 16, 40, 100]
    for step, book in kept.items():
        np.testing.assert_array_equal(book, np.full((4, 3), step))


def test_a_restored_run_drops_what_came_after_its_state(learned, tmp_path):
    train(tmp_path, model_with(learned), 1, 50)
    train(tmp_path, model_with(learned), 11, 12)
    assert list(Run(tmp_path).codebooks()["tier 0"]) == [1, 3, 6, 16, 40]
    train(tmp_path, model_with(learned), 11, 16)
    assert list(Run(tmp_path).codebooks()["tier 0"]) == [1, 3, 6, 16]


def test_codes_that_are_no_weights_or_too_many_are_left_out(learned, tmp_path):
    large = layers.VectorQuantizer(records.LARGEST + 1, 3)
    train(
        tmp_path,
        model_with(learned, layers.FiniteScalarQuantizer((3, 3, 3)), large),
        1,
        1,
    )
    assert list(Run(tmp_path).codebooks()) == ["tier 0"]


def test_a_run_without_snapshots_has_none(tmp_path):
    assert Run(tmp_path).codebooks() == {}
