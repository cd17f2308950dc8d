"""What a data set was read from: what is in it, what was left out, and why."""

import collections
import dataclasses
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

_EXAMPLES = 5  # names that are kept of each reason
_CLASSES_SHOWN = 8


@dataclasses.dataclass
class Summary:
    """What a reader finds on its way from files to images.

    Args:
        source: str, path of the data.
        seen: int, files that were looked at.
        left_out: dict of a reason to names of what was left out for it.
        done: counts of images by what was done to them.
        facts: what else was understood, JSON: `layout`, `sizes`, `values` and the like.
    """

    source: str = ""
    seen: int = 0
    left_out: dict[str, list[str]] = dataclasses.field(default_factory=dict)
    done: collections.Counter = dataclasses.field(default_factory=collections.Counter)
    facts: dict = dataclasses.field(default_factory=dict)

    def leave_out(self, reason: str, names: str | Iterable[str]) -> None:
        """Counts what is left out, by name."""
        names = [names] if isinstance(names, str) else list(names)
        if names:
            self.left_out.setdefault(reason, []).extend(names)

    def as_json(
        self,
        shape: Sequence[int],
        labels: np.ndarray | None,
        rows: Mapping[str, np.ndarray],
        class_names: Sequence[str],
    ) -> dict:
        """All of it, and what is in the splits: a JSON dict without empty entries.

        Args:
            shape: of all images, `(N, height, width, channels)`.
            labels: int `(N,)`, or None.
            rows: of the images in each split.
            class_names: str for each label.
        """
        counts = {}
        if labels is not None:
            kept = np.concatenate([labels[chosen] for chosen in rows.values()])
            numbers = np.bincount(kept, minlength=len(class_names)).tolist()
            counts = dict(zip(class_names, numbers))
        left_out = {
            reason: {"count": len(names), "examples": names[:_EXAMPLES]}
            for reason, names in self.left_out.items()
        }
        whole = {
            "source": self.source,
            "files": self.seen,
            "images": int(sum(map(len, rows.values()))),
            "left_out": left_out,
            "classes": counts,
            "splits": {name: len(chosen) for name, chosen in rows.items()},
            "shape": [int(side) for side in shape[1:]],
            "done": dict(self.done),
            **self.facts,
        }
        return {key: value for key, value in whole.items() if value}


def describe(splits) -> list[str]:
    """What was read, in two to six lines, without zeros.

    Args:
        splits: `Splits`; none without a summary.
    """
    summary = splits.summary
    if not summary:
        return []
    left_out = "; ".join(
        f"{kind['count']:,} {reason} ({kind['examples'][0]})"
        for reason, kind in summary.get("left_out", {}).items()
    )
    files = f"{summary['files']:,} files in " if "files" in summary else ""
    first = f"{files}{summary.get('source', '')}, ".lstrip(", ")
    found = [f"Data: {first}{summary['images']:,} images"]
    if left_out:
        found.append(f"Left out: {left_out}")
    splits = ", ".join(f"{n} {count:,}" for n, count in summary["splits"].items())
    classes = summary.get("classes", {})
    shown = [f"{n} {name} {classes[name]:,}" for n, name in enumerate(classes)]
    if len(shown) > _CLASSES_SHOWN:
        shown = [*shown[: _CLASSES_SHOWN - 2], "...", shown[-1]]
    words = f"{len(classes)} classes: {', '.join(shown)}" if classes else "no classes"
    layout = f" ({summary['layout']})" if "layout" in summary else ""
    words = f"; {words}{layout}" if classes or layout else ""
    found.append(f"Splits: {splits}{words}")
    found.append("Images: " + "; ".join(_of_images(summary)))
    if done := summary.get("done"):
        found.append(
            "On the way: " + "; ".join(f"{what}: {n:,}" for what, n in done.items())
        )
    if leakage := summary.get("leakage"):
        one, other = leakage["examples"][0]
        found.append(
            f"Leakage: {leakage['count']:,} held-out images look like training images, "
            f"such as {one} and {other}"
        )
    return found


def _of_images(summary):
    yield " x ".join(map(str, summary["shape"])) + " (height x width x channels)"
    if sizes := summary.get("sizes"):
        least, most = (" x ".join(map(str, sizes[end])) for end in ("least", "most"))
        yield f"from {least}" if least == most else f"from {least} to {most}"
    for kind, (low, high) in summary.get("values", {}).items():
        yield f"{kind}: {low:,g} to {high:,g} became 0 to 255"
