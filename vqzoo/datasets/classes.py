"""The classes of a data set that were chosen, and their labels."""

from collections.abc import Iterable, Sequence

import numpy as np


def choose(known: Iterable[str], chosen: Sequence[str]) -> tuple[str, ...]:
    """The chosen classes in the order of the known ones; all if none were chosen.

    Raises: ValueError: if one is not known.
    """
    known = tuple(known)
    unknown = [name for name in chosen if name not in known]
    if unknown:
        some = f"of {', '.join(known)}" if known else "empty for data without classes"
        raise ValueError(
            f"expected --classes to be {some}, received {', '.join(unknown)}"
        )
    return tuple(name for name in known if not chosen or name in chosen)


def renumber(
    known: Sequence[str], chosen: Sequence[str]
) -> tuple[np.ndarray, tuple[str, ...]]:
    """The new label of each old one, -1 without any, and the names of the new ones."""
    names = choose(known, chosen)
    numbers = [names.index(name) if name in names else -1 for name in known]
    return np.array(numbers, np.int32), names


def in_order(names: Iterable[str]) -> list[str]:
    """Names in the order of numbers if all are numbers, otherwise alphabetically."""
    names = sorted(names)
    numbers = all(name.isascii() and name.isdigit() for name in names)
    return sorted(names, key=int) if numbers else names
