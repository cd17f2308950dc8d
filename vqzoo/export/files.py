"""Folders of artifacts: versions, checksums, and atomic replacement."""

import hashlib
import os
import re
import shutil

from vqzoo.frame import Failure
from vqzoo.runs.folder import MANIFEST, PIPELINE

# The folder of each precision's SavedModels; a server takes each for a model.
FOLDERS = {"float32": "saved_model", "bfloat16": "saved_model_bfloat16"}


# Other formats: the ending of their files, and the package that writes them.
PORTABLE = {
    "onnx": ("onnx", "tf2onnx"),
    "litert": ("tflite", "tensorflow"),
    "openvino": ("xml", "openvino"),
}


class ExportError(Failure):
    """An export that cannot be made, for a reason that its user can fix."""


def check_target(target, overwrite):
    """Checks what is at `target`, and refuses what must not be replaced.

    Args:
        target: `pathlib.Path` of the artifact.
        overwrite: bool, whether an artifact that is there is replaced as a whole.

    Returns:
        int, the version number of the new SavedModel.

    Raises:
        ExportError: if the folder's name cannot be a model's name, or there is
            something at `target` that is not an artifact.
    """
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", target.name):
        raise ExportError(
            "expected a folder name of letters, digits, '_', '-' and '.', which "
            f"becomes the served model's name, received {target.name!r}"
        )
    if not target.exists() or (target.is_dir() and not any(target.iterdir())):
        return 1
    if not (target / MANIFEST).is_file():
        raise ExportError(
            f"expected a new folder or an artifact with a {MANIFEST}, received "
            f"{target}, which is something else; nothing was changed"
        )
    return 1 if overwrite else max(versions(target), default=0) + 1


def versions(target):
    """Version numbers of the SavedModels in an artifact, in order."""
    paths = [path for name in FOLDERS.values() for path in target.glob(f"{name}/*")]
    return sorted({int(path.name) for path in paths if path.name.isdecimal()})


def served_name(name, precision):
    """The name under which a precision of an artifact is served."""
    return name if precision == "float32" else f"{name}_{precision}"


def place(new, target, version, overwrite):
    """Moves the finished folder `new` to `target`; no reader ever meets half of it.

    An artifact that is there keeps its versions and gets one more: first that version
    of each precision in one stroke, which is what a server looks for, then each file,
    the manifest last. Models, priors and formats that the new one does not have go.

    Args:
        new: `pathlib.Path` on the file system of `target`; its parent takes what
            `overwrite` replaces.
        target: `pathlib.Path`, checked by `check_target`.
        version: int, of the SavedModel in `new`.
        overwrite: bool, whether to replace the whole folder.
    """
    if not (target / MANIFEST).exists():
        os.rename(new, target)
    elif overwrite:
        old = new.with_name(f"{new.name}.old")
        os.rename(target, old)
        try:
            os.rename(new, target)
        except OSError:
            os.rename(old, target)
            raise
    else:
        for name in (name for name in FOLDERS.values() if (new / name).is_dir()):
            (target / name).mkdir(exist_ok=True)
            os.rename(new / name / str(version), target / name / str(version))
        for name in PORTABLE:
            shutil.rmtree(target / name, ignore_errors=True)
            if (new / name).is_dir():
                os.rename(new / name, target / name)
        _replace_files(new, target)


def _replace_files(new, target):
    """Gives `target` the files beside the folders of `new`, and no others' models.

    A JSON file names others, as pipeline.json its priors: it goes before them and comes
    after them. The manifest stays until the new one takes its place, the last of all.
    """
    coming = sorted(
        (path for path in new.iterdir() if path.is_file()),
        key=lambda path: (path.suffix == ".json", path.name == MANIFEST),
    )
    kept = {path.name for path in coming}
    if (target / PIPELINE).is_file():
        (target / PIPELINE).unlink()
    for path in target.glob("*.keras"):
        if path.name not in kept:
            path.unlink()
    for path in coming:
        os.replace(path, target / path.name)


def checksums(folder):
    """`{path in the folder: {"sha256": hex, "bytes": int}}` of all files in it."""
    sums = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        data = path.read_bytes()
        sums[path.relative_to(folder).as_posix()] = {
            "sha256": hashlib.sha256(data).hexdigest(),
            "bytes": len(data),
        }
    return sums


def checksums_of_versions(target):
    """`checksums` of the SavedModels that an artifact holds; empty if there is none."""
    folders = tuple(f"{name}/" for name in FOLDERS.values())
    return {k: v for k, v in checksums(target).items() if k.startswith(folders)}


def folder_bytes(folder):
    """Bytes of all files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
