"""Labels in a table beside the images."""

import csv
import io
import os
import pathlib
from collections.abc import Iterable, Sequence

from vqzoo.datasets import archives
from vqzoo.datasets.summary import Summary

_FILES = ("file", "filename", "file_name", "image", "image_id", "id", "path", "name")
_LABELS = ("label", "labels", "class", "category", "target", "diagnosis")


def read(
    labels: str | os.PathLike[str],
    data_dir: str | os.PathLike[str],
    names: Sequence[str],
    summary: Summary,
) -> dict[str, str]:
    """The label of each image that a CSV file has one of.

    The first line names the columns, such as `file` and `label`; of two columns with
    other names the first is the file. A file is its path within the data, or its name
    with or without suffix where that is unique.

    Args:
        labels: path of the CSV file, on its own or within the data.
        data_dir: directory or archive of the images.
        names: str, of the images within it.
        summary: gets the rows without an image and the images without a row.
    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is no such table, a name is of several images, or an image has
            two labels.
    """
    rows = _rows(_text(labels, data_dir), labels)
    places = _places(names)
    found, missing = {}, []
    for file, label in rows:
        key = file.strip().removeprefix("./")
        name = places.get(key)
        if name is None and key in places:
            raise ValueError(
                f"expected paths in --labels={labels}, as {file} is the name of "
                "several images"
            )
        if name is None or not label:
            missing.append(file)
        elif found.setdefault(name, label) != label:
            raise ValueError(
                f"expected one label of {file} in --labels={labels}, received "
                f"{found[name]} and {label}"
            )
    if not found:
        raise ValueError(
            f"expected --labels={labels} to name images of {data_dir} such as "
            f"{names[0]}, received {rows[0][0] if rows else 'no rows'}"
        )
    summary.leave_out("rows of the labels without an image or a label", missing)
    unlabeled = [name for name in names if name not in found]
    summary.leave_out("images without a label", unlabeled)
    return found


def _text(labels, data_dir):
    path = pathlib.Path(labels).expanduser()
    inner = pathlib.Path(data_dir).expanduser() / labels
    for file in (path, inner):
        if file.is_file():
            data = file.read_bytes()
            break
    else:
        data = dict(archives.read_files(data_dir, [str(labels)])).get(str(labels))
    if data is None:
        raise FileNotFoundError(
            f"expected --labels, a CSV file, found none at {path} or in {data_dir}"
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"expected --labels={labels} in UTF-8: {error}") from error


def _rows(text, labels):
    """Pairs of file and label."""
    head = text.partition("\n")[0]
    separator = max(",;\t", key=head.count)
    try:
        table = csv.DictReader(io.StringIO(text), delimiter=separator)
        columns = table.fieldnames or []
        file, label = _column(columns, _FILES), _column(columns, _LABELS)
        if len(columns) == 2:
            file = file or next(name for name in columns if name != label)
            label = label or next(name for name in columns if name != file)
        if not file or not label:
            raise ValueError(f"received {', '.join(columns) or 'none'}")
        return [(row[file] or "", (row[label] or "").strip()) for row in table]
    except (csv.Error, ValueError) as error:
        raise ValueError(
            f"expected --labels={labels} with the columns file and label: {error}"
        ) from error


def _column(columns, known):
    return next((name for name in columns if name.strip().lower() in known), None)


def _places(names: Iterable[str]) -> dict[str, str | None]:
    """Images by the ways to name them; None for a way that fits several."""
    places = {}
    for name in names:
        file = name.rpartition("/")[2]
        for way in {os.path.splitext(name)[0], file, os.path.splitext(file)[0]}:
            places[way] = name if places.get(way, name) == name else None
    return places | {name: name for name in names}
