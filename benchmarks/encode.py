"""Encoding a collection: against the encoder alone and a PyTorch loop, memory, kills.

    python -m benchmarks.encode --data=cifar10_jpeg.tar.xz --torch_python=PYTHON

The collection is CIFAR-10 as JPEG in tar shards (.jpg and .cls), the model
`export/vqvae2`. `rate`: encoding 10,000 images from shards to Parquet, the encoder in a
tight loop on decoded arrays, and a plain loop over a PyTorch `DataLoader` of 2 workers
with the same network, in turns. `memory`: 1,000,000 images, the set repeated, through a
small network. `kills`: a job that is killed 20 times at random. `costs`: a model of
hours and money. Each writes its section of results/encode.json. Needs the extra `beam`;
10 minutes on one core.
"""

import contextlib
import hashlib
import heapq
import io
import json
import multiprocessing
import os
import pathlib
import random
import shutil
import signal
import sys
import tarfile
import tempfile
import time

import numpy as np

from benchmarks import encode_peer, measure

RESULT = measure.RESULTS / "encode.json"
MODEL = "export/vqvae2"
SHARD = 5000  # images
FLAGS = {
    "data": ("", "cifar10_jpeg.tar.xz, or the folder that was made of it before"),
    "work": ("", "folder for shards; empty: one that is removed"),
    "parts": (("rate", "memory", "kills", "costs"), "what is measured"),
    "torch_python": ("", "interpreter with PyTorch; empty: no such loop"),
    "rounds": (5, "that count, of the rates"),
    "images": (10_000, "of each rate"),
    "many": (1_000_000, "images of the memory"),
    "kills": (20, "how often the job is killed"),
}


def make_shards(data, folder, count=50_000):
    """Tar shards of the training images in a random order; and files for PyTorch."""
    folder.mkdir(parents=True, exist_ok=True)
    if not list(folder.glob("*.tar")):
        with tarfile.open(data) as archive:
            members = [m for m in archive if m.isreg() and m.name.startswith("train/")]
            files = [(m.name, archive.extractfile(m).read()) for m in members]
        random.Random(0).shuffle(files)
        classes = sorted({name.split("/")[1] for name, _ in files})
        for first in range(0, min(count, len(files)), SHARD):
            path = folder / f"train-{first // SHARD:03d}.tar"
            with tarfile.open(path, "w") as archive:
                for name, content in files[first : first + SHARD]:
                    _, label, number = name.split("/")
                    key = f"{label}_{number.removesuffix('.jpg')}"
                    for kind, part in (
                        ("jpg", content),
                        ("cls", str(classes.index(label)).encode()),
                    ):
                        info = tarfile.TarInfo(f"{key}.{kind}")
                        info.size = len(part)
                        archive.addfile(info, io_of(part))
    return sorted(map(str, folder.glob("train-*.tar")))


def io_of(content):
    """A file of some bytes."""
    return io.BytesIO(content)


def job_of(pattern, output, **options):
    """An encoding by `MODEL`."""
    from vqzoo.encode.job import Job

    return Job(model=MODEL, pattern=pattern, output=str(output), **options)


def rate(flags, shards, work):
    """Images a second of the whole, of the encoder alone, and of PyTorch."""
    from vqzoo.encode import pipeline
    from vqzoo.encode.encoder import Encoder
    from vqzoo.encode.job import Job
    from vqzoo.encode.units import units_of

    count = flags.images
    shards = shards[: -(-count // SHARD)]
    pattern = ",".join(shards)
    encoder = Encoder(MODEL)
    job, units = job_of(pattern, work / "out"), units_of(pattern)
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
    peers = []
    if flags.torch_python:
        encode_peer.extract(shards, work / "files")
        for kind in ("float32", "bfloat16"):
            peer = encode_peer.Peer(flags.torch_python, work / "files", kind)
            peers.append(peer)
            contestants[f"torch_{kind}"] = peer
    try:
        taken = measure.take_turns(contestants, flags.rounds)
    finally:
        for peer in peers:
            peer.close()
    records = [
        json.loads(path.read_text())
        for path in sorted((work / "out" / "_state").glob("0*.json"))
    ]
    found = {"images": count, "batch_size": job.batch_size}
    # Of a core that others use too, the seconds that the process had say more.
    for kind in ("wall", "processor"):
        seconds = {name: [one[kind] for one in each] for name, each in taken.items()}
        found[kind] = {
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
    found["seconds_a_shard"] = [record["seconds"] for record in records]
    return found | {"peak_bytes": measure.peak_bytes()}


def taking(function):
    """Seconds of a call, by the clock and of processors."""
    began = time.perf_counter(), time.process_time()
    function()
    return {
        "wall": time.perf_counter() - began[0],
        "processor": time.process_time() - began[1],
    }


def small_model(path):
    """A network of the same images that takes little time."""
    import keras

    from vqzoo.layers import VectorQuantizer
    from vqzoo.models import vqvae2_32

    keras.utils.set_random_seed(0)

    def quantizer(tier):
        return VectorQuantizer(512, 8, codebook_init="random_normal")

    vqvae2_32(quantizer, num_channels=8, residual_channels=4).save(path)


def memory(flags, shards, work):
    """Resident memory after every shard of a set that is repeated, by images."""
    from vqzoo.encode import pipeline
    from vqzoo.encode import units as inputs
    from vqzoo.encode.encoder import Encoder
    from vqzoo.encode.job import Job

    small_model(work / "small.keras")
    folder = work / "repeated"
    folder.mkdir(exist_ok=True)
    for number in range(-(-flags.many // SHARD)):
        with contextlib.suppress(FileExistsError):
            path = os.path.abspath(shards[number % len(shards)])
            os.symlink(path, folder / f"r-{number:05d}.tar")
    real, points, done = inputs.records_of, [], [0]

    def records_of(unit, columns):
        import dataclasses

        for record in real(unit, columns):
            yield dataclasses.replace(record, key=f"{unit.number}/{record.key}")
            done[0] += 1
        points.append((done[0], _resident()))

    inputs.records_of = records_of
    encoder = Encoder(str(work / "small.keras"))
    shutil.rmtree(work / "many", ignore_errors=True)
    job = Job(model="", pattern=f"{folder}/r-*.tar", output=str(work / "many"))
    began = time.monotonic()
    manifest = pipeline.run(job, encoder=encoder)
    inputs.records_of = real
    after = [resident for images, resident in points if images >= 50_000]
    return {
        "images": manifest["images"],
        "seconds": round(time.monotonic() - began, 1),
        "resident_bytes_by_images": points[:: max(1, len(points) // 40)],
        "at_50000": after[0],
        "most_after": max(after),
        "growth": round(max(after) / after[0] - 1, 4),
        "at_the_end": _resident(),
        "peak_bytes": measure.peak_bytes(),
    }


def _resident():
    pages = pathlib.Path("/proc/self/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def _sums(folder):
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.iterdir())
        if path.is_file()
    }


def run_job(model, pattern, output):
    """Runs in a process that is killed."""
    from vqzoo.encode import pipeline
    from vqzoo.encode.job import Job

    pipeline.run(Job(model=model, pattern=pattern, output=output, batch_size=64))


def kills(flags, shards, work):
    """Whether a job that is killed again and again ends with the bytes of another."""
    small_model(work / "small.keras")
    folder = work / "slices"
    folder.mkdir(exist_ok=True)
    records = []
    for path in shards[:2]:
        with tarfile.open(path) as archive:
            records += [(m, archive.extractfile(m).read()) for m in archive]
    size = len(records) // 100 // 2 * 2
    for number in range(100):
        with tarfile.open(folder / f"s-{number:03d}.tar", "w") as archive:
            for member, content in records[number * size : (number + 1) * size]:
                if number % 10 == 3 and member.name.endswith("7.jpg"):
                    content = b"not an image"
                    member.size = len(content)
                archive.addfile(member, io_of(content))
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tensorflow", "vqzoo.encode.pipeline"])
    arguments = [str(work / "small.keras"), f"{folder}/s-{{000..099}}.tar"]

    def start(name):
        process = context.Process(target=run_job, args=[*arguments, str(work / name)])
        process.start()
        return process

    for name in ("whole", "killed"):
        shutil.rmtree(work / name, ignore_errors=True)
    process, began = start("whole"), time.monotonic()
    process.join()
    seconds = time.monotonic() - began
    generator, done = random.Random(0), []
    state = work / "killed" / "_state"
    while len(done) < flags.kills:
        before = len(list(state.glob("0*.json")))
        process = start("killed")
        moment = generator.uniform(0, 0.4 * seconds)
        process.join(moment)
        if not process.is_alive():
            shutil.rmtree(work / "killed")  # It ended first: from the beginning.
            continue
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        after = len(list(state.glob("0*.json")))
        done.append({"after_seconds": round(moment, 2), "shards_done": after - before})
    process = start("killed")
    process.join()
    same = _sums(work / "whole") == _sums(work / "killed")
    from vqzoo.datasets import code_shards

    keys = [
        k for rows in code_shards.read(work / "killed", ["key"]) for k in rows["key"]
    ]
    manifest = code_shards.read_manifest(work / "killed")
    return {
        "kills": len(done),
        "each": done,
        "same_bytes": same,
        "files": len(_sums(work / "whole")),
        "images": manifest["images"],
        "bad": manifest["bad"],
        "keys_once": len(keys) == len(set(keys)) == manifest["images"],
        "left_half_written": len(list(state.glob("*.part"))),
        "exit_code": process.exitcode,
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
        rates = known["rate"]["processor"]["images_a_second"]
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
    with contextlib.ExitStack() as stack:
        folder = flags.work or stack.enter_context(tempfile.TemporaryDirectory())
        work = pathlib.Path(folder)
        shards = []
        if set(flags.parts) - {"costs"}:
            shards = make_shards(flags.data, work / "shards")
        for part in flags.parts:
            found = globals()[part](flags, shards, work)
            known = json.loads(RESULT.read_text()) if RESULT.exists() else {}
            known |= {part: found | {"machine": measure.machine()}}
            RESULT.write_text(json.dumps(known, indent=1) + "\n")
            print(part, json.dumps(found)[:1500], file=sys.stderr)
    return 0


if __name__ == "__main__":
    measure.run(main, **FLAGS)
