"""Tables of encoding: what was measured, and what a billion images take.

From encode.json and shards.json of benchmarks/results.

Figures of the machine that was measured come from the file; those of other machines are
assumptions, and stand here.
"""

import typing

from vqzoo.studies import cells

IMAGES, SIDE = 10**9, 256
STORED = (256, 512)  # pixels of the files
SMALL = 32  # pixels of the images whose reading and writing was measured
UTILIZATION = 0.3
OF_ENCODER, OF_TORCH = 0.85, 1.3  # of the rate of the encoder alone, of a PyTorch loop
GROWTH, RESIDENT = 0.02, 2 * 2**30
WAITING = 0.03


class Worker(typing.NamedTuple):
    """A machine: assumed, but for the pace of a core.

    Args:
        name: str.
        peak: multiply-adds a second of its GPU in bfloat16, half the FLOP/s that its
            maker gives without sparsity; 0 without one.
        cores: int.
        gbit: of its network, a second.
        dollars: an hour.
    """

    name: str
    peak: float
    cores: int
    gbit: float
    dollars: float


WORKERS = (
    Worker("one core", 0, 1, 2, 0.04),
    Worker("L4", 60.5e12, 8, 16, 0.85),
    Worker("A100", 156e12, 12, 24, 3.70),
    Worker("H100", 495e12, 26, 50, 11.00),
)


def inputs(read):
    """What the table of costs is computed from, and where it comes from."""
    rows = [("what", "figure", "from")]
    results = read("encode")
    if "costs" not in results:
        return rows
    adds, pace = _arithmetic(results)
    rows.append(("multiply-adds of the encoders", f"{adds / 1e9:.2f}e9", "counted"))
    rows.append(("multiply-adds a second of a core", f"{pace / 1e9:.0f}e9", "measured"))
    for stored in STORED:
        milliseconds, size = (
            1e3 * _other_seconds(results, stored),
            _size(results, stored),
        )
        what = (
            f"core's time beside the encoder, a JPEG of {stored} pixels, {size:,} bytes"
        )
        rows.append((what, f"{milliseconds:.2f} ms", "measured"))
    share = f"{UTILIZATION:.0%}"
    rows.append(("share of its peak that a GPU gives", share, "assumed"))
    for worker in WORKERS:
        peak = f"{worker.peak / 1e12:g}e12 multiply-adds/s, " if worker.peak else ""
        cores = f"{worker.cores} cores, " if worker.peak else ""
        text = f"{peak}{cores}{worker.gbit} Gbit/s"
        rows.append((worker.name, f"{text}, ${worker.dollars:.2f} an hour", "assumed"))
    return rows


def costs(read):
    """Images a second of a worker, hours and money for all, by what bounds it."""
    rows = [("worker", "files", "encoder", "decoding", "network", "bound by")]
    rows[0] += ("cores that feed it", "hours", "dollars")
    results = read("encode")
    if "costs" in results:
        rows += [_row(results, w, stored) for w in WORKERS for stored in STORED]
    return rows


def _row(results, worker, stored):
    adds, pace = _arithmetic(results)
    other = _other_seconds(results, stored)
    encoder = (UTILIZATION * worker.peak if worker.peak else pace) / adds
    network = worker.gbit * 1e9 / 8 / _size(results, stored)
    rates = {"encoder": encoder, "decoding": worker.cores / other, "network": network}
    bound = min(rates, key=rates.get)
    # What is done by the same core is done one after the other.
    images = rates[bound] if worker.peak else 1 / (1 / encoder + other)
    feed = f"{encoder * other:.0f}" if worker.peak else ""
    hours = IMAGES / images / 3600
    shown = (f"{rate:,.0f}" for rate in rates.values())
    money = f"{hours * worker.dollars:,.0f}"
    return worker.name, f"{stored} px", *shown, bound, feed, f"{hours:,.0f}", money


def _arithmetic(results):
    """Multiply-adds of an image, and of a second of a core."""
    found = results["costs"]
    pace = found["gigamacs_a_second_and_core"] * 1e9
    return found["multiply_adds"][str(SIDE)], pace


def _other_seconds(results, stored):
    """Seconds of a core for reading, decoding and writing.

    Reading and writing take as long as with small images; decoding does not.
    """
    seconds = results["costs"]["decode_seconds"]
    rates = results["rate"]["bfloat16"]["processor"]["images_a_second"]
    whole = 1 / rates["without_encoder"]["median"]
    return whole - seconds[str(SMALL)] + seconds[str(stored)]


def _size(results, stored):
    return results["costs"]["jpeg_bytes"][str(stored)]


def failures(read):
    """How long 10,000 shards take where workers die or are slow."""
    rows = [("workers", "die in a shard", "3 times slower", "time", "work lost")]
    for case in read("encode").get("costs", {}).get("simulated", ()):
        more = case["seconds"] / case["ideal_seconds"] - 1
        shares = (f"{case[name]:.0%}" for name in ("failures", "slow"))
        lost = f"{case['lost_share']:.1%}"
        rows.append((case["workers"], *shares, f"{more:+.1%}", lost))
    return rows


def measured(read):
    """Rate, memory, kills and waiting beside their targets."""
    rows = [("what", "vqzoo", "beside it", "target", "")]
    return rows + beside_targets(read)


def beside_targets(read):
    """The same without a header."""
    results = read("encode")
    rows = _rates(results.get("rate")) + _endurance(results)
    for name, found in read("shards").get("shards", {}).items():
        share = found["waiting_share"]["median"]
        step = f"{1e3 * found['step_seconds']['median']:.0f} ms a step"
        what = f"training from tar shards, {name}: waiting for input"
        verdict = _met(share < WAITING)
        rows.append((what, f"{share:.2%}", step, f"< {WAITING:.0%}", verdict))
    return rows


def _rates(rate):
    if not rate:
        return []
    rows = []
    for kind in ("float32", "bfloat16"):
        rates = rate[kind]["wall"]["images_a_second"]
        what = f"encoding {rate['images']:,} images of 32 pixels, {kind}"
        for name, beside, target in (
            ("alone", "the encoder alone, on arrays", OF_ENCODER),
            ("torch", "a PyTorch loop with 2 workers", OF_TORCH),
        ):
            if name in rates:
                ratio = rate[kind]["wall"]["whole_of_others"][name]["median"]
                ours = f"{rates['whole']['median']:,.0f}/s, {ratio:.2f}x as fast"
                theirs = f"{beside}: {rates[name]['median']:,.0f}/s"
                verdict = cells.verdict(ratio, target)
                rows.append((what, ours, theirs, f"{target}x", verdict))
    return rows


def _endurance(results):
    rows = []
    if kills := results.get("kills"):
        whole = kills["same_bytes"] and kills["keys_once"]
        what = f"encoding, killed {kills['kills']} times: files of the same bytes"
        share = f"{kills['files'] if whole else 0} of {kills['files']}"
        rows.append((what, share, "a job that was not stopped", "all", _met(whole)))
    if memory := results.get("memory"):
        what = f"encoding {memory['images']:,} images: memory after the first 50,000"
        peak = memory["peak_bytes"]
        later = [size for images, size in memory["resident_bytes_by_images"]]
        later = later[len(later) // 10 :]
        found = f"{memory['growth']:+.1%}, {max(later) / later[0] - 1:+.1%} after the "
        found += f"first tenth; {peak / 2**30:.2f} GiB at its peak"
        verdict = _met(memory["growth"] < GROWTH and peak < RESIDENT)
        rows.append(
            (what, found, "", f"< {GROWTH:.0%}, < {RESIDENT >> 30} GiB", verdict)
        )
    return rows


def _met(reached):
    return "met" if reached else "missed"
