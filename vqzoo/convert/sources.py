"""Tensors and configurations of other libraries, read without running their code."""

import collections
import contextlib
import dataclasses
import json
import pathlib
import pickle
import re
import typing
import zipfile

import numpy as np

from vqzoo.convert import hub
from vqzoo.convert.tables import ConvertError

INDEX = ".safetensors.index.json"
SAFE = (".safetensors",)
TORCH = (".pt", ".pth", ".ckpt", ".bin")
# Weights of several kinds that one folder may hold, the best first.
_PREFERRED = ("diffusion_pytorch_model.safetensors", "model.safetensors")
# Where training scripts put the weights in what they save, the best first.
_INSIDE = ("ema", "model", "state_dict")
_MAX_CONFIG = 2**24
# Whose objects training scripts save beside the weights: callbacks, arguments, scores.
_OF_TRAINING = ("argparse", "lightning", "lightning_fabric", "numpy", "omegaconf")
_OF_TRAINING += ("pathlib", "pytorch_lightning", "typing")
_UNKNOWN = re.compile(r"Unsupported global: GLOBAL ((\w+)\.[\w.]+) was not")


@dataclasses.dataclass(frozen=True)
class Tensor:
    """A tensor that is read on demand.

    Args:
        shape: tuple of ints.
        read: function to a float32 array.
    """

    shape: tuple
    read: typing.Callable


@dataclasses.dataclass(frozen=True, kw_only=True)
class Source:
    """A checkpoint.

    Args:
        name: str, as it was asked for.
        path: `pathlib.Path` of the file of weights, or of the index of several.
        tensors: dict from names to `Tensor`.
        config: dict, empty where there is none.
        config_path: `pathlib.Path` or None.
    """

    name: str
    path: pathlib.Path
    tensors: dict
    config: dict
    config_path: pathlib.Path | None


def open_source(source):
    """What a path or a name of the hub stands for: `Source`.

    Raises:
        ConvertError: if there is no such thing, or it cannot be read safely.
    """
    name = str(source)
    path = hub.fetch(name) if hub.is_name(name) else pathlib.Path(source).expanduser()
    if not path.exists():
        raise ConvertError(f"expected a file or a folder, {path} is not there")
    path = _weights_file(path) if path.is_dir() else path
    config_path = _config_file(path)
    config = {} if config_path is None else _read_config(config_path)
    tensors = _read(path)
    if not tensors:
        raise ConvertError(f"expected tensors, received none in {path}")
    return Source(
        name=name, path=path, tensors=tensors, config=config, config_path=config_path
    )


def with_ema(tensors):
    """Tensors with their moving averages in their place where a file has them.

    Lightning's files name those without dots, as `model_ema.encoderconv_inweight`.
    """
    return {
        name: tensors.get(f"model_ema.{name.replace('.', '')}", tensor)
        for name, tensor in tensors.items()
    }


def _weights_file(folder):
    """The one file of weights in a folder."""
    files = sorted(path for path in folder.iterdir() if path.is_file())
    for kinds in ((INDEX,), SAFE, TORCH):
        found = [path for path in files if path.name.endswith(kinds)]
        best = [path for name in _PREFERRED for path in found if path.name == name]
        if len(best or found) == 1:
            return (best or found)[0]
        if found:
            names = ", ".join(path.name for path in found)
            raise ConvertError(
                f"expected one file of weights in {folder}, received {names}: name one"
            )
    names = ", ".join(path.name for path in files) or "nothing"
    raise ConvertError(
        f"expected a file of weights ({', '.join(SAFE + TORCH)}) in {folder}, received "
        f"{names}"
    )


def _config_file(path):
    """config.json beside a file of weights, or the YAML file of its name, or one."""
    folder = path.parent
    if (folder / "config.json").is_file():
        return folder / "config.json"
    found = sorted(p for p in folder.iterdir() if p.suffix in (".yaml", ".yml"))
    named = [p for p in found if p.stem == path.stem]
    return next(iter(named or (found if len(found) == 1 else ())), None)


def _read_config(path):
    if path.stat().st_size > _MAX_CONFIG:
        raise ConvertError(f"{path} is too long for a configuration")
    text = path.read_text(encoding="utf-8")
    try:
        if path.suffix == ".json":
            config = json.loads(text)
        else:
            import yaml

            config = yaml.safe_load(text)
    except ImportError as error:
        raise ConvertError(f"{path} needs PyYAML: pip install PyYAML") from error
    except (ValueError, RecursionError) as error:
        raise ConvertError(f"{path} is not a configuration: {error}") from error
    except Exception as error:  # yaml.YAMLError, which derives from none of these
        raise ConvertError(f"{path} is not plain YAML: {error}") from error
    if not isinstance(config, dict):
        raise ConvertError(f"expected names and values in {path}, received neither")
    return config


def _read(path):
    if path.name.endswith(INDEX):
        return _read_shards(path)
    if path.suffix in SAFE:
        return _read_safetensors(path)
    if path.suffix in TORCH:
        return _read_torch(path)
    reason = ""
    if path.suffix in (".pkl", ".pickle", ".joblib", ".dill"):
        reason = (
            ": a pickle runs what code it names when it is opened. Open it where you "
            "trust it, and save model.state_dict() with safetensors.torch.save_file"
        )
    raise ConvertError(f"expected {', '.join(SAFE + TORCH)}, received {path}{reason}")


def _read_shards(index):
    """The tensors of all files that an index names, which lie beside it."""
    named = _read_config(index).get("weight_map")
    if not isinstance(named, dict) or not named:
        raise ConvertError(f"expected a weight_map in {index}")
    tensors = {}
    for name in sorted(set(named.values())):
        path = index.parent / str(name)
        if path.parent != index.parent or path.suffix not in SAFE:
            raise ConvertError(f"expected files beside {index}, it names {name!r}")
        if not path.is_file():
            raise ConvertError(f"expected all files of {index}, {path} is not there")
        tensors |= _read_safetensors(path)
    if missing := sorted(set(named) - set(tensors)):
        raise ConvertError(f"{index} names tensors that no file has: {missing[:4]}")
    return tensors


def _read_safetensors(path):
    with _needs("safetensors"):
        import ml_dtypes  # noqa: F401  (NumPy knows bfloat16 by it)
        from safetensors import SafetensorError, safe_open

    def read(name):
        with safe_open(path, "numpy") as opened:
            return _float32(name, opened.get_tensor(name))

    try:
        with safe_open(path, "numpy") as opened:
            return {
                name: Tensor(
                    tuple(opened.get_slice(name).get_shape()),
                    lambda name=name: read(name),
                )
                for name in opened.keys()
            }
    except (SafetensorError, OSError) as error:
        raise ConvertError(f"{path} is damaged or no safetensors: {error}") from error


def _read_torch(path):
    """Tensors of what torch.save wrote: no code of the file is run."""
    with _needs("torch"):
        import torch
    if tuple(map(int, torch.__version__.split(".")[:2])) < (2, 6):
        raise ConvertError(
            f"expected PyTorch 2.6 or later, received {torch.__version__}: before, "
            "weights_only=True let files run code (CVE-2025-32434)"
        )
    try:
        loaded = _load_inert(torch, path)
    except Exception as error:  # Damaged files fail in zipfile and pickle, in each way.
        reason = " ".join(str(error).split())[:300]
        raise ConvertError(
            f"{path} does not load with weights_only=True, in which none of its code "
            f"runs: it is damaged, or holds more than tensors. {type(error).__name__}: "
            f"{reason}"
        ) from error
    for key in _INSIDE:
        inner = loaded.get(key) if isinstance(loaded, dict) else None
        if isinstance(inner, dict) and any(map(torch.is_tensor, inner.values())):
            loaded = inner
            break
    if not isinstance(loaded, dict):
        raise ConvertError(
            f"expected a dict of tensors in {path}, received {type(loaded).__name__}"
        )
    return {
        str(name): Tensor(
            tuple(value.shape),
            lambda name=name, value=value: _float32(name, value.float().numpy()),
        )
        for name, value in loaded.items()
        if torch.is_tensor(value)
    }


class _Inert:
    """What stands for an object of a training script: it takes all and does nothing."""

    def __init__(self, *arguments):
        pass

    def __setstate__(self, state):
        pass


def _load_inert(torch, path):
    """What a file of torch.save holds, with nothing in place of training's objects.

    Lightning's files name classes of callbacks, for which `weights_only` refuses them.
    """
    # Files of old versions cannot be mapped into memory.
    options = {"weights_only": True, "mmap": zipfile.is_zipfile(path)}
    known = {}
    while True:
        try:
            pairs = [(stands, name) for name, stands in known.items()]
            with torch.serialization.safe_globals(pairs):
                return torch.load(path, map_location="cpu", **options)
        except pickle.UnpicklingError as error:
            found = _UNKNOWN.search(str(error))
            if not found or found[2] not in _OF_TRAINING or found[1] in known:
                raise
            is_dict = found[1].endswith("AttributeDict")
            # Each a class of its own: they are keys of dicts.
            stands = collections.OrderedDict if is_dict else type("_", (_Inert,), {})
            known[found[1]] = stands


def _float32(name, array):
    if array.dtype.kind not in "fiub" and "float" not in array.dtype.name:
        raise ConvertError(f"expected real numbers, {name} has {array.dtype.name}")
    return np.asarray(array, "float32")


@contextlib.contextmanager
def _needs(package):
    try:
        yield
    except ImportError as error:
        raise ConvertError(
            f"reading this file needs {package}: pip install "
            f"'vqzoo[{'torch' if package == 'torch' else 'convert'}]'"
        ) from error
