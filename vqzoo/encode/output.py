"""The output folder: settings, shards, records of finished units, the manifest."""

import contextlib
import dataclasses
import hashlib
import json
import os
import re
import tempfile
import uuid

import filelock

from vqzoo.datasets.code_shards import MANIFEST
from vqzoo.datasets.shards import file_system
from vqzoo.frame import Failure
from vqzoo.runs.files import ADVICE

STATE = "_state"
SETTINGS = f"{STATE}/settings.json"
DUPLICATES = f"{STATE}/duplicates.json"


class EncodingError(Failure):
    """An encoding that cannot continue, for a reason that its user can fix."""


@dataclasses.dataclass(frozen=True)
class Output:
    """A local folder, or one on a file system that fsspec writes.

    Args:
        path: str.
    """

    path: str

    def begin(self, settings: dict) -> None:
        """Makes the folder, or continues in it.

        Args:
            settings: everything that decides the output, as JSON.

        Raises: EncodingError: if it holds codes with other settings or other files, or
            cannot be written.
        """
        with self._writing():
            files, inner = self._files()
            files.makedirs(f"{inner}/{STATE}", exist_ok=True)
            present = {os.path.basename(path) for path in files.ls(inner, detail=False)}
        stored = self.read_json(SETTINGS)
        if stored is None and present - {STATE}:
            raise EncodingError(
                f"expected --output={self.path} to be a new folder or one that an "
                f"encoding began, it holds {sorted(present - {STATE})[0]}"
            )
        for name, value in settings.items():
            if stored is not None and stored.get(name) != value:
                raise EncodingError(
                    f"expected --output={self.path} to be of the same {name}, received "
                    f"{_short(stored.get(name))} there and {_short(value)} here: "
                    "choose another folder"
                )
        if stored is None:
            self.write_json(SETTINGS, settings)
        self._remove_left()

    @contextlib.contextmanager
    def alone(self):
        """Locks the folder against other encodings on this machine."""
        files, inner = self._files()
        if not _is_local(files):
            yield
            return
        lock = filelock.FileLock(f"{inner}/{STATE}/lock")
        try:
            lock.acquire(blocking=False)
        except filelock.Timeout as error:
            raise EncodingError(
                f"expected no other encoding into --output={self.path}, another "
                "process is at it"
            ) from error
        try:
            yield
        finally:
            lock.release()

    @contextlib.contextmanager
    def shard(self, name: str):
        """A local path; the file that is written there moves into the folder.

        Yields: a dict with `path`; afterwards it has `sha256` and `bytes`.
        """
        with self._writing(name):
            files, inner = self._files()
            folder = f"{inner}/{STATE}" if _is_local(files) else tempfile.gettempdir()
            facts = {"path": f"{folder}/{uuid.uuid4().hex}.part"}
            try:
                yield facts
                with open(facts["path"], "rb") as file:
                    facts["sha256"] = hashlib.file_digest(file, "sha256").hexdigest()
                    facts["bytes"] = file.tell()
                    os.fsync(file.fileno())
                if _is_local(files):
                    os.replace(facts["path"], f"{inner}/{name}")
                else:
                    files.put_file(facts["path"], f"{inner}/{name}")
            finally:
                with contextlib.suppress(OSError):
                    os.unlink(facts["path"])

    def read_json(self, name: str):
        """What `write_json` wrote; None if it is missing or incomplete."""
        files, inner = self._files()
        try:
            return json.loads(files.cat_file(f"{inner}/{name}"))
        except (FileNotFoundError, ValueError):
            return None

    def write_json(self, name: str, value) -> None:
        """Writes JSON, atomically."""
        with self.shard(name) as facts, open(facts["path"], "w") as file:
            file.write(json.dumps(value, indent=1, ensure_ascii=False) + "\n")

    def done(self) -> dict[int, dict]:
        """Records that `write_done` wrote, by number of the unit."""
        files, inner = self._files()
        names = [
            os.path.basename(path)
            for path in files.ls(f"{inner}/{STATE}", detail=False)
            if re.fullmatch(r"\d+\.json", os.path.basename(path))
        ]
        if not names:
            return {}
        contents = files.cat([f"{inner}/{STATE}/{name}" for name in names])
        found = [json.loads(content) for content in _values(contents)]
        return {record["number"]: record for record in found}

    def write_done(self, record: dict) -> None:
        """Records that a unit is done, or why it failed."""
        self.write_json(f"{STATE}/{record['number']:08d}.json", record)

    def has(self, name: str, size: int) -> bool:
        """Whether a file of this size in bytes exists."""
        files, inner = self._files()
        try:
            return files.size(f"{inner}/{name}") == size
        except FileNotFoundError:
            return False

    def finish(self, manifest: dict) -> None:
        """Writes the manifest, which readers of the shards need."""
        self.write_json(MANIFEST, manifest)

    def _files(self):
        return file_system(self.path, "output")

    @contextlib.contextmanager
    def _writing(self, name=""):
        try:
            yield
        except OSError as error:
            advice = ADVICE.get(error.errno)
            raise EncodingError(
                f"cannot write {os.path.join(self.path, name)}: "
                f"{error.strerror or error}{f': {advice}' if advice else ''}"
            ) from error

    def _remove_left(self):
        """Removes unfinished files that killed processes left."""
        files, inner = self._files()
        if _is_local(files):
            for path in files.glob(f"{inner}/{STATE}/*.part"):
                with contextlib.suppress(OSError):
                    os.unlink(path)


def _values(contents):
    return contents.values() if isinstance(contents, dict) else [contents]


def _is_local(files):
    protocols = files.protocol
    return "file" in ((protocols,) if isinstance(protocols, str) else protocols)


def _short(value, limit=60):
    text = json.dumps(value)
    return text if len(text) <= limit else f"{text[:limit]}..."
