"""Runs a SavedModel with TensorFlow's C library alone, as a model server does.

A script for a process of its own: `c_api.py SAVED_MODEL REQUESTS RESULTS`. It imports
neither TensorFlow nor Keras nor vqzoo. REQUESTS is an `.npz` with an array for each
input, `NAME|SIGNATURE|INPUT`; RESULTS gets `NAME|OUTPUT`, or `NAME|error`.
"""

import ctypes
import importlib.util
import pathlib
import sys

import numpy as np

DTYPES = {1: np.float32, 3: np.int32, 4: np.uint8, 9: np.int64}
NUMBERS = {np.dtype(dtype): number for number, dtype in DTYPES.items()}
POINTER, TEXT = ctypes.c_void_p, ctypes.c_char_p
INT, SIZE, INT64 = ctypes.c_int, ctypes.c_size_t, ctypes.c_int64


class Buffer(ctypes.Structure):
    """TF_Buffer."""

    _fields_ = [("data", POINTER), ("length", SIZE), ("deallocator", POINTER)]


class Output(ctypes.Structure):
    """TF_Output."""

    _fields_ = [("operation", POINTER), ("index", INT)]


FUNCTIONS = {
    "TF_NewStatus": (POINTER, []),
    "TF_GetCode": (INT, [POINTER]),
    "TF_Message": (TEXT, [POINTER]),
    "TF_NewGraph": (POINTER, []),
    "TF_NewSessionOptions": (POINTER, []),
    "TF_NewBuffer": (ctypes.POINTER(Buffer), []),
    "TF_LoadSessionFromSavedModel": (
        POINTER,
        [
            *(POINTER, POINTER, TEXT, ctypes.POINTER(TEXT), INT),
            *(POINTER, ctypes.POINTER(Buffer), POINTER),
        ],
    ),
    "TF_GraphOperationByName": (POINTER, [POINTER, TEXT]),
    "TF_AllocateTensor": (POINTER, [INT, ctypes.POINTER(INT64), INT, SIZE]),
    "TF_DeleteTensor": (None, [POINTER]),
    "TF_TensorData": (POINTER, [POINTER]),
    "TF_TensorByteSize": (SIZE, [POINTER]),
    "TF_TensorType": (INT, [POINTER]),
    "TF_NumDims": (INT, [POINTER]),
    "TF_Dim": (INT64, [POINTER, INT]),
    "TF_SessionRun": (
        None,
        [
            *(POINTER, POINTER),
            *(ctypes.POINTER(Output), ctypes.POINTER(POINTER), INT),
            *(ctypes.POINTER(Output), ctypes.POINTER(POINTER), INT),
            *(POINTER, INT, POINTER, POINTER),
        ],
    ),
}


def open_library():
    """The C library in the tensorflow wheel, which is found and not imported."""
    folder = pathlib.Path(importlib.util.find_spec("tensorflow").origin).parent
    library = ctypes.CDLL(str(folder / "libtensorflow_cc.so.2"))
    for name, (result, arguments) in FUNCTIONS.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


def read_varint(data, at):
    value = shift = 0
    while True:
        value |= (data[at] & 127) << shift
        shift, at = shift + 7, at + 1
        if data[at - 1] < 128:
            return value, at


def read_fields(data):
    """Fields of a protobuf message: (number, int or bytes), in their order."""
    at = 0
    while at < len(data):
        key, at = read_varint(data, at)
        kind = key & 7
        if kind == 0:
            value, at = read_varint(data, at)
        else:
            length = {1: 8, 5: 4}.get(kind)
            if kind == 2:
                length, at = read_varint(data, at)
            value, at = data[at : at + length], at + length
        yield key >> 3, value


def read_map(data, number):
    """Field `number`, a map from strings to messages."""
    entries = [
        dict(read_fields(value)) for n, value in read_fields(data) if n == number
    ]
    return {entry[1].decode(): entry.get(2, b"") for entry in entries}


def read_signatures(meta_graph):
    """`{signature: (inputs, outputs)}`, each `{name: tensor name}`."""

    def tensors(signature, number):
        infos = read_map(signature, number).items()
        return {name: dict(read_fields(info))[1].decode() for name, info in infos}

    signatures = read_map(meta_graph, 5).items()
    return {name: (tensors(s, 1), tensors(s, 2)) for name, s in signatures}


class Session:
    """A loaded SavedModel.

    Args:
        folder: str, a version's folder.
    """

    def __init__(self, folder):
        self.library = open_library()
        self.status = self.library.TF_NewStatus()
        self.graph = self.library.TF_NewGraph()
        options, buffer = (
            self.library.TF_NewSessionOptions(),
            self.library.TF_NewBuffer(),
        )
        tags = (TEXT * 1)(b"serve")
        self.session = self.library.TF_LoadSessionFromSavedModel(
            options, None, folder.encode(), tags, 1, self.graph, buffer, self.status
        )
        self.check()
        meta_graph = ctypes.string_at(buffer.contents.data, buffer.contents.length)
        self.signatures = read_signatures(meta_graph)

    def check(self):
        """Raises RuntimeError if the last call failed."""
        if self.library.TF_GetCode(self.status):
            raise RuntimeError(self.library.TF_Message(self.status).decode())

    def run(self, signature, arrays):
        """Outputs by name of a signature, fed with `arrays` by name."""
        inputs, outputs = self.signatures[signature]
        feeds = (Output * len(arrays))(*[self.find(inputs[name]) for name in arrays])
        values = (POINTER * len(arrays))(*map(self.to_tensor, arrays.values()))
        fetches = (Output * len(outputs))(*map(self.find, outputs.values()))
        found = (POINTER * len(outputs))()
        self.library.TF_SessionRun(
            *(self.session, None, feeds, values, len(arrays)),
            *(fetches, found, len(outputs), None, 0, None, self.status),
        )
        for value in values:
            self.library.TF_DeleteTensor(value)
        self.check()
        return dict(zip(outputs, map(self.to_array, found)))

    def find(self, name):
        operation, index = name.split(":")
        pointer = self.library.TF_GraphOperationByName(self.graph, operation.encode())
        return Output(pointer, int(index))

    def to_tensor(self, array):
        shape = (INT64 * array.ndim)(*array.shape)
        tensor = self.library.TF_AllocateTensor(
            NUMBERS[array.dtype], shape, array.ndim, array.nbytes
        )
        data = np.ascontiguousarray(array).tobytes()
        ctypes.memmove(self.library.TF_TensorData(tensor), data, len(data))
        return tensor

    def to_array(self, tensor):
        size = self.library.TF_TensorByteSize(tensor)
        data = ctypes.string_at(self.library.TF_TensorData(tensor), size)
        dims = range(self.library.TF_NumDims(tensor))
        shape = [self.library.TF_Dim(tensor, axis) for axis in dims]
        dtype = DTYPES[self.library.TF_TensorType(tensor)]
        self.library.TF_DeleteTensor(tensor)
        return np.frombuffer(data, dtype).reshape(shape)


def main(folder, requests, results):
    session = Session(folder)
    answers = {}
    calls = {}
    for key, array in np.load(requests).items():
        name, signature, argument = key.split("|")
        calls.setdefault((name, signature), {})[argument] = array
    for (name, signature), arrays in calls.items():
        try:
            for output, array in session.run(signature, arrays).items():
                answers[f"{name}|{output}"] = array
        except RuntimeError as error:
            answers[f"{name}|error"] = np.array(str(error))
    np.savez(results, **answers)
    loaded = {name.split(".")[0] for name in sys.modules}
    assert loaded.isdisjoint({"tensorflow", "keras", "vqzoo"}), loaded


if __name__ == "__main__":
    main(*sys.argv[1:])
