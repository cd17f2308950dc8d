"""What a `.keras` file says of itself, looked at before Keras builds anything of it."""

import io
import json
import math
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
_NO_SIZES = ("build_config", "compile_config", "dtype", "module", "seed")


def check(path):
    """Raises ValueError if a file is not what a model of that many weights is.

    Links and data outside of the file are refused; so are sizes that its weights cannot
    fill, which would be allocated while the model is built.

    Args:
        path: path of the file.
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
    numbers = _check_sizes(config, sum(arrays), len(arrays))
    # A matrix of the largest number has a square of it; most models are far below.
    if max(numbers, default=0) ** 2 > 4 * sum(arrays) + _MAX_GRID:
        _check_built(config, sum(arrays))


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
    """The numbers of a configuration that may be sizes, once none is impossible."""
    numbers = []
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
        numbers.append(value)
    return numbers


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


def _check_built(config, weights):
    """Raises ValueError if a model would have more weights than its file."""
    # In this scope variables have a shape and no value.
    with keras.StatelessScope(initialize_variables=False):
        model = keras.saving.deserialize_keras_object(config, safe_mode=True)
    expected = sum(math.prod(weight.shape) for weight in model.weights)
    # Earlier versions kept less: a file may lack some counters.
    if expected > 2 * weights + _MAX_GRID:
        raise ValueError(f"it is of {expected:,} weights and has {weights:,}")
