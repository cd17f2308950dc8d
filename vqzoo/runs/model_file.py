"""What a `.keras` file says of itself, looked at before Keras builds anything of it."""

import contextlib
import io
import json
import math
import threading
import zipfile

from vqzoo.registry import lazily

h5py = lazily("h5py")
keras = lazily("keras")

CONFIG, WEIGHTS = "config.json", "model.weights.h5"
_RATIO = 64  # weights hardly compress
_MAX_CONFIG = 2**24  # bytes
_MAX_PIXELS = 2**26  # of an image
_MAX_GRID = 2**16  # places of a grid of codes that no weights stand for
_LAYERS = ("blocks", "layers", "stages", "scales", "quantizers", "heads")
_MAX_NUMBER = 2**20  # of codes, for which there need be no weights
_one_load = threading.Lock()
_NO_SIZES = ("build_config", "compile_config", "dtype", "module", "seed")


def check(path):
    """Raises ValueError if a file is not what a model of that many weights is.

    Links and data outside the file are refused; so are sizes that its weights cannot
    fill, which would be allocated while the model is built.

    Args:
        path: path of the file.

    Returns:
        int, the most numbers that the weights of the model may hold.
    """
    with zipfile.ZipFile(path) as archive:
        sizes = {member.filename: member.file_size for member in archive.infolist()}
        if missing := {CONFIG, WEIGHTS} - set(sizes):
            raise ValueError(f"expected {', '.join(sorted(missing))} in it")
        with open(path, "rb") as file:
            most = _RATIO * file.seek(0, io.SEEK_END)
        if sizes[CONFIG] > _MAX_CONFIG or sum(sizes.values()) > most:
            raise ValueError(f"it unpacks to {sum(sizes.values()):,} bytes")
        config = json.loads(archive.read(CONFIG))
        data = archive.read(WEIGHTS)
    with h5py.File(io.BytesIO(data)) as file:
        arrays = list(_arrays(file, set()))
    _check_sizes(config, sum(arrays), len(arrays))
    # Earlier versions kept less: a file may lack some counters.
    return 2 * sum(arrays) + _MAX_GRID


@contextlib.contextmanager
def filling(most):
    """Lets this thread make layers whose weights hold so many numbers, and no more.

    Keras makes all weights of a model before it looks at those of the file.
    """
    thread, made = threading.get_ident(), [0]

    def counted(layer, shape=None, *arguments, **options):
        if threading.get_ident() == thread:
            made[0] += math.prod(shape or ())
            if made[0] > most:
                raise ValueError(
                    f"{layer.name} asks for weights of {tuple(shape)}, which the file "
                    "cannot fill"
                )
        return make(layer, shape, *arguments, **options)

    with _one_load:
        make = keras.Layer.add_weight
        keras.Layer.add_weight = counted
        try:
            yield
        finally:
            keras.Layer.add_weight = make


def _arrays(group, seen):
    """How many numbers each array under a group holds."""
    place = h5py.h5o.get_info(group.id).addr
    if place in seen:
        raise ValueError(f"{group.name} contains itself")
    for name in group:
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise ValueError(f"{group.name}/{name} is a link to elsewhere")
        item = group[name]
        if isinstance(item, h5py.Group):
            yield from _arrays(item, seen | {place})
            continue
        if item.external or item.is_virtual:
            raise ValueError(f"{item.name} lies in another file")
        if item.nbytes > _RATIO * item.id.get_storage_size():
            raise ValueError(f"{item.name} claims a shape of {item.shape}")
        yield item.size


def _check_sizes(config, weights, arrays):
    """Raises ValueError if a number of a configuration is beyond what weights fill."""
    for name, value in _values(config, ""):
        if isinstance(value, list):
            sides = [n for n in value if isinstance(n, int)][:2]
            is_image = name == "image_shape"
            if math.prod(sides) > (_MAX_PIXELS if is_image else _MAX_GRID):
                raise ValueError(f"its {name} of {value} is beyond all images")
            continue
        is_count = name.startswith("num_") and name.endswith(_LAYERS)
        if is_count and value > arrays:
            raise ValueError(f"{name}={value} for a file of {arrays} arrays")
        if value > max(weights, _MAX_NUMBER):
            raise ValueError(f"{name}={value} for a file of {weights:,} numbers")


def _values(value, name):
    """Names and values of shapes and of single whole numbers in a configuration."""
    if name in _NO_SIZES or name.endswith("seed"):
        return
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _values(inner, key)
    elif isinstance(value, list) and not name.endswith(("image_shape", "grid_shape")):
        for inner in value:
            yield from _values(inner, name)
    elif isinstance(value, list | int) and not isinstance(value, bool):
        yield name, value
