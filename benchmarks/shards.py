"""How long a training step waits for images from tar shards.

Steps of `vqvae2_64` at batches of 32 in bfloat16, fed from shards of JPEGs of 64 and of
256 pixels, which are read, decoded, resized and shuffled meanwhile, and steps that
repeat one batch. They take turns in one process. The share of input is the extra time
over a step with a repeated batch; the share of waiting is that in which a step waits
for its batch.

    python -m benchmarks.shards

About 4 minutes on one core; `--rounds=1 --steps=2` for a first look.
"""

import io
import pathlib
import tarfile
import tempfile
import time

import numpy as np
from PIL import Image

from benchmarks import fitting, measure
from vqzoo import datasets

SIDES, NUM_SHARDS, NUM_IMAGES = (64, 256), 8, 512
MODEL, BATCH_SIZE = "vqvae2_64", 32


def main(flags):
    """Measures every kind of shard and writes shards.json."""
    machine = measure.machine()
    with tempfile.TemporaryDirectory() as folder:
        found = _measured(pathlib.Path(folder), flags)
    alone = found.pop("one batch")
    results = {
        name: {
            "step_seconds": measure.spread([step for step, _ in taken]),
            "waiting_share": measure.spread([share for _, share in taken]),
            "input_share": measure.spread(
                [1 - base / step for (base, _), (step, _) in zip(alone, taken)]
            ),
        }
        for name, taken in found.items()
    }
    settings = {"model": MODEL, "batch_size": BATCH_SIZE, "precision": flags.precision}
    measure.write("shards", {**settings, "shards": results, "machine": machine})
    rows = [
        (
            name,
            f"{result['step_seconds']['median']:.3f}",
            f"{result['waiting_share']['median']:.2%}",
            f"{result['input_share']['median']:.2%}",
        )
        for name, result in results.items()
    ]
    measure.print_table(("shards", "step (s)", "waiting", "cost of input"), rows)


def _measured(folder, flags):
    contestants = {}
    for side in SIDES:
        _write(folder, side)
        split = datasets.load(
            "shards",
            data_dir=f"{folder}/{side}-{{0..{NUM_SHARDS - 1}}}.tar",
            image_size=64,
            index_dir=str(folder / "index"),
        ).train
        contestants[f"JPEGs of {side} pixels"] = fitting.pairs(split, BATCH_SIZE)
    contestants["one batch"] = fitting.pairs(split, BATCH_SIZE).take(1).cache().repeat()
    model = fitting.compiled(MODEL, flags.precision)
    clocks = {
        name: _clock(model, batches, flags.steps)
        for name, batches in contestants.items()
    }
    return measure.take_turns(clocks, flags.rounds)


def _clock(model, batches, steps):
    """Seconds of a step, and the share of them in which it waits for its batch."""
    iterator = iter(batches)

    def measure():
        model.train_on_batch(*next(iterator))
        began, waiting = time.perf_counter(), 0.0
        for _ in range(steps):
            asked = time.perf_counter()
            batch = next(iterator)
            waiting += time.perf_counter() - asked
            model.train_on_batch(*batch)
        total = time.perf_counter() - began
        return total / steps, waiting / total

    return measure


def _write(folder, side):
    """Shards of resized crops of photographs as JPEGs."""
    images, _ = datasets.load("photos", image_size=128).train.arrays(limit=NUM_IMAGES)
    images = np.rint((images + 0.5) * 255).astype(np.uint8)
    for shard in range(NUM_SHARDS):
        with tarfile.open(folder / f"{side}-{shard}.tar", "w") as archive:
            for number in range(shard, NUM_IMAGES, NUM_SHARDS):
                file = io.BytesIO()
                image = Image.fromarray(images[number]).resize((side, side))
                image.save(file, "JPEG", quality=90)
                info = tarfile.TarInfo(f"{number:06d}.jpg")
                info.size = file.tell()
                file.seek(0)
                archive.addfile(info, file)


if __name__ == "__main__":
    measure.run(
        main,
        rounds=(5, "rounds that count"),
        steps=(12, "steps of a round"),
        precision=("mixed_bfloat16", "dtype policy"),
    )
