"""Endurance of encoding: a million images in one process, and kills."""

import contextlib
import hashlib
import multiprocessing
import os
import pathlib
import random
import shutil
import signal
import tarfile
import time

from benchmarks import measure
from benchmarks.encode_shards import SHARD, io_of


def small_model(path):
    """A fast network for the same images."""
    import keras

    from vqzoo.layers import VectorQuantizer
    from vqzoo.models import vqvae2_32

    keras.utils.set_random_seed(0)

    def quantizer(tier):
        return VectorQuantizer(512, 8, codebook_init="random_normal")

    vqvae2_32(quantizer, num_channels=8, residual_channels=4).save(path)


def memory(flags, shards, work):
    """Resident memory after each shard of a repeated set, by number of images."""
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
    """Runs a job, in a process that is killed."""
    from vqzoo.encode import pipeline
    from vqzoo.encode.job import Job

    pipeline.run(Job(model=model, pattern=pattern, output=output, batch_size=64))


def kills(flags, shards, work):
    """Whether a job that is killed repeatedly writes the same bytes as another."""
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
