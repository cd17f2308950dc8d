"""Checkpoints on the hub of Hugging Face, through its own client and its cache."""

import pathlib
import re

from vqzoo.convert.tables import ConvertError

_PREFIX = "hf://"
_NAME = re.compile(r"hf://([\w.-]+/[\w.-]+)((?:/[\w.-]+)*)(?:@([\w./-]+))?")
# Asked for in turn, until there are weights: the safe files first.
_WEIGHTS = (("*.safetensors", "*.safetensors.index.json"), ("*.bin",), ("*.ckpt",))
_CONFIGS = ("config.json", "*.yaml", "*.yml")


def is_name(source):
    """Whether a source is a name of the hub."""
    return str(source).startswith(_PREFIX)


def fetch(name):
    """The folder or file of a name, downloaded unless it is in the hub's cache.

    Tokens, the cache and the offline mode are those of huggingface_hub: HF_TOKEN,
    HF_HOME, HF_HUB_OFFLINE.

    Args:
        name: str, `hf://owner/name[/subfolder or file][@revision]`.

    Returns:
        `pathlib.Path`.

    Raises:
        ConvertError: if there is no such name, it is not open to the user, or it can be
            neither downloaded nor found in the cache.
    """
    if not (parts := _NAME.fullmatch(name)) or ".." in name:
        raise ConvertError(
            f"expected hf://owner/name[/subfolder][@revision], received {name!r}"
        )
    repository, inside, revision = parts[1], parts[2].lstrip("/"), parts[3]
    try:
        import huggingface_hub
        from huggingface_hub import errors
    except ImportError as error:
        raise ConvertError(
            f"{name} needs huggingface_hub: pip install 'vqzoo[convert]'"
        ) from error
    is_file = bool(re.search(r"\.(safetensors|pt|pth|ckpt|bin)$", inside))
    folder = str(pathlib.PurePosixPath(inside).parent) if is_file else inside
    folder = "" if folder == "." else f"{folder}/"
    folder = f"{inside}/" if inside and not is_file else folder
    wanted = ((inside,),) if is_file else _WEIGHTS
    try:
        for kinds in wanted:
            weights = kinds if is_file else tuple(folder + kind for kind in kinds)
            patterns = [*weights, *(folder + config for config in _CONFIGS)]
            root = huggingface_hub.snapshot_download(
                repository, revision=revision, allow_patterns=patterns
            )
            found = pathlib.Path(root) / inside
            if found.is_file() or any(
                each for kind in kinds for each in found.glob(kind)
            ):
                return found
    except errors.GatedRepoError as error:
        raise ConvertError(
            f"{name} is gated: ask its owner for access, and set HF_TOKEN to your token"
        ) from error
    except errors.RevisionNotFoundError as error:
        raise ConvertError(f"{repository} has no revision {revision!r}") from error
    except errors.RepositoryNotFoundError as error:
        raise ConvertError(
            f"the hub has no model {repository!r}, or it is private: set "
            "HF_TOKEN to your token"
        ) from error
    except (errors.LocalEntryNotFoundError, errors.OfflineModeIsEnabled, OSError) as e:
        raise ConvertError(
            f"{name} is not in the hub's cache and cannot be downloaded "
            f"({type(e).__name__}). Where there is network, download "
            f"{', '.join(folder + f for f in ('config.json', '*.safetensors'))} of "
            f"hf://{repository} into a folder, and give that folder"
        ) from e
    raise ConvertError(
        f"expected weights in {name}, received none of "
        f"{', '.join(kind for kinds in wanted for kind in kinds)}: name another "
        f"file, as hf://{repository}/FILE.pt"
    )
