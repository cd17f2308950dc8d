import numpy as np
import pytest

from vqzoo.datasets import signals


def test_generated_signals_are_split_and_their_events_are_seen():
    splits = signals.load_signals(count=400, time=128)
    assert splits.item == "sequence" and splits.image_shape == (128, 3)
    sizes = [splits.train.size, splits.validation.size, splits.test.size]
    assert sum(sizes) == 400 and sizes[2] == 40
    values, labels = splits.train.arrays()
    assert values.dtype == np.float32 and set(labels) == set(range(5))
    stddev = values.std(axis=(0, 1))
    assert stddev[1] > 20 * stddev[0] > 400 * stddev[2]
    steps = np.abs(np.diff(values / stddev, axis=1)).max(axis=(1, 2))
    # Spikes, bursts and steps have steeper places than signals without an event.
    for kind in (1, 2, 3):
        assert steps[labels == kind].mean() > 1.5 * steps[labels == 0].mean()
    again = signals.load_signals(count=400, time=128)
    assert again.fingerprint == splits.fingerprint


def test_signals_of_a_file_keep_their_labels(tmp_path):
    values = np.random.default_rng(0).normal(size=(40, 6))
    np.savez(tmp_path / "a.npz", signals=values, labels=np.arange(40) % 4)
    splits = signals.load_signals("arrays", data_dir=tmp_path / "a.npz")
    found, labels = splits.test.arrays()
    assert found.shape == (4, 6, 1) and splits.class_names == ("0", "1", "2", "3")
    rows = [np.flatnonzero(np.isclose(values, f[:, 0]).all(1))[0] for f in found]
    assert labels.tolist() == [row % 4 for row in rows]
    np.save(tmp_path / "b.npy", values)
    assert signals.load_signals("arrays", data_dir=tmp_path / "b.npy").class_names == ()


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"z": np.ones((9, 4))}, "named sequences or .*found z"),
        ({"x": np.ones(9)}, r"\(N, time\).*shape=\(9,\)"),
        ({"x": np.diag([np.nan] * 9)}, "9 with NaN or infinity, of the rows 0, 1"),
        ({"x": np.eye(9), "y": np.zeros(8, int)}, r"9 ints as labels.*\(8,\)"),
        ({"x": np.eye(9), "y": np.arange(-1, 8)}, "labels from 0 on.*-1"),
    ],
)
def test_files_of_something_else_are_refused(arrays, message, tmp_path):
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(ValueError, match=message):
        signals.load_signals("arrays", data_dir=tmp_path / "a.npz")
    with pytest.raises(FileNotFoundError, match="--data_dir"):
        signals.load_signals("arrays", data_dir=tmp_path / "b.npz")
    with pytest.raises(ValueError, match="generated or arrays.*sound"):
        signals.load_signals("sound")
