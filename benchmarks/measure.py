"""Shared by the benchmarks: paired rounds, workers, machine facts, result files.

The speed of a shared machine changes, so figures taken one after the other do not
compare. Contestants therefore take turns, A B A B, and a comparison is the median of
the ratios within a round, not a ratio of medians.
"""

import datetime
import json
import multiprocessing
import os
import pathlib
import platform
import re
import statistics
import sys
import time
from importlib import metadata

RESULTS = pathlib.Path(__file__).parent / "results"
PACKAGES = (
    "vqzoo",
    "keras",
    "tensorflow",
    "numpy",
    "dm-sonnet",
    "torch",
    "vector-quantize-pytorch",
    "constriction",
    "pillow",
    "gradio",
)


def run(main, **given):
    """Runs a benchmark with the flags of the command line, then exits.

    Args:
        main: function of a namespace of the flags' values; an int that it returns is
            the exit code.
        **given: the flags: a default, what `--help` says, and perhaps all choices.
    """
    # Here, as the processes of contestants import this module too.
    from vqzoo import frame

    flags = [_flag(name, *parts) for name, parts in given.items()]
    usage = sys.modules["__main__"].__doc__
    sys.exit(frame.run(sys.argv, usage, {"Flags": flags}, main))


def _flag(name, default, text, choices=()):
    from vqzoo import frame

    kind = type(default[0]) if isinstance(default, tuple) and default else str
    least = 0 if type(default) is int else None
    return frame.Flag(name, default, text, choices, at_least=least, kind=kind)


def seconds(function):
    """Wall seconds of one call."""
    began = time.perf_counter()
    function()
    return time.perf_counter() - began


def take_turns(contestants, rounds, warmup=1):
    """Measures every contestant once in each round, in their order.

    Args:
        contestants: dict of name to function without arguments that returns what was
            measured: seconds, or a dict of figures.
        rounds: int, rounds that count.
        warmup: int, rounds before them that do not.

    Returns:
        dict of name to a list of what its function returned, one entry per round.
    """
    taken = {name: [] for name in contestants}
    for number in range(warmup + rounds):
        for name, measure in contestants.items():
            taking = measure()
            if number >= warmup:
                taken[name].append(taking)
            _show(f"round {number + 1 - warmup} of {rounds}: {name}")
    _show("")
    return taken


def _show(text):
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def spread(values):
    """Median, least and greatest of a list of numbers: a JSON dict."""
    return {
        "median": statistics.median(values),
        "min": min(values),
        "max": max(values),
        "count": len(values),
    }


def ratio(numerators, denominators):
    """The ratio in each round and their spread: a JSON dict."""
    ratios = [round(n / d, 4) for n, d in zip(numerators, denominators)]
    return {**spread(ratios), "per_round": ratios}


class Worker:
    """A contestant's own process, which idles while others are measured.

    Two libraries in one process compete for its threads.

    Args:
        make: function at the top of a module, called in the process with `arguments`;
            returns a function without arguments that returns seconds, or any number.
        *arguments: for `make`; they must pickle.
    Raises: RuntimeError: if the process ended, with its exit code.
    """

    def __init__(self, make, *arguments):
        context = multiprocessing.get_context("spawn")
        self._pipe, far_end = context.Pipe()
        self._process = context.Process(
            target=_serve, args=(far_end, make, arguments), daemon=True
        )
        self._process.start()
        far_end.close()
        self._receive()

    def __call__(self):
        self._pipe.send(True)
        return self._receive()

    def close(self):
        """Ends the process."""
        self._pipe.send(False)
        self._process.join()

    def _receive(self):
        try:
            return self._pipe.recv()
        except EOFError:
            self._process.join()
            code = self._process.exitcode
            raise RuntimeError(f"a worker process ended, exit code {code}") from None


def _serve(pipe, make, arguments):
    measure = make(*arguments)
    pipe.send(None)
    while pipe.recv():
        pipe.send(measure())


def take_turns_in_workers(makers, rounds):
    """As `take_turns`, with a process for each contestant.

    Args:
        makers: dict of name to the function and its arguments that a `Worker` takes.
        rounds: int, rounds that count.
    """
    workers = {name: Worker(*maker) for name, maker in makers.items()}
    try:
        return take_turns(workers, rounds)
    finally:
        for worker in workers.values():
            worker.close()


def repeated(step):
    """A function that measures the seconds of a step, after one warm-up step."""
    step()

    def timed():
        step()
        return seconds(step)

    return timed


def peak_bytes():
    """Peak memory of this process, without its parent's."""
    status = pathlib.Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s*(\d+)", status)[1]) * 1024


def machine():
    """The machine, the versions and the date: a JSON dict."""
    return {
        "cpu": _value_of("/proc/cpuinfo", "model name") or platform.processor(),
        "cores": len(os.sched_getaffinity(0)),
        "bfloat16": [f for f in ("avx512_bf16", "amx_bf16") if f in _cpu_flags()],
        "memory_gib": _memory_gib(),
        "load_before": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in PACKAGES if _version(name)},
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
    }


def _memory_gib():
    return round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30, 1)


def _cpu_flags():
    return (_value_of("/proc/cpuinfo", "flags") or "").split()


def _value_of(path, key):
    """Value of the first line `key: value` of a file, or None."""
    for line in pathlib.Path(path).read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == key:
            return value.strip()
    return None


def _version(name):
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def read(name):
    """The results of a benchmark, or {} if it has not run."""
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text()) if path.exists() else {}


def write(name, results):
    """Writes the results of a benchmark atomically; returns the path."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    aside = path.with_suffix(f".{os.getpid()}")
    aside.write_text(json.dumps(results, indent=2) + "\n")
    os.replace(aside, path)
    return path


def print_table(header, rows):
    """Prints rows of text in columns."""
    cells = [header, *rows]
    widths = [max(len(str(row[i])) for row in cells) for i in range(len(header))]
    for row in cells:
        print("  ".join(str(c).ljust(w) for c, w in zip(row, widths)).rstrip())
