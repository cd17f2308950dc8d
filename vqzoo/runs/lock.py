"""One process at a time writes a run."""

import contextlib
import os
import platform

import filelock

from vqzoo.runs import files

LOCK = "run.lock"


def hold(folder):
    """Keeps other processes off a run, and removes what one that was killed left.

    The system releases the lock of a process that ends, however it does.

    Args:
        folder: `pathlib.Path`, of the run.

    Returns:
        The lock, for `release`.

    Raises:
        RunError: if another process has it, with that process, or the folder cannot be
            written.
    """
    path = folder / LOCK
    lock = filelock.FileLock(path)
    with files.writing(path):
        try:
            lock.acquire(blocking=False)
        except filelock.Timeout as error:  # which is an OSError
            owner = path.read_text() or "another process"
            raise files.RunError(
                f"expected a run that no other process is at, received {folder}, which "
                f"{owner} writes: wait until it ends, or end it"
            ) from error
        path.write_text(f"process {os.getpid()} on {platform.node()}")
    files.remove_left(folder)
    return lock


def release(lock):
    """Lets other processes at a run."""
    # While it is held: nobody waits for it, so that none is left with a file without
    # a name.
    with contextlib.suppress(OSError):
        os.unlink(lock.lock_file)
    lock.release()
