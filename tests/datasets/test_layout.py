import pytest

from vqzoo.datasets.layout import split_of, understand
from vqzoo.datasets.summary import Summary


def files(*folders, count=6):
    """Names of images in folders; `folder*3` has three."""
    names = []
    for folder in folders:
        folder, _, number = folder.partition("*")
        numbers = range(int(number or count))
        names += [f"{folder}/{number}.png".lstrip("/") for number in numbers]
    return names


def read(names, **options):
    """`{name of a folder: (split, class)}` of the images, and the summary."""
    summary = Summary()
    found = understand(names, summary, **options)
    pairs = zip(found.names, found.splits, found.classes)
    return {n.rpartition("/")[0]: (s, c) for n, s, c in pairs}, summary


def test_split_folders_stand_above_the_classes_or_below_them():
    above, summary = read(files("train/cat", "train/dog", "test/cat"))
    assert above["train/dog"] == ("train", "dog") and above["test/cat"][0] == "test"
    assert summary.facts["layout"] == "split/class"
    below, summary = read(files("cat/train", "cat/test", "dog/train", "dog/val"))
    assert below["cat/test"] == ("test", "cat")
    assert below["dog/val"] == ("validation", "dog")
    assert summary.facts["layout"] == "class/split"


ANOMALIES = files(
    "bottle/train/good", "bottle/test/broken", "bottle/test/good", "cable/train/good"
)


def test_two_readings_are_an_error_that_shows_both_and_the_flag():
    message = (
        r"--layout=class/split \(classes are bottle, cable\) or "
        r"--layout=\*/split/class \(classes are broken, good\)"
    )
    with pytest.raises(ValueError, match=message):
        read(ANOMALIES)
    found, _ = read(ANOMALIES, layout="class/split")
    assert found["bottle/test/broken"] == ("test", "bottle")
    found, _ = read(ANOMALIES, layout="*/split/class")
    assert found["bottle/test/broken"] == ("test", "broken")
    # One object alone is a folder around all of it.
    found, _ = read(ANOMALIES[:18])
    assert found["bottle/test/broken"] == ("test", "broken")


def test_years_behind_the_names_of_splits_and_no_class_folders():
    found, summary = read(files("train2017", "val2017", "test_images"))
    assert found == {
        "train2017": ("train", ""),
        "val2017": ("validation", ""),
        "test_images": ("test", ""),
    }
    assert summary.facts["layout"] == "split"
    assert [split_of(n) for n in ("training_set", "Valley", "trains", "bus")] == [
        *("train", None, None, None)
    ]


def test_a_class_may_be_called_train():
    vehicles = files("bus", "car", "train")
    with pytest.raises(ValueError, match="--layout=class .*--layout=split"):
        read(vehicles)
    assert read(vehicles, layout="class")[0]["train"] == ("train", "train")
    assert list(read(vehicles, layout="split")[0]) == ["train"]
    numbered, _ = read(files("bus", "train_1", "train_2"))
    assert numbered["train_2"] == ("train", "train_2")


def test_the_outermost_folder_is_the_class_where_names_repeat_or_depths_differ():
    years = files("oak/2020", "oak/2021", "elm/2020", "elm/2021")
    assert {label for _, label in read(years)[0].values()} == {"oak", "elm"}
    sizes, summary = read(files("dog/big", "dog/small", "cat"))
    assert {label for _, label in sizes.values()} == {"dog", "cat"}
    assert summary.facts["layout"] == "class, the outermost folders"
    found, _ = read(years, class_level=-1)
    assert {label for _, label in found.values()} == {"2020", "2021"}
    split, _ = read(files("train/oak/2020", "test/oak/2020", "train/elm/2020"))
    assert split["test/oak/2020"] == ("test", "oak")


@pytest.mark.parametrize("above", ["", "wrapped/"])
def test_one_class_alone_is_a_class(above):
    found, _ = read([*files(f"{above}cat", count=20), "stray.png"])
    assert found == {f"{above}cat": ("train", "cat")}
    found, _ = read(files(f"{above}train"))
    assert found == {f"{above}train": ("train", "")}
    found, _ = read(files(f"{above}train/cat", f"{above}train/dog"))
    assert found[f"{above}train/dog"] == ("train", "dog")


def test_the_innermost_folder_is_the_class_where_it_is_unique():
    found, summary = read(files("animals/cat", "animals/dog", "plants/elm"))
    assert {label for _, label in found.values()} == {"cat", "dog", "elm"}
    assert summary.facts["layout"] == "class, the innermost folders"
    found, summary = read(files("animals/cat", "plants/elm"), class_level=1)
    assert {label for _, label in found.values()} == {"animals", "plants"}
    with pytest.raises(ValueError, match="--class_level of at most 2 .* received 3"):
        read(files("animals/cat", "plants/elm"), class_level=3)


@pytest.mark.parametrize("above", ["", "made/up/"])
def test_a_stray_image_is_left_out_and_labels_stay(above):
    found, summary = read([*files(f"{above}cat", f"{above}dog"), "stray.png"])
    assert found[f"{above}dog"] == ("train", "dog") and "" not in found
    assert summary.left_out == {"images beside the class folders": ["stray.png"]}


def test_many_images_beside_class_folders_are_asked_for():
    names = files("", "cat", "dog")
    message = r"6 images such as 0.png .*--layout=class .*--layout=flat \(all 18"
    with pytest.raises(ValueError, match=message):
        read(names)
    assert {c for _, c in read(names, layout="flat")[0].values()} == {""}
    found, summary = read(names, layout="class")
    assert list(found) == ["cat", "dog"]
    assert summary.left_out == {"images outside of the layout class": files("")}
    unlabeled = files("train/cat", "train/dog", "test")
    with pytest.raises(ValueError, match="--layout=split/class .*--layout=split "):
        read(unlabeled)
    assert read(unlabeled, layout="split")[0]["test"] == ("test", "")


def test_names_that_differ_by_their_unicode_form_are_one_class():
    found, _ = read(files("caf\u00e9", "cafe\u0301", "bar"))
    assert {label for _, label in found.values()} == {"caf\u00e9", "bar"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layout": "split/size"}, "class, split and .*received 'split/size'"),
        ({"layout": "class/class"}, "received 'class/class'"),
        ({"layout": "*/*/class"}, "folders of --layout=.* found none among"),
        ({"layout": "class", "class_level": 1}, "--layout or --class_level"),
    ],
)
def test_a_layout_that_does_not_fit_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        read(files("cat", "dog"), **options)
