"""What the rows of a sweep say about claims: differences over the seeds, and words."""

import re
import statistics

HOLDS, FAILS, OPEN, MISSING = "Holds", "Does not hold", "Not decided", "Not measured"
_NUMBER = re.compile(r"\[([^\]]+)\](\S+)")
CONFIDENCE = 0.95


def parse(text):
    """A claim in its parts: `(words, comparisons)`.

    Args:
        text: str, `WORDS: LEFT > RIGHT and LEFT > RIGHT`, where a side is numbers
            joined by ` - `, each `[CONDITION]MEASUREMENT.NUMBER` or digits.

    Returns:
        `(words, comparisons)`; a comparison is `(text, terms)`, and a term
        `(sign, condition, number)`, or `(sign, None, float)`.

    Raises:
        ValueError: if it cannot be read so.
    """
    words, colon, rest = text.partition(": ")
    if not colon:
        raise ValueError(f"expected --claims of WORDS: LEFT > RIGHT, received {text!r}")
    return words, [(part, _terms(part)) for part in rest.split(" and ")]


def _terms(text):
    sides = text.split(" > ")
    if len(sides) != 2:
        raise ValueError(f"expected --claims of LEFT > RIGHT, received {text!r}")
    terms = []
    for sign, side in zip((1, -1), sides):
        for index, term in enumerate(side.split(" - ")):
            terms.append((sign if index == 0 else -sign, *_value(term.strip())))
    return terms


def _value(term):
    if found := _NUMBER.fullmatch(term):
        return found.groups()
    try:
        return None, float(term)
    except ValueError as error:
        raise ValueError(
            f"expected [CONDITION]MEASUREMENT.NUMBER or digits in --claims, received "
            f"{term!r}"
        ) from error


def of(claims, rows):
    """The verdicts on claims.

    A comparison is made seed by seed: left minus right, and a Student interval of the
    mean over the seeds. A claim holds if all its intervals are above 0, does not if one
    is below, and is not decided otherwise.

    Args:
        claims: sequence of str, as in `parse`.
        rows: list of dicts with `condition`, `seed` and `metrics`, as of sweep.json.

    Returns:
        List of JSON dicts: `claim`, `verdict`, `text` and `comparisons`, each with
        `comparison`, `seeds`, `differences`, `mean`, `low` and `high`; the last two are
        None for fewer than 2 seeds. Of a claim whose rows are missing the verdict is
        that it was not measured.
    """
    known = {(row["condition"], row["seed"]): row["metrics"] for row in rows}
    verdicts = []
    for claim in claims:
        words, parts = parse(claim)
        comparisons = [_compared(text, terms, known) for text, terms in parts]
        verdict = _verdict(comparisons)
        numbers = "; ".join(map(_sentence, comparisons))
        text = f"{verdict}: {words}." + (f" {numbers}." if verdict != MISSING else "")
        row = {"claim": words, "verdict": verdict, "comparisons": comparisons}
        verdicts.append({**row, "text": text})
    return verdicts


def _compared(text, terms, known):
    differences = {}
    for seed in sorted({seed for _, seed in known}):
        values = [
            sign * (number if name is None else known[name, seed][number])
            for sign, name, number in terms
            if name is None or number in known.get((name, seed), {})
        ]
        if len(values) == len(terms):
            differences[seed] = sum(values)
    mean, low, high = _interval(list(differences.values()))
    return {
        "comparison": text,
        "seeds": list(differences),
        "differences": list(differences.values()),
        "mean": mean,
        "low": low,
        "high": high,
    }


def _interval(values):
    """Mean, and Student's interval of it; None where there are too few values."""
    if len(values) < 2:
        return values[0] if values else None, None, None
    from scipy.stats import t

    mean = statistics.mean(values)
    error = statistics.stdev(values) / len(values) ** 0.5
    width = float(t.ppf((1 + CONFIDENCE) / 2, len(values) - 1)) * error
    return mean, mean - width, mean + width


def _verdict(comparisons):
    if not all(one["seeds"] for one in comparisons):
        return MISSING
    if any(one["high"] is not None and one["high"] < 0 for one in comparisons):
        return FAILS
    sure = all(one["low"] is not None and one["low"] > 0 for one in comparisons)
    return HOLDS if sure else OPEN


def _sentence(one):
    count = len(one["seeds"])
    if not count:
        return one["comparison"]
    found = f"{one['comparison']} by {one['mean']:.4g}"
    if one["low"] is None:
        return f"{found} (one seed)"
    return f"{found} ({one['low']:.4g} to {one['high']:.4g}, {count} seeds)"


def lines(verdicts):
    """Verdicts as Markdown, below a table; empty without any."""
    if not verdicts:
        return ""
    head = f"\nClaims, with {CONFIDENCE:.0%} intervals over the seeds:\n\n"
    return head + "".join(f"- {one['text']}\n" for one in verdicts)
