import shutil

import numpy as np
import pytest

from vqzoo import datasets
from vqzoo.datasets import labels
from vqzoo.datasets.summary import Summary


@pytest.fixture
def table(tmp_path, make_pixels, encode):
    """30 images in two folders of no meaning, and a function that writes a table."""
    for number in range(30):
        path = tmp_path / "data" / "ab"[number % 2] / f"{number}.png"
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_bytes(encode(make_pixels(number)))

    def write(lines, name="labels.csv"):
        (tmp_path / "data" / name).write_text("\n".join(lines), "utf-8-sig")
        return tmp_path / "data"

    return write


@pytest.mark.parametrize(
    ("head", "row"),
    [
        ("file,label", "{folder}/{number}.png,{label}"),
        ("id,breed", "{number},{label}"),
        ("x;class;filename", "0;{label};{number}.png"),
        ("image\tdiagnosis", "./{folder}/{number}.png\t{label}"),
    ],
)
def test_labels_stand_in_a_table(table, head, row):
    rows = [
        row.format(folder="ab"[n % 2], number=n, label=("10", "9", "2")[n % 3])
        for n in range(30)
    ]
    data = table([head, *rows])
    splits = datasets.load("folder", data_dir=data, labels="labels.csv")
    assert splits.class_names == ("2", "9", "10")
    assert splits.summary["classes"] == {"2": 10, "9": 10, "10": 10}
    archive = shutil.make_archive(str(data), "zip", data)
    packed = datasets.load("folder", data_dir=archive, labels="labels.csv")
    assert packed.fingerprint == splits.fingerprint
    beside = datasets.load("folder", data_dir=archive, labels=data / "labels.csv")
    assert beside.fingerprint == splits.fingerprint
    chosen = datasets.load(
        "folder", data_dir=data, labels="labels.csv", classes=("9", "10")
    )
    assert sum(chosen.summary["splits"].values()) == 20


def test_what_has_no_row_or_no_image_is_left_out_and_counted(table):
    data = table(["file,label", *(f"{n},x{n % 2}" for n in range(24)), "99,x1"])
    with pytest.warns(UserWarning) as caught:
        splits = datasets.load("folder", data_dir=data, labels="labels.csv")
    assert [str(w.message).partition(",")[0] for w in caught] == [
        "left out 1 rows of the labels without an image or a label",
        "left out 6 images without a label",
    ]
    assert splits.summary["images"] == 24


NAMES = ["a/1.png", "b/1.png", "a/2.png"]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["file,size,color", "1,2,3"], "columns file and label: received file, size"),
        (["file,label", "1,x"], "paths in --labels=.*1 is the name of several"),
        (["file,label", "2,x", "2.png,y"], "one label of 2.png .*received x and y"),
        (["file,label", "7,x"], "to name images of .* such as a/1.png, received 7"),
    ],
)
def test_tables_that_say_nothing_are_refused(tmp_path, lines, message):
    (tmp_path / "labels.csv").write_text("\n".join(lines))
    with pytest.raises(ValueError, match=message):
        labels.read("labels.csv", tmp_path, NAMES, Summary())
    with pytest.raises(FileNotFoundError, match="--labels, a CSV file, found none"):
        labels.read("missing.csv", tmp_path, NAMES, Summary())


def test_rows_of_several_ways_to_name_a_file_give_its_label(tmp_path):
    lines = ["file,label", "a/1.png,x", "b/1,y", "2,z"]
    (tmp_path / "labels.csv").write_text("\n".join(lines))
    found = labels.read(tmp_path / "labels.csv", tmp_path, NAMES, Summary())
    assert found == dict(zip(NAMES, "xyz")) and np.all(list(found) == NAMES)
