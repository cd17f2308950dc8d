import os

from vqzoo.training import devices


def test_a_process_on_one_core_says_so():
    cores = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(cores)})
        assert devices.describe().startswith("1 core, ")
    finally:
        os.sched_setaffinity(0, cores)
    assert devices.describe().startswith(f"{len(cores)} core")
