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


def test_a_damaged_state_is_a_clear_error(tmp_path):
    path = tmp_path / "state.npz"
    state.save_arrays(path, [np.ones(300)], {})
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(files.RunError, match="cannot read the saved state"):
        state.load_arrays(path)
