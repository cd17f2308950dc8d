"""Encoding a collection: speed beside the bare encoder and PyTorch, memory, kills.

    python -m benchmarks.encode --data=cifar10_jpeg.tar.xz --torch_python=PYTHON

The collection is CIFAR-10 as JPEG in tar shards (.jpg and .cls), the model
`export/vqvae2`. `rate`, in two precisions: encoding from shards to Parquet, the encoder
in a tight loop on decoded arrays, and a plain loop over a PyTorch `DataLoader` with 2
workers and the same network, in turns. `memory`: 1,000,000 images, the set repeated,
with a small network. `kills`: a job that is killed 20 times at random. `costs`:
estimated hours and money. Each writes its section of results/encode.json. Needs the
extra `beam`; 15 minutes on two cores.
"""

import contextlib
import heapq
import io
import json
import pathlib
import shutil
import sys
import tempfile
import time

import numpy as np

from benchmarks import encode_peer, measure
from benchmarks.encode_endurance import kills, memory
from benchmarks.encode_shards import SHARD, make_shards

RESULT = measure.RESULTS / "encode.json"
MODEL = "export/vqvae2"
KINDS = ("float32", "bfloat16")
FLAGS = {
    "data": ("", "cifar10_jpeg.tar.xz, or the folder that was made of it before"),
    "work": ("", "folder for shards; empty: one that is removed"),
    "parts": (("rate", "memory", "kills", "costs"), "what is measured"),
    "torch_python": ("", "interpreter with PyTorch; empty: no such loop"),
    "rounds": (3, "that count, of the rates"),
    "images": (25_000, "of each rate"),
    "many": (1_000_000, "images of the memory"),
    "kills": (20, "how often the job is killed"),
}


def job_of(pattern, output, **options):
    """An encoding by `MODEL`."""
    from vqzoo.encode.job import Job

    return Job(model=MODEL, pattern=pattern, output=str(output), **options)


def rate(flags, shards, work):
    """Images a second of the whole, of the encoder alone, and of PyTorch."""
    shards = shards[: -(-flags.images // SHARD)]
    encode_peer.extract(shards, work / f"files_{len(shards)}")
    found = {kind: _rates(flags, shards, work, kind) for kind in KINDS}
    records = [
        json.loads(path.read_text())
        for path in sorted((work / "out" / "_state").glob("0*.json"))
    ]
    return {
        "images": sum(record["images"] for record in records),
        "seconds_a_shard": [record["seconds"] for record in records],
        "peak_bytes": measure.peak_bytes(),
        **found,
    }


def _rates(flags, shards, work, kind):
    """Rates in one precision, by the clock and of processors."""
    from vqzoo.encode import pipeline
    from vqzoo.encode.encoder import Encoder
    from vqzoo.encode.job import Job
    from vqzoo.encode.units import units_of

    pattern = ",".join(shards)
    encoder, units = Encoder(MODEL, kind), units_of(pattern)
    job = job_of(pattern, work / "out", precision=kind)
    shape, arrays = encoder.model.item_shape, []
    for unit in units:
        arrays += [batch for _, batch in job._batches(unit, shape, [])]
    count = sum(map(len, arrays))

    def whole():
        shutil.rmtree(work / "out", ignore_errors=True)
        return taking(lambda: pipeline.run(job, encoder=encoder))

    def alone():
        return taking(lambda: [encoder(batch) for batch in arrays])

    def without_encoder():
        """Read, decoded and written, with codes that are there."""
        codes = encoder(arrays[0])

        class Ready:
            tiers, model, alone = encoder.tiers, encoder.model, encoder.alone
            fingerprint = "none"

            def __call__(self, batch):
                return {name: grids[: len(batch)] for name, grids in codes.items()}

        shutil.rmtree(work / "none", ignore_errors=True)
        job = Job(model="", pattern=pattern, output=str(work / "none"))
        return taking(lambda: pipeline.run(job, encoder=Ready()))

    contestants = {"alone": alone, "whole": whole, "without_encoder": without_encoder}
    peer = None
    if flags.torch_python:
        files = work / f"files_{len(shards)}"
        contestants["torch"] = peer = encode_peer.Peer(flags.torch_python, files, kind)
    try:
        taken = measure.take_turns(contestants, flags.rounds)
    finally:
        if peer:
            peer.close()
    found = {}
    # Of a core that others use too, the seconds that the process had say more.
    for clock in ("wall", "processor"):
        seconds = {name: [one[clock] for one in each] for name, each in taken.items()}
        found[clock] = {
            "images_a_second": {
                name: measure.spread([round(count / s, 1) for s in each])
                for name, each in seconds.items()
            },
            "whole_of_others": {
                name: measure.ratio(each, seconds["whole"])
                for name, each in seconds.items()
                if name not in ("whole", "without_encoder")
            },
        }
    return found


def taking(function):
    """Seconds of a call, by the clock and of processors."""
    began = time.perf_counter(), time.process_time()
    function()
    return {
        "wall": time.perf_counter() - began[0],
        "processor": time.process_time() - began[1],
    }


def costs(flags, shards, work):
    """Multiply-adds, rates, hours and money for 1e9 images; stragglers and failures."""
    from vqzoo import trained
    from vqzoo.measures import cost
    from vqzoo.models import vqvae2_256

    known = json.loads(RESULT.read_text()) if RESULT.exists() else {}
    small = trained.load(MODEL).model

    def adds(model, side):
        def features(hidden):
            found = []
            for encoder in reversed(model.encoders):
                hidden = encoder(hidden)
                found.append(hidden)
            return found

        # Of the encoders: what looks codes up has loops, which are not counted.
        return int(cost.multiply_adds(features, (1, side, side, 3)))

    jpegs = {side: jpeg(side) for side in (32, 256, 512)}
    found = {
        "multiply_adds": {"32": adds(small, 32), "256": adds(vqvae2_256(), 256)},
        "jpeg_bytes": {side: len(data) for side, data in jpegs.items()},
        "decode_seconds": {
            side: decode_seconds(data, side) for side, data in jpegs.items()
        },
    }
    if "rate" in known:
        rates = known["rate"]["bfloat16"]["processor"]["images_a_second"]
        found["gigamacs_a_second_and_core"] = round(
            rates["alone"]["median"] * found["multiply_adds"]["32"] / 1e9, 2
        )
        seconds = known["rate"]["seconds_a_shard"]
        found["simulated"] = [
            simulate(
                seconds, shards=10_000, workers=workers, failures=failures, slow=slow
            )
            for workers in (64, 512)
            for failures, slow in ((0, 0), (0.01, 0), (0.01, 0.02))
        ]
    return found


def jpeg(side):
    """A file with as much in it as in a photo, at quality 90."""
    from PIL import Image

    generator = np.random.default_rng(0)
    small = generator.integers(0, 256, (side // 8, side // 8, 3), dtype=np.uint8)
    pixels = np.asarray(Image.fromarray(small).resize((side, side), Image.BICUBIC))
    noisy = np.clip(pixels + generator.normal(0, 6, pixels.shape), 0, 255)
    file = io.BytesIO()
    Image.fromarray(noisy.astype(np.uint8)).save(file, "JPEG", quality=90)
    return file.getvalue()


def decode_seconds(data, side):
    """Seconds of a core to decode an image to 256 pixels or less: a median of 200."""
    from vqzoo.encode import encoder

    def once():
        encoder.decoded(data, (min(side, 256), min(side, 256), 3), "crop", None)

    return float(np.median([taking(once)["processor"] for _ in range(200)]))


def simulate(seconds, *, shards, workers, failures, slow, seed=0):
    """Hours of a job of shards that each take what one of those measured took.

    Args:
        seconds: list of float, of measured shards.
        shards, workers: int.
        failures: probability that a worker dies in a shard, somewhere within it. The
            next one takes a minute to start, and does the shard again.
        slow: share of the workers that take 3 times as long.
    """
    generator = np.random.default_rng(seed)
    pace = np.where(generator.random(workers) < slow, 3.0, 1.0)
    free = [(0.0, worker) for worker in range(workers)]
    busy = lost = ended = 0.0
    left = shards
    while left:
        now, worker = heapq.heappop(free)
        takes = generator.choice(seconds) * pace[worker]
        if generator.random() < failures:
            part = takes * generator.random()
            lost += part + 60
            heapq.heappush(free, (now + part + 60, worker))
            continue
        left -= 1
        busy += takes
        ended = max(ended, now + takes)
        heapq.heappush(free, (now + takes, worker))
    return {
        "workers": workers,
        "failures": failures,
        "slow": slow,
        "seconds": round(ended, 1),
        "ideal_seconds": round(float(np.mean(seconds)) * shards / workers, 1),
        "lost_share": round(lost / (busy + lost), 4),
    }


def main(flags):
    """Measures the parts that are asked for and keeps the other sections."""
    parts = {"rate": rate, "memory": memory, "kills": kills, "costs": costs}
    with contextlib.ExitStack() as stack:
        folder = flags.work or stack.enter_context(tempfile.TemporaryDirectory())
        work = pathlib.Path(folder)
        shards = []
        if set(flags.parts) - {"costs"}:
            shards = make_shards(flags.data, work / "shards")
        for part in flags.parts:
            found = parts[part](flags, shards, work)
            known = json.loads(RESULT.read_text()) if RESULT.exists() else {}
            known |= {part: found | {"machine": measure.machine()}}
            RESULT.write_text(json.dumps(known, indent=1) + "\n")
            print(part, json.dumps(found)[:1500], file=sys.stderr)
    return 0


if __name__ == "__main__":
    measure.run(main, **FLAGS)
