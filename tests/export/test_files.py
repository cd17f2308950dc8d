import hashlib
import os
import pathlib

import pytest

from vqzoo.export import ExportError, files


def make_artifact(folder, version, text):
    """An artifact of small text files."""
    (folder / "saved_model" / str(version)).mkdir(parents=True)
    for name in ("manifest.json", "model.keras", f"saved_model/{version}/graph"):
        (folder / name).write_text(text)
    return folder


def read(folder):
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return {p.relative_to(folder).as_posix(): p.read_text() for p in paths}


def test_a_new_artifact_is_version_1_and_the_next_one_more(tmp_path):
    assert files.check_target(tmp_path / "new", False) == 1
    (tmp_path / "empty").mkdir()
    assert files.check_target(tmp_path / "empty", False) == 1
    old = make_artifact(tmp_path / "old", 9, "")
    (old / "saved_model" / "10").mkdir()
    assert files.check_target(old, False) == 11
    assert files.check_target(old, True) == 1


def test_a_folder_that_is_no_artifact_is_refused_even_with_overwrite(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(ExportError, match="something else; nothing was changed"):
        files.check_target(tmp_path, True)


@pytest.mark.parametrize("name", ["my model", "a/..", "-x", "naïve", ".hidden"])
def test_a_folder_name_that_cannot_be_served_is_refused(name, tmp_path):
    with pytest.raises(ExportError, match="expected a folder name of letters"):
        files.check_target(tmp_path / name, False)


def test_a_first_artifact_is_moved_as_a_whole(tmp_path):
    new = make_artifact(tmp_path / "aside" / "x", 1, "new")
    content = read(new)
    files.place(new, tmp_path / "x", 1, False)
    assert read(tmp_path / "x") == content
    assert not new.exists()


def test_the_next_version_stands_beside_the_earlier_ones(tmp_path):
    target = make_artifact(tmp_path / "x", 1, "old")
    files.place(make_artifact(tmp_path / "aside" / "x", 2, "new"), target, 2, False)
    assert read(target) == {
        "manifest.json": "new",
        "model.keras": "new",
        "saved_model/1/graph": "old",
        "saved_model/2/graph": "new",
    }
    assert files.versions(target) == [1, 2]


def test_the_next_version_comes_in_each_precision(tmp_path):
    target = make_artifact(tmp_path / "x", 3, "old")
    new = make_artifact(tmp_path / "aside" / "x", 4, "new")
    (new / "saved_model_bfloat16" / "4").mkdir(parents=True)
    (new / "saved_model_bfloat16" / "4" / "graph").write_text("new")
    files.place(new, target, 4, False)
    assert read(target)["saved_model_bfloat16/4/graph"] == "new"
    assert read(target)["saved_model/4/graph"] == "new"
    assert files.versions(target) == [3, 4]
    assert set(files.checksums_of_versions(target)) == {
        "saved_model/3/graph",
        "saved_model/4/graph",
        "saved_model_bfloat16/4/graph",
    }


def test_what_belonged_to_the_earlier_model_goes_when_the_next_one_comes(tmp_path):
    target = make_artifact(tmp_path / "x", 1, "old")
    for name in ("pipeline.json", "top.keras", "bottom.keras"):
        (target / name).write_text("old")
    (target / "NOTES.md").write_text("of its owner")
    files.place(make_artifact(tmp_path / "aside" / "x", 2, "new"), target, 2, False)
    assert read(target) == {
        "NOTES.md": "of its owner",
        "manifest.json": "new",
        "model.keras": "new",
        "saved_model/1/graph": "old",
        "saved_model/2/graph": "new",
    }


def test_a_json_never_names_files_that_are_not_there(tmp_path, monkeypatch):
    """Between any two steps: pipeline.json goes before its priors, and comes after."""
    target = make_artifact(tmp_path / "x", 1, "old")
    new = make_artifact(tmp_path / "aside" / "x", 2, "new")
    for folder, priors in ((target, "ab"), (new, "bc")):
        (folder / "pipeline.json").write_text(priors)
        for prior in priors:
            (folder / f"{prior}.keras").write_text("")
    steps = []

    def watched(step):
        def watching(*arguments):
            step(*arguments)
            if (target / "pipeline.json").is_file():
                priors = (target / "pipeline.json").read_text()
                assert all((target / f"{prior}.keras").is_file() for prior in priors)
            steps.append(pathlib.Path(arguments[-1]).name)

        return watching

    monkeypatch.setattr(os, "replace", watched(os.replace))
    monkeypatch.setattr(pathlib.Path, "unlink", watched(pathlib.Path.unlink))
    files.place(new, target, 2, False)
    assert steps[0] == "pipeline.json" and steps[-1] == "manifest.json"
    assert {path.name for path in target.glob("?.keras")} == {"b.keras", "c.keras"}


def test_overwriting_leaves_nothing_of_what_was_there(tmp_path):
    target = make_artifact(tmp_path / "x", 7, "old")
    files.place(make_artifact(tmp_path / "aside" / "x", 1, "new"), target, 1, True)
    assert files.versions(target) == [1]
    assert set(read(target).values()) == {"new"}


def test_a_failed_overwrite_leaves_what_was_there(tmp_path, monkeypatch):
    target = make_artifact(tmp_path / "x", 7, "old")
    new = make_artifact(tmp_path / "aside" / "x", 1, "new")
    rename = os.rename

    def fail_on_new(source, destination):
        if source == new:
            raise OSError(28, "No space left on device")
        rename(source, destination)

    monkeypatch.setattr(os, "rename", fail_on_new)
    with pytest.raises(OSError, match="No space left"):
        files.place(new, target, 1, True)
    assert set(read(target).values()) == {"old"}


def test_checksums_are_those_of_sha256(tmp_path):
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "abc").write_bytes(b"abc")
    known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert files.checksums(tmp_path) == {"inner/abc": {"sha256": known, "bytes": 3}}
    assert hashlib.sha256(b"abc").hexdigest() == known
    assert files.folder_bytes(tmp_path) == 3


def test_other_formats_make_room_for_those_of_the_next_version(tmp_path):
    target = make_artifact(tmp_path / "artifact", 1, "old")
    for name in ("onnx/encode.onnx", "litert/encode.tflite"):
        (target / name).parent.mkdir()
        (target / name).write_text("old")
    new = make_artifact(tmp_path / "aside" / "artifact", 2, "new")
    (new / "onnx").mkdir()
    (new / "onnx" / "encode.onnx").write_text("new")
    files.place(new, target, 2, False)
    received = read(target)
    assert received["onnx/encode.onnx"] == "new"
    assert not (target / "litert").exists()
    assert {p for p in received if p.startswith("saved_model")} == {
        "saved_model/1/graph",
        "saved_model/2/graph",
    }
