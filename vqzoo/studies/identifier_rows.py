"""Tables of semantic IDs, from benchmarks/results/semantic_ids.json.

Each function takes `read`, from a benchmark's name to its results, or {} if it has not
run.
"""

import statistics

from vqzoo.studies import cells

UNIQUE_TARGET, USE_TARGET = 0.97, 0.95
STEP_TARGET, ENCODE_TARGET, START_TARGET = 3, 1.5, 1
STAGES = "training step of the stages"
SETS = ("images", "texts")
FIGURES = (
    ("with an ID of their own", "unique", ".2%"),
    ("largest group", "largest_group", ".0f"),
    ("codes in use, least stage", "least_usage", ".1%"),
    ("relative error", "relative_error", ".4f"),
    ("cosine", "cosine", ".4f"),
    ("recall of neighbors", "recall", ".3f"),
)


def unique(read):
    """IDs of all vectors and errors of held-out ones, over seeds."""
    rows = [("vectors", "by", "n", *(title for title, *_ in FIGURES))]
    for name in SETS:
        found = read("semantic_ids").get(name, {})
        for who, seeds in _contestants(found):
            cells = [_spread(seeds.values(), *figure[1:]) for figure in FIGURES]
            rows.append((name, who, str(len(seeds)), *cells))
    return rows


def _contestants(found):
    """Names of contestants, and their figures by seed."""
    for part, words in (
        ("ours", "vqzoo, {}"),
        ("torch", "ResidualVQ, {} replaced"),
        ("peers", "{}"),
    ):
        for name, seeds in found.get(part, {}).items():
            yield words.format(name), seeds


def options(read):
    """Effects of settings of the recipe, with one seed."""
    rows = [("vectors", "settings", *(title for title, *_ in FIGURES))]
    for vectors in SETS:
        found = read("semantic_ids").get(vectors, {}).get("options", {})
        for name, said in found.items():
            figures = (_spread([said], *figure[1:]) for figure in FIGURES)
            rows.append((vectors, name, *figures))
    return rows


def noise(read):
    """Effect of the noisy assignment of the last stage on neighbors."""
    head = ("sigma", "same codes before", "and last code at most 1 away")
    rows = [(*head, "times as often as by chance", "unique", "relative error")]
    for sigma, found in read("semantic_ids").get("images", {}).get("noise", {}).items():
        shares = [f"{found[name]:.2%}" for name in ("same_prefix", "within_1")]
        error = f"{found['relative_error']:.4f}"
        rows.append(
            (sigma, *shares, f"{found['lift_1']:.2f}", f"{found['unique']:.2%}", error)
        )
    return rows


def stability(read):
    """Shares of items whose codes change with another training."""
    rows = [("trained again", "first code", "first two", "whole ID")]
    found = read("semantic_ids").get("images", {}).get("stability", {})
    for name, shares in found.items():
        if isinstance(shares, list):
            rows.append((name, *(f"{share:.1%}" for share in shares)))
    return rows


def timings(read):
    """Seconds beside the libraries, and the targets."""
    rows = [("what", "vqzoo", "beside it", "times as fast", "target", "")]
    found = read("semantic_ids").get("timings", {})
    for name, ours, theirs, words, target in (
        ("training step", "vqzoo", "torch", "ResidualVQ", STEP_TARGET),
        (STAGES, "vqzoo", "torch", "ResidualVQ", STEP_TARGET),
        ("codes", "quantizer", "faiss, beam of 1", "faiss", 1 / ENCODE_TARGET),
        ("codes", "model", "faiss, beam of 1", "faiss", None),
        ("start of a stage", "vqzoo", "scikit-learn", "MiniBatchKMeans", START_TARGET),
    ):
        if name not in found:
            continue
        seconds = {who: found[name][who]["median"] for who in (ours, theirs)}
        over = found[name]["over ours"]
        # Ratios within rounds are of the first contestant.
        times = (
            over[theirs]["median"]
            if ours in ("vqzoo", "quantizer")
            else seconds[theirs] / seconds[ours]
        )
        verdict = "" if target is None else cells.verdict(times, target)
        wanted = "" if target is None else f"{target:.2g}x"
        rows.append(
            (
                WORDS[name, ours],
                _seconds(seconds[ours]),
                f"{words}: {_seconds(seconds[theirs])}",
                f"{times:.2f}x",
                wanted,
                verdict,
            )
        )
    return rows


WORDS = {
    ("training step", "vqzoo"): "a training step of 1,024 vectors of 64",
    (STAGES, "vqzoo"): "the three stages alone, forward and state",
    ("codes", "quantizer"): "codes of 1,000,000 latents of 64, 3 x 256",
    ("codes", "model"): "the same from vectors, with the encoder",
    ("start of a stage", "vqzoo"): "256 means of 1,000,000 vectors of 64",
}


def targets(read):
    """Targets of IDs and errors, and the results."""
    rows = [("vectors", "what", "target", "here", "")]
    for name in SETS:
        found = dict(_contestants(read("semantic_ids").get(name, {})))
        for who, seeds in found.items():
            if not who.startswith("vqzoo"):
                continue
            least = min(said["unique"] for said in seeds.values())
            used = min(said["least_usage"] for said in seeds.values())
            for what, value, target in (
                (f"unique, {who.removeprefix('vqzoo, ')}", least, UNIQUE_TARGET),
                (f"codes in use, {who.removeprefix('vqzoo, ')}", used, USE_TARGET),
            ):
                shown = f"{target:.0%}, every seed"
                verdict = cells.verdict(value, target)
                rows.append((name, what, shown, f"{value:.2%}", verdict))
        rows += _errors(name, found)
    return rows


def _errors(name, found):
    """The relative error beside those of the others, medians over seeds."""
    ours = found.get("vqzoo, nearest codes")
    for who, seeds in found.items():
        if ours and not who.startswith("vqzoo"):
            mine, theirs = (
                statistics.median(said["relative_error"] for said in each.values())
                for each in (ours, seeds)
            )
            yield (
                name,
                f"relative error over that of {who}",
                "at most 1",
                f"{mine / theirs:.3f}",
                cells.verdict(mine, theirs, at_least=False),
            )


def _spread(found, name, form):
    values = [said[name] for said in found]
    low, middle, high = min(values), statistics.median(values), max(values)
    cell = format(middle, form)
    return f"{cell} ({low:{form}} to {high:{form}})" if low != high else cell


def _seconds(value):
    return f"{value * 1e3:.1f} ms" if value < 1 else f"{value:.2f} s"
