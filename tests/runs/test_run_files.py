import errno
import os

import numpy as np
import pytest

from vqzoo.runs import files, state


def test_a_full_disk_is_a_clear_error_and_leaves_the_old_file(tmp_path):
    path = tmp_path / "state.npz"
    state.save_arrays(path, [np.ones(3)], {"step": 1})
    with pytest.raises(files.RunError, match="cannot write .*No space left"):
        with files.replacing(path) as aside:
            aside.write_bytes(b"half")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert state.load_arrays(path)[1] == {"step": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["state.npz"]


def version_25(data):
    """A zip file that asks for version 25.5 of what unpacks it."""
    place = data.rindex(b"PK\1\2") + 6
    return data[:place] + b"\xff" + data[place + 1 :]


@pytest.mark.parametrize(
    "damage", [lambda data: data[:100], lambda data: b"", version_25], ids="abc"
)
def test_a_damaged_state_is_a_clear_error(damage, tmp_path):
    path = tmp_path / "state.npz"
    state.save_arrays(path, [np.ones(300)], {"step": 7})
    assert state.peek(path)["step"] == 7
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(files.RunError, match="cannot read the saved state .* begin"):
        state.load_arrays(path)
    assert state.peek(path)["step"] == 0


@pytest.mark.parametrize("header", [{}, [], {"step": "7"}, None])
def test_a_state_that_says_no_step_is_a_clear_error(header, tmp_path):
    state.save_arrays(tmp_path / "state.npz", [np.ones(3)], header)
    with pytest.raises(files.RunError, match="its header says no step"):
        state.load_arrays(tmp_path / "state.npz")


def test_a_name_of_250_bytes_is_written_aside_under_a_short_one(tmp_path):
    path = tmp_path / f"{'ä' * 123}.npz"
    state.save_arrays(path, [np.ones(3)], {"step": 1})
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
