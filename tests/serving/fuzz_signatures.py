"""Sends malformed inputs to the signatures of a SavedModel, in a process of its own.

    python fuzz_signatures.py SAVED_MODEL COUNT SEED RESULT

It imports neither TensorFlow nor Keras: what crashes here crashes a server. RESULT gets
JSON: how many inputs of each kind were refused and answered, the slowest one's seconds,
the memory after a fifth and at the end, and how often a good request in between was
answered as before.
"""

import io
import json
import pathlib
import sys
import time

import numpy as np
from PIL import Image

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "helpers"))
from c_api import Session, SessionError  # noqa: E402

DTYPES = ("float32", "float64", "int32", "int64", "uint8", "object")
# What a good request has beside the batch: dtype, shape and largest value.
INPUTS = {
    "images": ("uint8", (32, 32, 3), 255),
    "top_codes": ("int32", (8, 8), 15),
    "bottom_codes": ("int32", (16, 16), 15),
    "label": ("int32", (), 1),
    "temperature": ("float32", (), 1),
    "seed": ("int32", (), 9),
}
GOOD_EVERY = 200
# What takes longer is asked again: a busy machine stops processes, too.
SLOW_SECONDS = 1.0


class Fuzzer:
    """Makes malformed requests of good ones.

    Args:
        signatures: dict of the signatures' inputs by name.
        seed: int.
    """

    def __init__(self, signatures, seed):
        self.random = np.random.default_rng(seed)
        self.signatures = {
            name: sorted(inputs)
            for name, (inputs, _) in signatures.items()
            if not name.startswith("__")
        }
        self.files = [file for kind in FILE_KINDS for file in make_files(kind)]

    def good(self, signature, rows=2):
        """A request that is answered."""
        arrays = {}
        for name in self.signatures[signature]:
            if name == "image_bytes":
                arrays[name] = as_array([self.files[0]] * rows)
                continue
            dtype, shape, high = INPUTS[name]
            values = self.random.integers(0, high + 1, (rows, *shape))
            arrays[name] = np.maximum(values, name == "temperature").astype(dtype)
        return arrays

    def malformed(self):
        """A kind, a signature and the inputs of a request that is none."""
        kinds = [self.shape, self.dtype, self.value, self.rows, self.missing]
        kinds += 5 * [self.file]  # which few signatures take
        while True:
            kind = self.pick(kinds)
            signature = self.pick(list(self.signatures))
            arrays = self.good(signature)
            if kind(arrays):
                return kind.__name__, signature, arrays

    def pick(self, choices):
        return choices[self.random.integers(len(choices))]

    def shape(self, arrays):
        name = self.pick(list(arrays))
        rank = self.random.integers(0, 6)
        shape = tuple(self.random.integers(0, 12, rank))
        if rank == arrays[name].ndim and shape[1:] == arrays[name].shape[1:]:
            return False
        arrays[name] = np.resize(arrays[name], shape)
        return True

    def dtype(self, arrays):
        name = self.pick(list(arrays))
        dtype = self.pick([d for d in DTYPES if d != arrays[name].dtype])
        shape = arrays[name].shape
        if dtype == "object":
            arrays[name] = as_array([b"x"] * arrays[name].size).reshape(shape)
        else:
            arrays[name] = np.ones(shape, dtype)
        return True

    def value(self, arrays):
        """A value beyond the range of codes, classes or temperatures."""
        names = [n for n in arrays if n.endswith("_codes") or n == "label"]
        names += [n for n in arrays if n == "temperature"]
        if not names:
            return False
        name = self.pick(names)
        far = self.random.integers(-(2**31), 2**31)
        near = self.pick([-2, INPUTS[name][2] + 1])
        wrong = self.pick([near, -abs(int(far)) - 2, max(abs(int(far)), 16)])
        if name == "temperature":
            wrong = self.pick([0.0, -1.0, np.nan, -np.inf])
        limits = np.iinfo("int32")
        flat = arrays[name].reshape(-1)
        flat[self.random.integers(flat.size)] = np.clip(wrong, limits.min, limits.max)
        return True

    def rows(self, arrays):
        """No rows, or another number of them in one of several inputs."""
        name = self.pick(list(arrays))
        if len(arrays) > 1 and self.random.random() < 0.7:
            arrays[name] = arrays[name][:1]
        else:
            for each in arrays:
                arrays[each] = arrays[each][:0]
        return True

    def missing(self, arrays):
        del arrays[self.pick(list(arrays))]
        return True

    def file(self, arrays):
        if "image_bytes" not in arrays:
            return False
        damaged = self.damaged(self.pick(self.files))
        arrays["image_bytes"] = as_array([self.files[0], damaged])
        return True

    def damaged(self, file):
        """A file with some bytes changed, cut, repeated or taken from another one."""
        data = bytearray(file)
        at = int(self.random.integers(len(data)))
        kind = self.random.integers(6)
        if kind == 0:
            data = data[:at]
        elif kind == 1:
            for _ in range(self.random.integers(1, 9)):
                place = self.random.integers(len(data))
                data[place] = self.random.integers(256)
        elif kind == 2:
            data[at:at] = data[at : at + int(self.random.integers(1, 999))]
        elif kind == 3:
            data[at:] = self.pick(self.files)[at:]
        elif kind == 4:  # the head, where the sizes are
            place = self.random.integers(8, min(40, len(data)))
            data[place] = self.random.integers(256)
        else:
            data = bytearray(self.random.bytes(int(self.random.integers(1, 5000))))
            data[:0] = self.pick([b"", b"\xff\xd8\xff", file[:8], file[:24]])
        return bytes(data)


FILE_KINDS = (
    ("PNG", "RGB", {}),
    ("PNG", "L", {}),
    ("PNG", "P", {}),
    ("PNG", "RGBA", {}),
    ("PNG", "I;16", {}),
    ("JPEG", "RGB", {}),
    ("JPEG", "L", {}),
    ("JPEG", "CMYK", {}),
    ("JPEG", "RGB", {"progressive": True, "quality": 40}),
    ("JPEG", "RGB", {"subsampling": 0, "comment": b"x" * 300}),
    ("GIF", "RGB", {}),
    ("BMP", "RGB", {}),
    ("WEBP", "RGB", {}),
)


def make_files(kind):
    """Files of a kind, of the size that the model takes and of another."""
    form, mode, options = kind
    files = []
    for side in (32, 48):
        ramp = np.add.outer(np.arange(side), 3 * np.arange(side)).astype("uint8")
        image = Image.fromarray(np.stack([ramp, ramp.T, 255 - ramp], axis=-1))
        if mode == "I;16":
            image = Image.fromarray(ramp.astype("uint16") * 257)
        elif mode != "RGB":
            image = image.convert(mode)
        file = io.BytesIO()
        image.save(file, form, **options)
        files.append(file.getvalue())
    return files


def as_array(files):
    return np.array([*files, None], object)[:-1]


def resident_bytes():
    """Memory of this process that is in use."""
    text = pathlib.Path("/proc/self/status").read_text()
    (line,) = (line for line in text.splitlines() if line.startswith("VmRSS"))
    return 1024 * int(line.split()[1])


def ask(session, signature, arrays):
    """`"answered"` or `"refused"`, and the seconds that it took."""
    began = time.perf_counter()
    try:
        session.run(signature, arrays)
        outcome = "answered"
    except SessionError:
        outcome = "refused"
    return outcome, time.perf_counter() - began


def main(saved_model, count, seed, result):
    session = Session(saved_model)
    fuzzer = Fuzzer(session.signatures, seed)
    good = {name: fuzzer.good(name) for name in fuzzer.signatures}
    known = {name: session.run(name, arrays) for name, arrays in good.items()}
    found = {"refused": {}, "answered": {}, "slowest": 0.0, "good_answers": 0}
    for number in range(count):
        kind, signature, arrays = fuzzer.malformed()
        outcome, seconds = ask(session, signature, arrays)
        if seconds > SLOW_SECONDS:
            seconds = min(seconds, ask(session, signature, arrays)[1])
        found["slowest"] = max(found["slowest"], seconds)
        found[outcome][kind] = found[outcome].get(kind, 0) + 1
        if number % GOOD_EVERY == GOOD_EVERY - 1:
            name = fuzzer.pick(list(good))
            again = session.run(name, good[name])
            for output, value in again.items():
                assert np.array_equal(value, known[name][output]), (name, output)
            found["good_answers"] += 1
        if number == count // 5:
            found["bytes_after_a_fifth"] = resident_bytes()
    found["bytes_at_the_end"] = resident_bytes()
    pathlib.Path(result).write_text(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
