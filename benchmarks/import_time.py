"""Time of `import vqzoo` beyond importing Keras.

Each round starts a fresh interpreter for each backend, imports Keras and then vqzoo,
and measures the wall seconds of each statement.

    python -m benchmarks.import_time

About 2 minutes on two cores. `--explain` prints the slowest modules that vqzoo adds.
"""

import os
import subprocess
import sys

from benchmarks import measure

BACKENDS = ("tensorflow", "jax")
PROGRAM = """
import time
times = [time.perf_counter()]
import keras
times.append(time.perf_counter())
import vqzoo
times.append(time.perf_counter())
print(times[1] - times[0], times[2] - times[1])
"""


def main(flags):
    """Measures the backends and writes import_time.json."""
    if flags.explain:
        for backend in flags.backends:
            _explain(backend)
        return
    machine = measure.machine()
    contestants = {b: lambda b=b: _import_seconds(b) for b in flags.backends}
    taken = measure.take_turns(contestants, flags.rounds)
    backends = {backend: _summary(runs) for backend, runs in taken.items()}
    measure.write("import_time", {"backends": backends, "machine": machine})
    rows = [
        (b, f"{r['keras']['median']:.2f}", f"{r['vqzoo']['median']:.3f}")
        for b, r in backends.items()
    ]
    measure.print_table(("backend", "keras, s", "vqzoo after it, s"), rows)


def _import_seconds(backend):
    output = _python(backend, "-c", PROGRAM).stdout
    keras, vqzoo = map(float, output.split()[-2:])
    return {"keras": keras, "vqzoo": vqzoo}


def _python(backend, *arguments):
    return subprocess.run(
        [sys.executable, *arguments],
        env={**os.environ, "KERAS_BACKEND": backend},
        capture_output=True,
        text=True,
        check=True,
    )


def _summary(runs):
    return {key: measure.spread([run[key] for run in runs]) for key in runs[0]}


def _explain(backend, count=15):
    """Prints the modules that take longest, with what they import, in seconds."""
    without = _cumulative_seconds(backend, "import keras")
    added = {
        module: took
        for module, took in _cumulative_seconds(backend, "import keras, vqzoo").items()
        if module not in without
    }
    slowest = sorted(added.items(), key=lambda pair: -pair[1])[:count]
    rows = [(backend, module, f"{took:.3f}") for module, took in slowest]
    measure.print_table(("backend", "module", "s, with its imports"), rows)


def _cumulative_seconds(backend, statement):
    lines = _python(backend, "-X", "importtime", "-c", statement).stderr.splitlines()
    fields = [line.split("|") for line in lines if line.startswith("import time:")]
    return {f[2].strip(): int(f[1]) / 1e6 for f in fields[1:]}


if __name__ == "__main__":
    measure.run(
        main,
        rounds=(11, "rounds that count"),
        backends=(BACKENDS, "of Keras", BACKENDS),
        explain=(False, "print the slowest modules instead"),
    )
