"""What texts claim, and what result files say of it: verdicts by rules.

A claim has pieces of evidence, each a file of rows, two conditions (or one), a number
and what the claim expects of it. Rules give the verdicts:

    higher, lower   the second condition against the first, by Welch's test over seeds
    at_most = B, at_least = B   the ratio to the first condition, seed by seed; with
                                `of = "difference"` or `"value"` that instead

One seed settles nothing. A `verdict` of the claim says in words that its numbers
cannot be compared.
"""

import re
import statistics
import tomllib

from vqzoo.studies import table

LEVEL = 0.05  # of Welch's test
YES, NO, OPEN = "yes", "no", "not settled"


def read(path):
    """The claims of a file: a list of dicts."""
    return tomllib.loads(path.read_text("utf-8"))["claims"]


def page(claims, root, link):
    """The claims as Markdown: all verdicts first, then each with its evidence."""
    lines = ["| claim | where | verdict |", "|---|---|---|"]
    sections = []
    for claim in claims:
        judged = [judge(piece, root) for piece in claim["evidence"]]
        verdict = claim.get("verdict") or overall([answer for answer, _ in judged])
        title = claim["claim"]
        anchor = re.sub(r"[^\w]+", "-", title.lower()).strip("-")
        lines.append(f"| [{title}](#{anchor}) | {claim['where']} | {verdict} |")
        sections.append(_section(claim, anchor, verdict, judged, link))
    return "\n".join([*lines, "", *sections])


def _section(claim, anchor, verdict, judged, link):
    rows = ["| evidence | n | numbers | expected | verdict | file |"]
    rows.append("|---|---|---|---|---|---|")
    for piece, (answer, (counts, numbers, expected)) in zip(claim["evidence"], judged):
        rows.append(
            f"| {piece['what']} | {counts} | {numbers} | {expected} | {answer} | "
            f"{link(piece['file'])} |"
        )
    return "\n".join(
        [
            f"## {claim['claim']} {{ #{anchor} }}",
            "",
            f"{claim['where']}. **{verdict[0].upper()}{verdict[1:]}.**",
            *(["", claim["reading"]] if "reading" in claim else []),
            "",
            *rows,
            "",
        ]
    )


def overall(answers):
    """A claim's verdict from those of its evidence, each of which counts once."""
    kinds = [re.match(f"{OPEN}|{YES}|{NO}", answer)[0] for answer in answers]
    counts = {kind: kinds.count(kind) for kind in (YES, NO, OPEN)}
    if counts[YES] == len(answers):
        return "holds" if len(answers) == 1 else f"holds in all {len(answers)} tests"
    if counts[NO] == len(answers):
        return (
            f"does not hold in {'any of ' * (len(answers) > 1)}{_tests(len(answers))}"
        )
    if counts[OPEN] == len(answers):
        return f"not settled by {_tests(len(answers))}"
    words = {YES: "holds in {}", NO: "fails in {}", OPEN: "is not settled in {}"}
    parts = [words[kind].format(n) for kind, n in counts.items() if n]
    return f"{', '.join(parts)} of {_tests(len(answers))}"


def _tests(count):
    return "1 test" if count == 1 else f"{count} tests"


def judge(piece, root):
    """The verdict of a piece of evidence.

    Args:
        piece: dict with `what`, `file`, `number`, `to`, perhaps `from` (a condition),
            `from_number`, `format`, and one of `expect`, `at_most`, `at_least`.
        root: path that `file` starts from.

    Returns:
        `(verdict, (counts, numbers, expected))`, all str.

    Raises:
        ValueError: if the file has no such rows or numbers.
    """
    rows = table.read(root / piece["file"])
    number = piece["number"]
    second = _seeds(rows, piece["to"], number, piece)
    first = None
    if "from" in piece:
        first = _seeds(rows, piece["from"], piece.get("from_number", number), piece)
    form = piece.get("format", ".3g")
    unit = piece.get("unit", "")
    texts = [_text(seeds, form, unit) for seeds in (first, second) if seeds]
    counts = " and ".join(dict.fromkeys(str(len(s)) for s in (first, second) if s))
    if "expect" in piece:
        answer, expected = _compared(first, second, piece["expect"]), piece["expect"]
    else:
        answer, expected = _bounded(first, second, piece)
    return answer, (counts, " → ".join(texts), expected)


def _seeds(rows, condition, number, piece):
    found = {
        row["seed"]: row["metrics"][number]
        for row in rows
        if row["condition"] == condition and number in row["metrics"]
    }
    if not found:
        raise ValueError(f"expected {number} of {condition!r} in {piece['file']}")
    return found


def _text(seeds, form, unit):
    low, middle, high = (
        format(value, form)
        for value in (
            min(seeds.values()),
            statistics.median(seeds.values()),
            max(seeds.values()),
        )
    )
    return f"{middle}{f' ({low} to {high})' if low != high else ''}{unit}"


def _compared(first, second, expect):
    """Whether the second is higher or lower than the first, by Welch's test."""
    difference = statistics.mean(second.values()) - statistics.mean(first.values())
    as_claimed = (difference > 0) == (expect == "higher") and difference != 0
    if min(len(first), len(second)) < 2:
        way = "higher" if difference > 0 else "lower" if difference < 0 else "equal"
        return f"{OPEN}: one seed, {way}"
    p = welch(list(first.values()), list(second.values()))
    shown = f"p = {p:.2g}" if p >= 0.001 else "p < 0.001"
    if p >= LEVEL:
        return f"{OPEN} ({shown})"
    return f"{YES} ({shown})" if as_claimed else f"{NO}, the opposite ({shown})"


def welch(first, second):
    """The p-value of Welch's test, two-sided, of two lists of two numbers or more."""
    from scipy import special

    shares = [statistics.variance(values) / len(values) for values in (first, second)]
    difference = statistics.mean(second) - statistics.mean(first)
    if not difference or not sum(shares):
        return float(not difference)
    freedom = sum(shares) ** 2 / sum(
        share**2 / (len(values) - 1) for share, values in zip(shares, (first, second))
    )
    return float(2 * special.stdtr(freedom, -abs(difference) / sum(shares) ** 0.5))


def _bounded(first, second, piece):
    """Whether each seed keeps to a bound, and the bound in words."""
    of = piece.get("of", "ratio")
    if of == "value":
        values = list(second.values())
    else:
        seeds = sorted(set(first) & set(second))
        pairs = [(first[seed], second[seed]) for seed in seeds]
        values = [b / a if of == "ratio" else b - a for a, b in pairs]
    sign = "at most" if "at_most" in piece else "at least"
    bound = piece["at_most"] if "at_most" in piece else piece["at_least"]
    kept = sum(v <= bound if sign == "at most" else v >= bound for v in values)
    low, high = (format(value, ".3g") for value in (min(values), max(values)))
    reached = low if low == high else f"{low} to {high}"
    words = {"ratio": f"{sign} {bound:g} times", "value": f"{sign} {bound:g}"}
    expected = words.get(of, f"{sign} {bound:+g}")
    if len(values) == 1:
        return f"{OPEN}: one seed, {reached}", expected
    if kept in (0, len(values)):
        kind = YES if kept else NO
        return f"{kind} ({reached})", expected
    return f"{OPEN}: {kept} of {len(values)} ({reached})", expected
