"""Extra memory and time of the nearest-code look-up in a large codebook.

65,536 vectors of 64 values against 65,536 codes: all scores together would be 17 GB.
The figure is the peak resident set size during the first full look-up of a fresh
process minus the size just before it; a look-up of 64 vectors has loaded the libraries
by then. Some codes are compared with a search in float64.

    python -m benchmarks.lookup_memory

About 2 minutes on two cores; Linux only. Modes: `eager`, and `function`: inside a
tf.function, with its tracing.
"""

import pathlib

import numpy as np

from benchmarks import measure

MODES = ("eager", "function")
NUM_CHECKED = 64


def main(flags):
    """Measures both modes and writes lookup_memory.json."""
    sizes = {"vectors": flags.vectors, "codes": flags.codes, "dim": flags.dim}
    machine = measure.machine()
    taken = measure.take_turns(
        {mode: lambda m=mode: _in_new_process(m, sizes) for mode in MODES},
        flags.rounds,
        warmup=0,
    )
    results = {
        **sizes,
        "all_scores_mb": flags.vectors * flags.codes * 4 / 1e6,
        "modes": {mode: _summary(runs) for mode, runs in taken.items()},
        "machine": machine,
    }
    measure.write("lookup_memory", results)
    rows = [
        (mode, *(f"{r[k]['median']:.1f}" for k in ("extra_mb", "seconds")))
        for mode, r in results["modes"].items()
    ]
    measure.print_table(("mode", "extra MB", "seconds"), rows)


def _in_new_process(mode, sizes):
    worker = measure.Worker(make, mode, *sizes.values())
    try:
        return worker()
    finally:
        worker.close()


def _summary(runs):
    return {key: measure.spread([run[key] for run in runs]) for key in runs[0]}


def make(mode, num_vectors, num_codes, dim):
    """The measured look-up: what `measure.Worker` runs in its process.

    Args:
        mode: one of `MODES`.
        num_vectors: int, N.
        num_codes: int, K.
        dim: int, D.

    Returns:
        Function without arguments that returns a dict: `extra_mb` of the first full
        look-up and `seconds` of the second.
    """
    import tensorflow as tf

    from vqzoo.ops import nearest_code

    generator = np.random.default_rng(0)
    vectors = generator.normal(size=(num_vectors, dim)).astype("float32")
    codebook = generator.normal(size=(num_codes, dim)).astype("float32")
    inputs = tf.constant(vectors), tf.constant(codebook)
    look_up = tf.function(nearest_code) if mode == "function" else nearest_code

    def measured():
        look_up(inputs[0][:NUM_CHECKED], inputs[1])
        before = _reset_peak()
        codes = look_up(*inputs)
        extra_mb = (_status_bytes("VmHWM") - before) / 1e6
        _check(vectors, codebook, np.asarray(codes))
        return {
            "extra_mb": extra_mb,
            "seconds": measure.seconds(_full(look_up, inputs)),
        }

    return measured


def _full(look_up, inputs):
    return lambda: np.asarray(look_up(*inputs))


def _reset_peak():
    """Resets the peak resident set size to the current one; returns it in bytes."""
    pathlib.Path("/proc/self/clear_refs").write_text("5")
    return _status_bytes("VmRSS")


def _status_bytes(key):
    for line in pathlib.Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{key}:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"expected {key} in /proc/self/status, found none")


def _check(vectors, codebook, codes):
    """Raises RuntimeError unless the first codes are the nearest, ties aside."""
    rows = vectors[:NUM_CHECKED].astype("float64")
    distances = np.square(codebook.astype("float64")).sum(1) - 2 * rows @ codebook.T
    chosen = distances[np.arange(NUM_CHECKED), codes[:NUM_CHECKED]]
    worst = float((chosen - distances.min(1)).max())
    if worst > 1e-3:
        raise RuntimeError(f"a code is not the nearest: {worst} beyond the least")


if __name__ == "__main__":
    measure.run(
        main,
        rounds=(3, "rounds that count"),
        vectors=(65_536, "that are looked up"),
        codes=(65_536, "K"),
        dim=(64, "D"),
    )
