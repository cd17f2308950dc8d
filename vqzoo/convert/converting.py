"""From the tensors of a checkpoint to a model, and back."""

import dataclasses
import typing

from vqzoo.convert import (
    dalle,
    diffusers,
    janus,
    llamagen,
    sources,
    tables,
    taming,
    var,
    vqvae2,
)
from vqzoo.convert.tables import ConvertError

FAMILIES = {
    module.FAMILY.name: module.FAMILY
    for module in (var, taming, llamagen, janus, diffusers, vqvae2, dalle)
}
_DEFAULT_SIDE = 256
# What configurations call the side of the images that a model was trained on.
_SIDES = ("resolution", "sample_size", "image_size", "ddconfig.resolution")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Converted:
    """A model made of a checkpoint.

    Args:
        model: the model, of vqzoo.models.
        family: str, of `FAMILIES`.
        source: `sources.Source` that it was made of.
        left_out: list of str, the tensors of the source that no model has.
    """

    model: typing.Any
    family: str
    source: typing.Any
    left_out: list


def convert(source, *, family=None, image_size=None):
    """The model of a checkpoint: the same codes and pixels as the original's.

    Images are in [-0.5, 0.5] here, whatever range the original has. The source has to
    have a tensor for each weight and a weight for each tensor, but for those of losses
    and discriminators.

    Args:
        source: path of a file (.safetensors, .pt, .pth, .ckpt, .bin) or of a folder, or
            `hf://owner/name[/subfolder][@revision]`.
        family: str, a name of `FAMILIES`, or None: what the names of the tensors say.
        image_size: int, the side of images that the model names; others that divide by
            its stride can be encoded and decoded too. Defaults to what the source says,
            or 256.

    Returns:
        `Converted`.

    Raises:
        ConvertError: if the source is no such checkpoint, with what it has and what the
            model needs.
    """
    found = sources.open_source(source)
    tensors = sources.with_ema(found.tensors)
    chosen, prefix = _family(tensors, family, found)
    inside = {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }
    outside = [name for name in tensors if not name.startswith(prefix)]
    by_path, unknown, left_out = tables.renamed(chosen, inside)
    shapes = {path: tuple(tensor.shape) for path, (_, tensor) in by_path.items()}
    described = chosen.describe(shapes)
    config = _config(found.config)
    _check_config(config, chosen.stated(described), found)
    side = image_size or next((config[k] for k in _SIDES if k in config), _DEFAULT_SIDE)
    try:
        model = chosen.make(described, config, side)
    except ValueError as error:
        raise ConvertError(f"{found.path} is not such a model: {error}") from error
    tables.fill(chosen, model, by_path, unknown)
    return Converted(
        model=model,
        family=chosen.name,
        source=found,
        left_out=sorted([*outside, *left_out]),
    )


def save_as(model, path, family):
    """Writes the weights of a model with the names of another library, float32.

    Args:
        model: a `VQGAN` whose latents take the nearest code.
        path: path of the .safetensors file.
        family: str, a name of `FAMILIES` that can be written.

    Returns:
        dict, the config.json with which the library loads the file; None if it has
        none.

    Raises:
        ConvertError: if the family has no such model.
    """
    from safetensors.numpy import save_file

    chosen = FAMILIES[family]
    if not chosen.writes:
        raise ConvertError(f"expected one of {writable()}, received {family!r}")
    tensors = tables.written(chosen, model)
    if chosen.groups not in (None, model.num_groups):
        raise ConvertError(
            f"expected a model with num_groups={chosen.groups}, as {family} has it, "
            f"received {model.num_groups}"
        )
    save_file(tensors, path)
    if chosen.config is None:
        return None
    by_path, *_ = tables.renamed(chosen, tensors)
    shapes = {path: tensor.shape for path, (_, tensor) in by_path.items()}
    return chosen.config(chosen.describe(shapes), model)


def writable():
    """Names of the families that can be written."""
    return [name for name, family in FAMILIES.items() if family.writes]


def _family(tensors, name, found):
    """The family of a source, and what stands before its names there."""
    if name is not None and name not in FAMILIES:
        known = ", ".join(FAMILIES)
        raise ConvertError(f"expected one of {known}, received family={name!r}")
    chosen = [FAMILIES[name]] if name else FAMILIES.values()
    for family in chosen:
        first = family.signature[0]
        for known in (key for key in tensors if key.endswith(first)):
            prefix = known.removesuffix(first)
            has = [prefix + each in tensors for each in family.signature]
            lacks = [prefix + each not in tensors for each in family.absent]
            if prefix[-1:] in ("", ".") and all(has + lacks):
                return family, prefix
    texts = "; ".join(f"{f.name} ({f.text}) has {f.signature[-1]}" for f in chosen)
    raise ConvertError(
        f"expected the tensors of one of these: {texts}. Received {found.path} with "
        f"{len(tensors)} tensors, such as {', '.join(list(tensors)[:4])}"
    )


def _config(config):
    """A configuration with dots between the keys of dicts inside dicts."""
    for inner in ("vq_config", "model", "params"):
        config = config[inner] if isinstance(config.get(inner), dict) else config
    flat = {}
    for key, value in config.items():
        inner = value.items() if isinstance(value, dict) else ()
        flat |= {key: value} | {f"{key}.{k}": v for k, v in inner}
    return flat


def _check_config(config, stated, found):
    """Raises ConvertError where a configuration says other sizes than the weights."""
    wrong = [
        f"{key}={config[key]!r} for {value!r}"
        for key, value in stated.items()
        if config.get(key) is not None and config[key] != value
    ]
    if wrong:
        raise ConvertError(
            f"expected {found.config_path} to say what the weights in {found.path} "
            f"are, received {', '.join(wrong)}"
        )
