"""The whole of an encoding: keys that come twice, bad images, the manifest."""

import contextlib
import hashlib
import io
import itertools

import numpy as np

from vqzoo.datasets import code_shards, shard_index
from vqzoo.datasets.shards import file_system
from vqzoo.encode import units as inputs
from vqzoo.encode.encoder import Encoder
from vqzoo.encode.job import MOST_LABELS, Job, too_many
from vqzoo.encode.output import DUPLICATES, STATE, EncodingError, Output

NAMED = 10
_BUCKETS = 1024  # of hashes of keys: a million in each for 10^9 images
_AT_ONCE = 2**24  # hashes that one process compares


def run(job: Job, encoder: Encoder | None = None) -> dict:
    """Encodes a collection, or the rest of it, in this process and without Beam.

    Args:
        job: what is to be done.
        encoder: that of the job's model, if it is loaded already.

    Returns: the manifest.
    Raises: as `pipeline.run`.
    """
    with begun(job, encoder) as (units, encoder):
        for unit in units:
            job.encode(encoder, unit, len(units))
        note_here(job.output)
    return finish(job, encoder, units)


@contextlib.contextmanager
def begun(job: Job, encoder: Encoder | None):
    """Looks at the input, the model and the output; gives the units and the model.

    Meanwhile no other process of this machine encodes into the folder.

    Raises: as `pipeline.run`, before there is any work.
    """
    units = inputs.units_of(job.pattern)
    # Columns that are not there, and files that may not be read, are told now.
    next(iter(inputs.records_of(units[0], job.columns)))
    encoder = encoder or Encoder(job.model, job.precision)
    output = Output(job.output)
    output.begin(job.settings(encoder, units))
    with output.alone():
        yield units, encoder


def note(found: list, output: str) -> None:
    """Keeps what `twice` found."""
    Output(output).write_json(DUPLICATES, sorted(found)[:NAMED])


def finish(job: Job, encoder: Encoder, units: list) -> dict:
    """Holds the records of all units against each other and writes the manifest.

    Raises: EncodingError: as of `run`.
    """
    settings, output = job.settings(encoder, units), Output(job.output)
    records = output.done()
    failed = [record["error"] for record in records.values() if "error" in record]
    missing = [unit.source for unit in units if unit.number not in records]
    failed += [f"{source}: it was not encoded" for source in missing]
    if failed:
        listed = "".join(f"\n  {error}" for error in failed[:NAMED])
        raise EncodingError(
            f"{len(failed)} of {len(units)} shards of --input cannot be encoded, the "
            f"others are done; start again once they are mended:{listed}"
        )
    records = [records[unit.number] for unit in units]
    _expect_keys_once(output, records, units, settings["tiers"])
    bad = sum(record["bad"] for record in records)
    if bad > job.max_bad:
        named = [entry for record in records for entry in record["bad_images"]]
        raise EncodingError(too_many(bad, job, named[:20]))
    manifest = _manifest(settings, records, bad)
    output.finish(manifest)
    return manifest


def _manifest(settings, records, bad):
    labels = sorted({label for record in records for label in record["labels"]})
    if len(labels) > MOST_LABELS or labels == [""]:
        labels = []
    if labels and all(label.isdecimal() for label in labels):
        labels.sort(key=int)
    names = ("file", "images", "bad", "sha256", "bytes")
    shards = [{name: record[name] for name in names} for record in records]
    sums = "".join(shard["sha256"] for shard in shards)
    counts = {
        tier["name"]: np.sum([r["counts"][tier["name"]] for r in records], axis=0)
        for tier in settings["tiers"]
    }
    return settings | {
        "data": hashlib.sha256(sums.encode()).hexdigest(),
        "images": sum(shard["images"] for shard in shards),
        "bad": bad,
        "class_names": labels,
        "shards": shards,
        "counts": {name: count.tolist() for name, count in counts.items()},
    }


def _expect_keys_once(output, records, units, tiers):
    for first, second, number in output.read_json(DUPLICATES) or ():
        keys = _keys(output, records[first], tiers, number)
        again = _keys(output, records[second], tiers, number)
        # Of a billion keys, two may have one hash.
        twice = set(keys) & set(again) if first != second else _repeated(keys)
        if twice:
            places = dict.fromkeys((units[first].source, units[second].source))
            raise EncodingError(
                f"expected each key once, received {sorted(twice)[0]!r} in "
                f"{' and in '.join(places)}"
            )


def _repeated(keys):
    return {key for key in keys if keys.count(key) > 1}


def _keys(output, record, tiers, number):
    """The keys of a shard that have a hash."""
    path = f"{output.path}/{record['file']}"
    return [
        key
        for rows in code_shards.read_shard(path, tiers, ["key"])
        for key in rows["key"][code_shards.key_hashes(rows["key"]) == number]
    ]


def buckets(record, output):
    """Hashes of the keys of a unit, by buckets."""
    if "error" in record:
        return
    hashes = _hashes(record, output)
    numbers = (hashes % np.uint64(_BUCKETS)).astype(int)
    for number in np.unique(numbers):
        yield int(number), (record["number"], hashes[numbers == number])


def _hashes(record, output):
    files, inner = file_system(output)
    content = files.cat_file(f"{inner}/{STATE}/{record['number']:08d}.npy")
    return np.load(io.BytesIO(content), allow_pickle=False)


def note_here(output: str) -> None:
    """Keeps what `twice` finds, in one process: a range of hashes at a time."""
    records = [r for r in Output(output).done().values() if "error" not in r]
    count = -(-sum(record["images"] for record in records) // _AT_ONCE) or 1
    edges, found = [2**63 * number // count for number in range(count + 1)], []
    for low, high in itertools.pairwise(map(np.uint64, edges)):
        groups = []
        for record in records:
            hashes = _hashes(record, output)
            groups.append((record["number"], hashes[(hashes >= low) & (hashes < high)]))
        found += twice((low, groups)) if groups else ()
    note(found, output)


def twice(item):
    """Numbers of two units, and the hash of a key that both have."""
    _, groups = item
    groups = sorted(groups, key=lambda group: group[0])
    hashes = np.concatenate([some for _, some in groups])
    owners = np.repeat([number for number, _ in groups], [len(h) for _, h in groups])
    for first, second in shard_index.repeated(hashes)[:NAMED]:
        yield int(owners[first]), int(owners[second]), int(hashes[first])
