"""What the folders of images mean: splits, classes, or neither."""

import dataclasses
import os
import re
import unicodedata
from collections.abc import Sequence

from vqzoo.datasets.summary import Summary

_WORDS = ("train", "training", "validation", "valid", "val", "test", "testing")
_SPLIT = re.compile(
    rf"(?P<word>{'|'.join(_WORDS)})([-_. ]?(set|split|images?|imgs?|data|\d+))*"
)
_SPLITS = {"tr": "train", "va": "validation", "te": "test"}
_LEVELS = ("class", "split", "*", "flat")
BESIDE_CLASSES = "images beside the class folders"
_STRAY_SHARE = 0.1  # of the images, which may lie beside the class folders


@dataclasses.dataclass(frozen=True)
class Understood:
    """The images of a layout, with the splits and classes that folders give.

    Args:
        names: str, of the files that are taken.
        splits: "train", "validation" or "test" for each.
        classes: str for each, all empty without classes.
    """

    names: list[str]
    splits: list[str]
    classes: list[str]


def understand(
    names: Sequence[str],
    summary: Summary,
    *,
    layout: str = "",
    class_level: int = 0,
    classes: bool = True,
) -> Understood:
    """Splits and classes of files by their folders.

    Folders that name splits may stand above the class folders or below them. The class
    is the innermost folder, unless depths differ or a name repeats under several
    folders: then it is the outermost. Names that differ by their Unicode form alone are
    one.

    Args:
        names: str, of files, with `/` between folders.
        summary: gets what was understood and left out.
        layout: str, levels of folders from above with `/` between them, each `class`,
            `split` or `*`; or `flat`, no classes. Defaults to what the names suggest.
        class_level: int, which folder is the class: 1 is the outermost, -1 the
            innermost. Defaults to what the names suggest.
        classes: bool. Whether folders may be classes; without, they only tell splits.
    Raises: ValueError: if the folders can be read in two ways, with the flag that
        decides, or do not fit to what is asked for.
    """
    folders = {name: _folders(name) for name in names}
    if layout and class_level:
        raise ValueError(
            f"expected --layout or --class_level, received both: {layout!r} and "
            f"{class_level}"
        )
    if layout:
        found, words = _by_pattern(folders, layout, summary), layout
    else:
        found, words = _by_names(folders, class_level, classes, summary)
    summary.facts["layout"] = words
    kept = [name for name in names if name in found]
    return Understood(
        kept, [found[name][0] for name in kept], [found[name][1] for name in kept]
    )


def split_of(word: str) -> str | None:
    """The split that a word such as `val2017` names, or None."""
    match = _SPLIT.fullmatch(word.lower())
    return _SPLITS[match["word"][:2]] if match else None


def _folders(name):
    return unicodedata.normalize("NFC", name).split("/")[:-1]


def _by_pattern(folders, layout, summary):
    """Split and class of each file whose folders fit the levels of `layout`."""
    words = layout.split("/")
    if (
        set(words) - set(_LEVELS)
        or ("flat" in words and len(words) > 1)
        or any(words.count(word) > 1 for word in ("class", "split"))
    ):
        raise ValueError(
            "expected --layout of class, split and * with / between them, such as "
            f"class/split, or flat, received {layout!r}"
        )
    if words == ["flat"]:
        return {name: ("train", "") for name in folders}
    # Folders around all of it, as archives have them, are no level.
    most = len(os.path.commonprefix([f for f in folders.values() if f] or [[]]))
    for skipped in range(most, -1, -1):
        found = {
            name: _at_levels(folder[skipped:], words)
            for name, folder in folders.items()
        }
        found = {name: pair for name, pair in found.items() if pair}
        if found and any(split == "train" for split, _ in found.values()):
            outside = [name for name in folders if name not in found]
            summary.leave_out(f"images outside of the layout {layout}", outside)
            return found
    raise ValueError(
        f"expected images in folders of --layout={layout}, found none among "
        f"{next(iter(folders), 'no images')}"
    )


def _at_levels(folder, words):
    if len(folder) < len(words):
        return None
    split, label = "train", ""
    for part, word in zip(folder, words):
        if word == "split":
            split = split_of(part)
        elif word == "class":
            label = part
    return (split, label) if split else None


def _by_names(folders, class_level, with_classes, summary):
    """Split and class of each file as its folders suggest, and the layout in words."""
    deep = [folder for folder in folders.values() if folder]
    few = _are_few(len(folders) - len(deep), len(folders))
    deep = deep if few and deep else list(folders.values())
    # The innermost folder stays, as the one class that there is.
    depth = min(len(os.path.commonprefix(deep)), max(0, min(map(len, deep)) - 1))
    inner = {name: folder[depth:] for name, folder in folders.items()}
    above = {name: split_of(folder[0]) for name, folder in inner.items() if folder}
    has_splits = _are_splits(inner, above)
    if not with_classes:
        splits = {name: above.get(name) if has_splits else "train" for name in folders}
        return {n: (split, "") for n, split in splits.items() if split}, (
            "split" if has_splits else "flat"
        )
    if has_splits:
        beside = sorted(name for name in folders if not above.get(name))
        summary.leave_out("images beside the folders of the splits", beside)
        inner = {name: folder[1:] for name, folder in inner.items() if above.get(name)}
        classes, words = _classes(inner, class_level, summary, "split")
        return {name: (above[name], label) for name, label in classes.items()}, words
    if below := _splits_below(inner):
        outside = sorted(name for name in folders if not below.get(name))
        summary.leave_out("images outside of the layout class/split", outside)
        pairs = {name: (split, inner[name][0]) for name, split in below.items()}
        return pairs, "class/split"
    classes, words = _classes(inner, class_level, summary, "")
    return {name: ("train", label) for name, label in classes.items()}, words


def _are_splits(inner, above):
    """Whether the outermost folders name splits; ValueError if they may be classes."""
    splits = {split for split in above.values() if split}
    if "train" not in splits:
        return False
    words = {folder[0] for name, folder in inner.items() if above.get(name)}
    others = {folder[0] for folder in inner.values() if folder} - words
    if others and not {word.lower() for word in words} & set(_WORDS):
        return False  # train_1, train_2 and bus are classes
    flat = all(len(folder) == 1 for folder in inner.values() if folder)
    if splits == {"train"} and others and flat:
        raise ValueError(
            _two(
                f"the folders {_some(words | others)}",
                ("class", "each a class, train among them"),
                ("split", f"train is the training split, {_some(others)} left out"),
            )
        )
    return True


def _splits_below(inner):
    """The split of each file whose second folder names one; none if most do not.

    Raises: ValueError: if the folders within the splits may be the classes.
    """
    below = {
        name: split_of(folder[1]) for name, folder in inner.items() if len(folder) > 1
    }
    below = {name: split for name, split in below.items() if split}
    if "train" not in below.values() or 2 * len(below) < len(inner):
        return {}
    outer = {inner[name][0] for name in below}
    innermost = {inner[name][2] for name in below if len(inner[name]) > 2}
    if innermost:
        raise ValueError(
            _two(
                f"the folders {_some(outer)}, with splits in them, and in those "
                f"{_some(innermost)}",
                ("class/split", f"classes are {_some(outer)}"),
                ("*/split/class", f"classes are {_some(innermost)}"),
            )
        )
    return below


def _classes(inner, class_level, summary, above):
    """The class of each file by the folders that are left, and the layout in words."""
    layout = f"{above}/class".strip("/")
    loose = sorted(name for name, folder in inner.items() if not folder)
    if len(loose) == len(inner):
        return dict.fromkeys(inner, ""), above or "flat"
    if not _are_few(len(loose), len(inner)):
        some = _some({folder[0] for folder in inner.values() if folder})
        raise ValueError(
            _two(
                f"{len(loose)} images such as {loose[0]} beside the folders {some}",
                (layout, f"classes are {some}, without those {len(loose)}"),
                (above or "flat", f"all {len(inner)} images, without classes"),
            )
        )
    summary.leave_out(BESIDE_CLASSES, loose)
    labeled = {name: folder for name, folder in inner.items() if folder}
    if class_level:
        place = class_level - 1 if class_level > 0 else class_level
        least = abs(class_level)
        short = sorted(name for name, f in labeled.items() if len(f) < least)
        summary.leave_out(
            f"images without a folder for --class_level={class_level}", short
        )
        labels = {n: f[place] for n, f in labeled.items() if len(f) >= least}
        if not labels:
            raise ValueError(
                f"expected --class_level of at most {max(map(len, labeled.values()))} "
                f"folders, received {class_level}"
            )
        return labels, f"{layout}, --class_level={class_level}"
    depths = {len(folder) for folder in labeled.values()}
    leaves = {}
    for folder in labeled.values():
        leaves.setdefault(folder[-1], set()).add(tuple(folder[:-1]))
    if len(depths) > 1 or any(len(parents) > 1 for parents in leaves.values()):
        outer = {name: folder[0] for name, folder in labeled.items()}
        return outer, f"{layout}, the outermost folders"
    inner_words = "" if depths == {1} else ", the innermost folders"
    return {name: folder[-1] for name, folder in labeled.items()}, layout + inner_words


def _are_few(count, total):
    return count <= max(1, _STRAY_SHARE * total)


def _two(found, first, second):
    """The message of an error: folders that can be read in two ways."""
    return (
        f"expected --layout, as there are two readings of {found}: "
        f"--layout={first[0]} ({first[1]}) or --layout={second[0]} ({second[1]})"
    )


def _some(names):
    shown = sorted(names)
    return ", ".join([*shown[:4], "..."] if len(shown) > 5 else shown)
