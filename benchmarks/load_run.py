"""Many clients of one server: lost and crossed answers, latency, memory.

    python -m benchmarks.load_run [--artifact=export/vqvae2_noisy]
    python -m benchmarks.load_run --hosts=host:8500,http://host:8501 --model=my_model

Clients in threads send batches of mixed sizes over gRPC and REST; one request in ten is
malformed in one of three ways. Each answer must match its images, and each error must
name what is wrong with its request. Without `--hosts`, the tests' endpoint serves the
artifact on the loopback, and its memory is measured; `--pid` names another local server
to measure. Most of the time goes into the JSON of REST; `--requests=1000` is a first
look.
"""

import collections
import contextlib
import json
import pathlib
import queue
import subprocess
import sys
import threading
import time

import numpy as np

from benchmarks import measure
from vqzoo.serving import Client, ServingError

RESULTS = "load_run"
ENDPOINT = pathlib.Path(__file__).parents[1] / "tests" / "serving" / "endpoint.py"
# A quarter of the clients use REST, whose requests of pixels are ten times as long.
REST_EVERY = 4
BATCH_SIZES = (1, 1, 1, 2, 4, 8, 16, 32)
MALFORMED_EVERY = 10
POOL = 256  # images from which batches are drawn
# Rounding at another batch size occasionally moves a latent to another code.
MAX_DIFFERING = 0.01
SETTLED = 0.2  # share of the requests after which memory has to stay


class Known:
    """Images, their codes and reconstructions, requested before the load begins.

    Args:
        client: `Client`.
    """

    def __init__(self, client):
        shape = client.signature("encode").inputs["images"].shape[1:]
        coarse = np.random.default_rng(0).integers(0, 256, (POOL, 4, 4, shape[-1]))
        repeats = (-(-shape[0] // 4), -(-shape[1] // 4))
        images = coarse.repeat(repeats[0], axis=1).repeat(repeats[1], axis=2)
        self.images = images[:, : shape[0], : shape[1]].astype("uint8")
        self.codes = client.encode(self.images)
        self.decoded = client.decode(self.codes)


class Load:
    """The requests of a run by number, and their outcomes."""

    def __init__(self, known, count):
        self.known = known
        self.count = count
        self.numbers = queue.SimpleQueue()
        for number in range(count):
            self.numbers.put(number)
        self.outcomes = collections.Counter()
        self.examples = {}
        self.latencies = collections.defaultdict(list)
        self.lock = threading.Lock()

    def work(self, client):
        """Sends requests until there are none left."""
        while True:
            try:
                number = self.numbers.get_nowait()
            except queue.Empty:
                return
            random = np.random.default_rng(number)
            wrong = number % MALFORMED_EVERY == 0
            began = time.perf_counter()
            kind, outcome = (self.malformed if wrong else self.good)(client, random)
            seconds = time.perf_counter() - began
            with self.lock:
                outcome, _, example = outcome.partition(": ")
                self.outcomes[outcome] += 1
                self.latencies[kind].append(seconds)
                if outcome in ("lost", "crossed"):
                    self.examples.setdefault(outcome, f"{kind}: {example}")

    def good(self, client, random):
        """Sends images or codes: `"answered"`, or what is wrong with the answer."""
        rows = random.integers(0, POOL, random.choice(BATCH_SIZES))
        name = random.choice(["encode", "decode", "reconstruct"])
        kind = f"{_protocol(client)}, {len(rows)} rows"
        known, codes = self.known, [c[rows] for c in self.known.codes]
        try:
            if name == "encode":
                received, expected = client.encode(known.images[rows]), codes
                right = all(map(_alike, received, expected))
            elif name == "decode":
                right = _alike(client.decode(codes), known.decoded[rows], 2)
            else:
                received = client.reconstruct(known.images[rows])
                right = _alike(received, known.decoded[rows], 2)
        except ServingError as error:
            return kind, f"lost: {error}"
        return kind, "answered" if right else "crossed: another's answer"

    def malformed(self, client, random):
        """Sends a malformed request; `"refused"` if the error names its own reason."""
        what = random.choice(["code", "shape", "file"])
        mark = int(random.integers(10_000, 2**31))
        kind = f"{_protocol(client)}, malformed"
        try:
            if what == "code":
                codes = [c[:2].copy() for c in self.known.codes]
                codes[0].flat[-1] = mark
                client.decode(codes)
            elif what == "shape":
                height, width = 1 + mark % 7, 33 + mark % 999
                mark = f"{height},{width},"
                client.encode(np.zeros((1, height, width, 3), "uint8"))
            else:
                mark = 1 + mark % 99_999
                client.encode([b"x" * mark])
        except ServingError as error:
            if error.code != "INVALID_ARGUMENT":
                return kind, f"lost: {error}"
            own = str(mark) in error.reason
            return kind, "refused" if own else f"crossed: {mark} got {error.reason}"
        return kind, "crossed: answered what is malformed"


def _protocol(client):
    return "REST" if "://" in client.host else "gRPC"


def _alike(received, expected, levels=0):
    """Whether an answer equals the expected one, except for a few values."""
    if received.shape != expected.shape:
        return False
    apart = np.abs(received.astype(int) - expected) > levels
    return bool(apart.reshape(len(received), -1).mean(axis=1).max() <= MAX_DIFFERING)


@contextlib.contextmanager
def endpoint(artifact):
    """Addresses and the process of an endpoint that serves an artifact."""
    command = [sys.executable, str(ENDPOINT), str(artifact)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        ports = json.loads(process.stdout.readline())
        try:
            addresses = (
                f"127.0.0.1:{ports['grpc']}",
                f"http://127.0.0.1:{ports['rest']}",
            )
            yield addresses, process.pid
        finally:
            process.terminate()


def resident_bytes(pid):
    """Resident memory of a process."""
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    (line,) = (line for line in text.splitlines() if line.startswith("VmRSS"))
    return 1024 * int(line.split()[1])


def run(flags, hosts, model, pid):
    """Puts the load on a server: a JSON dict."""
    of_rest = [host for host in hosts if "://" in host] or hosts
    others = [host for host in hosts if "://" not in host] or hosts
    with Client(others[0], model, timeout=120) as client:
        load = Load(Known(client), flags.requests)
    clients = [
        Client((of_rest if n % REST_EVERY == 0 else others)[0], model, timeout=120)
        for n in range(flags.clients)
    ]
    threads = [threading.Thread(target=load.work, args=(each,)) for each in clients]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    memory = watch(load, threads, pid)
    seconds = time.perf_counter() - began
    for client in clients:
        client.close()
    return {"clients": len(clients), **summary(load, memory, seconds)}


def watch(load, threads, pid):
    """Waits for the threads; memory by number of finished requests."""
    memory = {}
    while any(thread.is_alive() for thread in threads):
        if pid:
            memory[load.count - load.numbers.qsize()] = resident_bytes(pid)
        time.sleep(0.2)
    if pid:
        memory[load.count] = resident_bytes(pid)
    return memory


def summary(load, memory, seconds):
    """Outcomes of requests, latencies and memory: a JSON dict."""
    done = sum(load.outcomes.values())
    figures = {
        "requests": load.count,
        "answered": load.outcomes["answered"],
        "refused": load.outcomes["refused"],
        "lost": load.outcomes["lost"] + load.count - done,
        "crossed": load.outcomes["crossed"],
        "examples": load.examples,
        "seconds": round(seconds, 1),
        "requests_per_second": round(done / seconds, 1),
        "latency_ms": {
            kind: _percentiles(values)
            for kind, values in sorted(load.latencies.items())
        },
    }
    if memory:
        settled = min(n for n in memory if n >= SETTLED * load.count)
        figures["memory"] = {
            "requests_before": settled,
            "bytes_before": memory[settled],
            "bytes_at_the_end": memory[load.count],
            "growth": round(memory[load.count] / memory[settled] - 1, 5),
        }
    return figures


def _percentiles(values):
    values = np.array(values) * 1e3
    names = {"p50": 50, "p90": 90, "p99": 99, "max": 100}
    figures = {k: round(float(np.percentile(values, q)), 2) for k, q in names.items()}
    return {"count": len(values), **figures}


def main(flags):
    """Runs the load, writes load_run.json; fails on lost or crossed answers."""
    artifact = pathlib.Path(flags.artifact)
    machine = measure.machine()
    with contextlib.ExitStack() as stack:
        hosts, pid = flags.hosts, flags.pid
        if not hosts:
            hosts, pid = stack.enter_context(endpoint(artifact))
        results = run(flags, hosts, flags.model or artifact.resolve().name, pid)
    server = "given" if flags.hosts else "endpoint of the tests"
    measure.write(RESULTS, {"server": server, **results, "machine": machine})
    print(json.dumps(results, indent=2))
    return int(results["lost"] or results["crossed"])


if __name__ == "__main__":
    measure.run(
        main,
        artifact=("export/vqvae2_noisy", "what the endpoint serves"),
        hosts=((), "addresses of a server; empty: a new endpoint's"),
        model=("", "served name; empty: the artifact's"),
        pid=(0, "process whose memory is read; 0: the endpoint's"),
        requests=(10_000, "requests in all, 100 at least"),
        clients=(16, "clients at once"),
    )
