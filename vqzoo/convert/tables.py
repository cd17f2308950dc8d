"""Names of tensors in other libraries and in the model: one table for both ways."""

import dataclasses
import re
import typing

import numpy as np
from keras import ops

_SHOWN = 8
CODEBOOK = "quantizer/codebook"


class ConvertError(ValueError):
    """What cannot be converted: what was expected, and what the source has."""


# The parts of a block and of attention by the model's names for them.
BLOCK = {"norm1": "norm_1", "conv1": "conv_1", "norm2": "norm_2", "conv2": "conv_2"}
BLOCK_AND_SHORTCUT = BLOCK | {"nin_shortcut": "shortcut"}
ATTENTION = {"norm": "norm", "q": "query", "k": "key", "v": "value"}
ATTENTION_AND_RESULT = ATTENTION | {"proj_out": "result"}


class Names:
    """From names of tensors to paths of weights, and back.

    Args:
        modules: dict from the source's name of a module to the model's. `{level}` and
            `{i}` are numbers; `{-level}` is a level counted from the other end. What
            the model calls a block or attention stands for its parts; a module that the
            model calls a norm has gamma and beta, others kernel and bias.
        tensors: dict from whole names of tensors to whole paths of weights.
        block, attention: dicts, names of the parts of these; of two names of one part
            the first is that of the way back.
        leaves: names of a module's two tensors.
        left_out: regular expressions of tensors that no model has.
    """

    def __init__(
        self,
        modules,
        tensors,
        *,
        block=BLOCK_AND_SHORTCUT,
        attention=ATTENTION_AND_RESULT,
        leaves=("weight", "bias"),
        left_out=(),
    ):
        self.left_out = tuple(map(re.compile, left_out))
        self.pairs = list(tensors.items())
        for source, target in modules.items():
            parts = {"": ""}
            if "_block_" in target:
                parts = {f".{s}": f"/{t}" for s, t in block.items()}
            elif "_attention_" in target:
                parts = {f".{s}": f"/{t}" for s, t in attention.items()}
            for s, t in parts.items():
                last = (target + t).rpartition("/")[2]
                kinds = ("gamma", "beta") if "norm" in last else ("kernel", "bias")
                self.pairs += [
                    (f"{source}{s}.{leaf}", f"{target}{t}/{kind}")
                    for leaf, kind in zip(leaves, kinds)
                ]

    def to_model(self, name, last):
        """The path of the weight that a tensor is for, or None."""
        return _translated(name, self.pairs, last)

    def to_source(self, path, last):
        """The name of the tensor of a weight, or None."""
        return _translated(path, [pair[::-1] for pair in self.pairs], last)

    def is_left_out(self, name):
        """Whether no model has such a tensor: losses, counters of training."""
        return any(pattern.search(name) for pattern in self.left_out)


def _translated(name, pairs, last):
    for pattern, target in pairs:
        regular = re.sub(r"\\{(\\-)?(\w+)\\}", _group, re.escape(pattern))
        if found := re.fullmatch(regular, name):
            numbers = {
                key.removeprefix("minus_"): (
                    last - int(value) if key.startswith("minus_") else int(value)
                )
                for key, value in found.groupdict().items()
            }
            flipped = {f"-{key}": last - value for key, value in numbers.items()}
            return target.format(**numbers, **flipped)
    return None


def _group(found):
    minus = "minus_" if found[1] else ""
    return rf"(?P<{minus}{found[2]}>\d+)"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Family:
    """Checkpoints that name their tensors alike.

    Args:
        name: str, of `--family`.
        text: str, whose they are.
        signature: names of tensors that each of them has.
        absent: names of tensors that none of them has.
        names: `Names`.
        describe: function from `{path: shape}` of the source to the arguments that its
            weights say; raises ConvertError.
        make: function of those arguments, the configuration and the side of images to a
            model.
        stated: function of the arguments to what the configuration has to say, a dict
            from its keys.
        factors: dict from paths to what a weight is multiplied by on the way in.
        constants: dict from paths to the values of weights that no source has.
        fused: dict from the name of a module at the end of others to the names of those
            whose tensors it has, one after the other.
        transposed: paths of codebooks whose axes are the other way around there.
        first_outputs: paths of weights that have more outputs there, which follow.
        weights: function of a model to its weights by path.
        writes: bool, whether a model can be written as this family has it.
        groups: int, of each normalization, where no configuration says it; or None.
        config: function of the arguments and a model to the configuration that is
            written beside its weights, or None.
    """

    name: str
    text: str
    signature: tuple
    absent: tuple = ()
    names: Names
    describe: typing.Callable
    make: typing.Callable
    stated: typing.Callable = lambda described: {}
    factors: dict = dataclasses.field(default_factory=dict)
    constants: dict = dataclasses.field(default_factory=dict)
    fused: dict = dataclasses.field(default_factory=dict)
    transposed: frozenset = frozenset()
    first_outputs: frozenset = frozenset()
    weights: typing.Callable = lambda model: {w.path: w for w in model.weights}
    writes: bool = False
    groups: int | None = None
    config: typing.Callable | None = None


def last_level(names):
    """The highest number of a level of the decoder among names or paths."""
    levels = [re.search(r"\bup[._](\d+)[._]", name) for name in names]
    return max((int(found[1]) for found in levels if found), default=0)


def renamed(family, tensors):
    """Tensors by the path of their weight, and the names that are for no weight.

    Args:
        family: `Family`.
        tensors: dict from names to tensors.

    Returns:
        `(by_path, unknown, left_out)`: dict from a path to `(name, tensor)`, and two
        lists of names.
    """
    last = last_level(tensors)
    by_path, unknown, left_out = {}, [], []
    for name, tensor in _taken_apart(tensors, family.fused).items():
        path = family.names.to_model(name, last)
        if family.names.is_left_out(name):
            left_out.append(name)
        elif path is None or path in by_path:
            unknown.append(name)
        else:
            by_path[path] = (name, tensor)
    return by_path, unknown, left_out


def _taken_apart(tensors, fused):
    """Tensors, with those of fused modules as their equal parts."""
    apart = {}
    for name, tensor in tensors.items():
        module, dot, leaf = name.rpartition(".")
        ends = [end for end in fused if module.endswith(end)]
        if not ends or tensor.shape[0] % len(fused[ends[0]]):
            apart[name] = tensor
            continue
        parts = fused[ends[0]]
        for index, part in enumerate(parts):
            taken = _Share(tensor, index, len(parts))
            apart[module.removesuffix(ends[0]) + part + dot + leaf] = taken
    return apart


class _Share:
    """One of `count` equal parts of a tensor along its first axis."""

    def __init__(self, tensor, index, count):
        self.tensor, size = tensor, tensor.shape[0] // count
        self.rows = slice(index * size, (index + 1) * size)
        self.shape = (size, *tensor.shape[1:])

    def read(self):
        """As of a tensor of a source."""
        return self.tensor.read()[self.rows]


def fill(family, model, by_path, unknown):
    """Gives a model the tensors of a source.

    Raises:
        ConvertError: unless each tensor is for a weight and each weight has a tensor of
            its shape; it lists both sides.
    """
    weights = family.weights(model)
    last = last_level(weights)
    unknown = [*unknown, *(by_path[p][0] for p in by_path if p not in weights)]
    missing = [
        f"{path} ({family.names.to_source(path, last)})"
        for path in weights
        if path not in by_path and path not in family.constants
    ]
    differing = []
    for path in (p for p in weights if p in by_path):
        name, tensor = by_path[path]
        shape = tuple(weights[path].shape)
        blank = np.broadcast_to(np.float32(0), tensor.shape)
        found = _turned(path, blank, shape, family).shape
        if found != shape:
            differing.append(f"{name}: {found} for {shape}")
    problems = [
        f"{title} ({len(lines)}): {_shortened(lines)}"
        for title, lines in (
            ("tensors that are for no weight", unknown),
            ("weights that no tensor fills", missing),
            ("shapes that differ", differing),
        )
        if lines
    ]
    if problems:
        raise ConvertError(
            f"expected the tensors of {family.name}, whose names fit a "
            f"{type(model).__name__} of these sizes; " + "; ".join(problems)
        )
    for path, weight in weights.items():
        if path in family.constants:
            weight.assign(np.full(weight.shape, family.constants[path], "float32"))
            continue
        name, tensor = by_path[path]
        array = _turned(path, tensor.read(), weight.shape, family)
        if not np.isfinite(array).all():
            raise ConvertError(f"expected finite numbers, received others in {name}")
        weight.assign(array * np.float32(family.factors.get(path, 1)))


def written(family, model):
    """The tensors of a model by the family's names, float32.

    Raises:
        ConvertError: if a weight has no name there.
    """
    of_codes = {id(w) for part in model.quantizers for w in part.weights}
    arrays = {
        path: np.asarray(ops.convert_to_numpy(weight.value), "float32")
        for path, weight in family.weights(model).items()
        if id(weight) not in of_codes
    }
    arrays[CODEBOOK] = _plain_codes(model.quantizers, family.name)
    last = last_level(arrays)
    tensors, unnamed = {}, []
    for path, array in arrays.items():
        name = family.names.to_source(path, last)
        if name is None:
            unnamed.append(path)
            continue
        array = array / np.float32(family.factors.get(path, 1))
        if path.endswith("kernel"):
            array = np.moveaxis(array, (-1, -2), (0, 1))
        tensors[name] = np.ascontiguousarray(array)
    if unnamed:
        raise ConvertError(
            f"expected a model that {family.name} has too, received weights that "
            f"have no name there: {_shortened(unnamed)}"
        )
    return tensors


def _plain_codes(quantizers, family):
    """The vectors `(K, D)` of which each latent takes the nearest, and nothing else.

    Counts of training are left out. Unit length is no hindrance: the nearest of codes
    of length 1 has the largest cosine.

    Raises:
        ConvertError: if latents take other codes than the nearest.
    """
    drawn = np.random.default_rng(0).normal(size=(256, quantizers[0].embedding_dim))
    drawn = drawn.astype("float32")
    if len(quantizers) == 1 and np.ndim(quantizers[0].encode(drawn)) == 1:
        count = np.arange(quantizers[0].num_embeddings)
        vectors = np.asarray(ops.convert_to_numpy(quantizers[0].decode(count)))
        latents = vectors.mean(axis=0) + 2 * vectors.std() * drawn
        chosen = ops.convert_to_numpy(quantizers[0].encode(latents))
        squares = np.square(vectors).sum(axis=1) - 2 * latents @ vectors.T
        taken = np.take_along_axis(squares, chosen[:, None], axis=1)[:, 0]
        if np.all(taken - squares.min(axis=1) <= 1e-4 * np.abs(squares).max()):
            return vectors
    kinds = ", ".join(type(each).__name__ for each in quantizers)
    raise ConvertError(
        f"expected a model whose latents take the nearest code, as {family} has it, "
        f"received one with {kinds}"
    )


def _shortened(lines):
    more = f" and {len(lines) - _SHOWN} more" if len(lines) > _SHOWN else ""
    return ", ".join(lines[:_SHOWN]) + more


def _turned(path, array, shape, family):
    """A tensor with its axes in the order of a weight of a shape."""
    if path in family.transposed:
        return array.T
    if path in family.first_outputs:
        array = array[: shape[-1]]
    if not path.endswith("kernel"):
        return array
    if array.ndim == 4 and len(shape) == 2 and array.shape[2:] == (1, 1):
        array = array[..., 0, 0]
    # Outputs and inputs come first there and last here.
    return np.moveaxis(array, (0, 1), (-1, -2)) if array.ndim > 1 else array
