"""Runs a SavedModel with TensorFlow's C library alone, as a model server does.

A script for a process of its own: `c_api.py SAVED_MODEL REQUESTS RESULTS`. It imports
neither TensorFlow nor Keras nor vqzoo. REQUESTS is an `.npz` with an array for each
input, `NAME|SIGNATURE|INPUT`; RESULTS gets `NAME|OUTPUT`, or `NAME|error`. Strings of
bytes are arrays of `S`, or of objects where they end in zeros.
"""

import ctypes
import importlib.util
import pathlib
import sys

import numpy as np

DTYPES = {1: np.float32, 2: np.float64, 3: np.int32, 4: np.uint8, 9: np.int64}
NUMBERS = {np.dtype(dtype): number for number, dtype in DTYPES.items()}
STRING = 7
STRING_BYTES = 24  # of a TF_TString
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
    "TF_DeleteStatus": (None, [POINTER]),
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
    "TF_StringInit": (None, [POINTER]),
    "TF_StringCopy": (None, [POINTER, TEXT, SIZE]),
    "TF_StringDealloc": (None, [POINTER]),
    "TF_StringGetDataPointer": (POINTER, [POINTER]),
    "TF_StringGetSize": (SIZE, [POINTER]),
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


class SessionError(RuntimeError):
    """A call that failed; `code` is the status's number."""

    def __init__(self, code, reason):
        super().__init__(reason)
        self.code = code


class Session:
    """A loaded SavedModel. Several threads may run it at once.

    Args:
        folder: str, a version's folder.
    """

    def __init__(self, folder):
        self.library = open_library()
        self.graph = self.library.TF_NewGraph()
        options = self.library.TF_NewSessionOptions()
        buffer = self.library.TF_NewBuffer()
        tags = (TEXT * 1)(b"serve")
        status = self.library.TF_NewStatus()
        self.session = self.library.TF_LoadSessionFromSavedModel(
            options, None, folder.encode(), tags, 1, self.graph, buffer, status
        )
        self.check(status)
        meta_graph = ctypes.string_at(buffer.contents.data, buffer.contents.length)
        self.meta_graph = meta_graph
        self.signatures = read_signatures(meta_graph)

    def check(self, status):
        """Frees the status of a call, and raises SessionError if the call failed."""
        code = self.library.TF_GetCode(status)
        text = self.library.TF_Message(status).decode(errors="replace")
        self.library.TF_DeleteStatus(status)
        if code:
            raise SessionError(code, text)

    def run(self, signature, arrays):
        """Outputs by name of a signature, fed with `arrays` by name."""
        inputs, outputs = self.signatures[signature]
        feeds = (Output * len(arrays))(*[self.find(inputs[name]) for name in arrays])
        values = (POINTER * len(arrays))(*map(self.to_tensor, arrays.values()))
        fetches = (Output * len(outputs))(*map(self.find, outputs.values()))
        found = (POINTER * len(outputs))()
        status = self.library.TF_NewStatus()
        self.library.TF_SessionRun(
            *(self.session, None, feeds, values, len(arrays)),
            *(fetches, found, len(outputs), None, 0, None, status),
        )
        for value in values:
            self.delete(value)
        self.check(status)
        return dict(zip(outputs, map(self.to_array, found)))

    def find(self, name):
        operation, index = name.split(":")
        pointer = self.library.TF_GraphOperationByName(self.graph, operation.encode())
        return Output(pointer, int(index))

    def to_tensor(self, array):
        is_text = array.dtype.kind in "SO"
        number = STRING if is_text else NUMBERS[array.dtype]
        size = STRING_BYTES * array.size if is_text else array.nbytes
        shape = (INT64 * array.ndim)(*array.shape)
        tensor = self.library.TF_AllocateTensor(number, shape, array.ndim, size)
        if is_text:
            for place, text in zip(self.strings(tensor, array.size), array.flat):
                self.library.TF_StringInit(place)
                self.library.TF_StringCopy(place, text, len(text))
        else:
            data = np.ascontiguousarray(array).tobytes()
            ctypes.memmove(self.library.TF_TensorData(tensor), data, len(data))
        return tensor

    def strings(self, tensor, count):
        """Addresses of the strings of a tensor."""
        data = self.library.TF_TensorData(tensor) or 0
        return [data + STRING_BYTES * index for index in range(count)]

    def to_array(self, tensor):
        dims = range(self.library.TF_NumDims(tensor))
        shape = [self.library.TF_Dim(tensor, axis) for axis in dims]
        number = self.library.TF_TensorType(tensor)
        if number == STRING:
            array = np.array(self.texts(tensor), object).reshape(shape)
        else:
            size = self.library.TF_TensorByteSize(tensor)
            data = ctypes.string_at(self.library.TF_TensorData(tensor), size)
            array = np.frombuffer(data, DTYPES[number]).reshape(shape)
        self.delete(tensor)
        return array

    def texts(self, tensor):
        """The strings of a tensor, a list of bytes."""
        size = self.library.TF_TensorByteSize(tensor)
        return [
            ctypes.string_at(
                self.library.TF_StringGetDataPointer(place),
                self.library.TF_StringGetSize(place),
            )
            for place in self.strings(tensor, size // STRING_BYTES)
        ]

    def delete(self, tensor):
        """Frees a tensor and, which it does not do itself, long strings in it."""
        if self.library.TF_TensorType(tensor) == STRING:
            size = self.library.TF_TensorByteSize(tensor)
            for place in self.strings(tensor, size // STRING_BYTES):
                self.library.TF_StringDealloc(place)
        self.library.TF_DeleteTensor(tensor)


def main(folder, requests, results):
    session = Session(folder)
    answers = {}
    calls = {}
    for key, array in np.load(requests, allow_pickle=True).items():
        name, signature, argument = key.split("|")
        calls.setdefault((name, signature), {})[argument] = array
    for (name, signature), arrays in calls.items():
        try:
            for output, array in session.run(signature, arrays).items():
                answers[f"{name}|{output}"] = array
        except SessionError as error:
            answers[f"{name}|error"] = np.array(str(error))
    np.savez(results, **answers)
    loaded = {name.split(".")[0] for name in sys.modules}
    assert loaded.isdisjoint({"tensorflow", "keras", "vqzoo"}), loaded


if __name__ == "__main__":
    main(*sys.argv[1:])
