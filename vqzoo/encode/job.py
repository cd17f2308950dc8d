"""One unit of a collection to one shard of codes: read, decoded, encoded, written."""

import collections
import concurrent.futures
import contextlib
import dataclasses
import hashlib
import itertools
import json
import os
import queue
import sys
import threading
import time

import numpy as np

from vqzoo.datasets import code_shards
from vqzoo.datasets.bounds import BOUNDS
from vqzoo.datasets.holdout import content_digest
from vqzoo.datasets.images import UnreadableImageError
from vqzoo.datasets.pixels import SmallImageError
from vqzoo.datasets.shards import Columns
from vqzoo.encode import encoder as encoders
from vqzoo.encode import units as inputs
from vqzoo.encode import writers
from vqzoo.encode.output import STATE, EncodingError, Output

_CHUNK = 32  # images that a thread decodes at a time
_BATCHES = 2  # that are encoded at a time, so that no core waits for another
_AHEAD = 16  # chunks that are read before they are needed
MOST_LABELS = 10_000  # more are texts rather than classes


@dataclasses.dataclass(frozen=True, kw_only=True)
class Job:
    """An encoding: what is encoded, by which model, into which folder.

    Args:
        model: path, as of `vqzoo.load`.
        pattern: the input, as of `units.units_of`.
        output: path of the folder.
        precision: as of `Encoder`.
        format: one of `writers.FORMATS`.
        batch_size: int, images of a batch.
        max_bad: int, the most images that may be left out.
        resize: as of `datasets.pixels.fit`.
        value_range: two numbers, which become 0 and 255 of deep images; or empty.
        columns: `Columns`, what the parts of a record are called.
        max_bytes: int, as of `datasets.bounds`.
        threads: int, that decode; 0: one for each core but one, which encodes.
        says: bool, whether each unit that is done is told on standard error.
    """

    model: str
    pattern: str
    output: str
    precision: str = ""
    format: str = "parquet"
    batch_size: int = 128
    max_bad: int = 100
    resize: str = "crop"
    value_range: tuple = ()
    columns: Columns = Columns()
    max_bytes: int = BOUNDS.bytes
    threads: int = 0
    says: bool = False

    def settings(self, encoder: encoders.Encoder, units: list) -> dict:
        """All that decides what is written, as JSON has it."""
        listed = json.dumps([dataclasses.astuple(unit) for unit in units])
        return {
            "model": encoder.fingerprint,
            "tiers": encoder.tiers,
            "input": hashlib.sha256(listed.encode()).hexdigest(),
            "units": len(units),
            "image_shape": list(encoder.model.item_shape),
            "format": self.format,
            "resize": self.resize,
            "value_range": list(self.value_range),
            "columns": dataclasses.asdict(self.columns),
            "precision": self.precision or None,
        }

    def shard_name(self, unit: inputs.Unit, total: int, kind: str = "codes") -> str:
        """The name of the file of a unit: of its codes, or of its bad images."""
        suffix = self.format if kind == "codes" else "jsonl"
        place = f"{unit.number:05d}-of-{total:05d}"
        return f"{'_' * (kind != 'codes')}{kind}-{place}.{suffix}"

    def encode(self, encoder: encoders.Encoder, unit: inputs.Unit, total: int) -> dict:
        """Writes the shard of a unit, unless it is there, and notes that it is done.

        Args:
            encoder: the model.
            unit: what is encoded.
            total: number of units.

        Returns: the record of the unit: counts, sha256, or `error`.

        Raises: EncodingError: if there is no room, or too many images are bad.
        """
        output = Output(self.output)
        known = output.read_json(f"{STATE}/{unit.number:08d}.json")
        if known and "error" not in known and output.has(known["file"], known["bytes"]):
            return known
        began = time.monotonic()
        try:
            with encoder.alone:
                record = self._write(encoder, unit, total, output)
        except ValueError as error:
            place = "" if unit.source in str(error) else f"{unit.source}: "
            record = {"number": unit.number, "error": f"{place}{error}"}
            output.write_done(record)
            return record
        record["seconds"] = round(time.monotonic() - began, 3)
        output.write_done(record)
        if self.says:
            rate = record["images"] / max(record["seconds"], 1e-9)
            print(
                f"{record['file']}: {record['images']:,} images, {record['bad']} bad, "
                f"{rate:,.0f} images a second",
                file=sys.stderr,
                flush=True,
            )
        if record["bad"] > self.max_bad:
            raise EncodingError(too_many(record["bad"], self, record["bad_images"]))
        return record

    def _write(self, encoder, unit, total, output):
        tiers, shape = encoder.tiers, encoder.model.item_shape
        name = self.shard_name(unit, total)
        bad, labels, hashes = [], set(), []
        counts = {tier["name"]: np.zeros(tier["num_embeddings"], int) for tier in tiers}
        with output.shard(name) as facts:
            writer = writers.writer(self.format, facts["path"], tiers)
            with contextlib.closing(writer):
                batches = self._batches(unit, shape, bad)
                for rows, codes in _encoded(encoder, batches):
                    writer.write(rows | codes)
                    hashes.append(code_shards.key_hashes(rows["key"]))
                    if len(labels) <= MOST_LABELS:
                        labels.update(rows["label"])
                    for tier, count in counts.items():
                        count += np.bincount(codes[tier].ravel(), minlength=len(count))
        hashes = np.concatenate(hashes) if hashes else np.zeros(0, "<u8")
        with output.shard(f"{STATE}/{unit.number:08d}.npy") as aside:
            with open(aside["path"], "wb") as file:
                np.save(file, hashes)
        if bad:
            bad_name = self.shard_name(unit, total, "bad")
            with output.shard(bad_name) as aside, open(aside["path"], "w") as file:
                for entry in bad:
                    file.write(json.dumps(entry, ensure_ascii=False) + "\n")
        return {
            "number": unit.number,
            "file": name,
            "images": len(hashes),
            "bad": len(bad),
            "bad_images": bad[:20],
            "sha256": facts["sha256"],
            "bytes": facts["bytes"],
            "labels": sorted(labels)[: MOST_LABELS + 1],
            "counts": {tier: count.tolist() for tier, count in counts.items()},
        }

    def _batches(self, unit, shape, bad):
        """Columns of rows and their pixels; what cannot be decoded goes to `bad`."""
        kept = collections.deque()
        with contextlib.closing(self._decoded(unit, shape)) as images:
            for record, pixels, size in images:
                if pixels is None:
                    bad.append({"key": record.key, "reason": size})
                    continue
                kept.append((record, pixels, size))
                if len(kept) == self.batch_size:
                    yield _columns(kept)
                    kept.clear()
        if kept:
            yield _columns(kept)

    def _decoded(self, unit, shape):
        """Records with pixels and size, or with None and a reason; ahead in threads."""
        threads = self.threads or max(1, (os.cpu_count() or 1) - 1)
        ahead, stop = queue.Queue(_AHEAD), threading.Event()

        def work(records):
            return [self._one(record, shape) for record in records]

        def put(item):
            while not stop.is_set():
                with contextlib.suppress(queue.Full):
                    return ahead.put(item, timeout=0.1)

        def feed():
            try:
                records = inputs.records_of(unit, self.columns)
                while chunk := list(itertools.islice(records, _CHUNK)):
                    put(pool.submit(work, chunk) if pool else work(chunk))
                    if stop.is_set():
                        return
                put(None)
            except OSError as error:  # Of the input, not of what is written.
                put(ValueError(f"expected a shard that can be read: {error}"))
            except BaseException as error:
                put(error)

        # Small images are decoded best by the thread that reads them: two threads would
        # wait for each other's turn at each.
        pool = concurrent.futures.ThreadPoolExecutor(threads) if threads > 1 else None
        with pool or contextlib.nullcontext():
            feeder = threading.Thread(target=feed, daemon=True)
            feeder.start()
            try:
                while (item := ahead.get()) is not None:
                    if isinstance(item, BaseException):
                        raise item
                    yield from item.result() if pool else item
            finally:
                stop.set()
                feeder.join()
                if pool:
                    pool.shutdown(cancel_futures=True)

    def _one(self, record, shape):
        try:
            ranges = self.value_range or None
            pixels, size = encoders.decoded(record.image, shape, self.resize, ranges)
            return record, pixels, size
        except SmallImageError as error:
            return record, None, f"it is too small: {error}; --resize=upscale, or pad"
        except (UnreadableImageError, ValueError) as error:
            return record, None, str(error)


def _encoded(encoder, batches):
    """Columns of rows and their codes; the next batches are encoded meanwhile."""
    waiting = collections.deque()
    with concurrent.futures.ThreadPoolExecutor(_BATCHES) as pool:
        for rows, batch in batches:
            waiting.append((rows, pool.submit(encoder, batch)))
            if len(waiting) > _BATCHES:
                rows, codes = waiting.popleft()
                yield rows, codes.result()
        for rows, codes in waiting:
            yield rows, codes.result()


def _columns(kept):
    batch = np.stack([pixels for _, pixels, _ in kept])
    sizes = np.array([size for _, _, size in kept], np.int32)
    columns = {
        "key": [record.key for record, _, _ in kept],
        "label": [record.label for record, _, _ in kept],
        "height": sizes[:, 0],
        "width": sizes[:, 1],
        "checksum": [content_digest(pixels).hex() for pixels in batch],
    }
    return columns, batch


def too_many(count: int, job: Job, entries: list) -> str:
    """What is said of more bad images than `max_bad`."""
    listed = "\n".join(f"  {entry['key']}: {entry['reason']}" for entry in entries)
    return (
        f"expected at most --max_bad={job.max_bad} images that cannot be encoded, "
        f"found {count:,}; {job.output}/_bad-*.jsonl lists all, the first are\n{listed}"
    )
