"""Which model it is: a hash of what a model is and of its weights."""

import hashlib
import json
import re

import numpy as np

from vqzoo.images import to_numpy

# Arguments that came after the first fingerprints, with what all models before had.
_ADDED = (
    ("pad", False),
    ("trainable_codes", None),
    ("count_decay", 0.9),
    ("residual_kernel_size", 3),
    ("activation", "relu"),
    ("normalization", None),
    ("attention", False),
    ("num_decoder_blocks", None),
    ("affine", False),
    ("block", "plain"),
    ("latent_kernel_size", 1),
)


def fingerprint(model):
    """sha256 over the configuration and the weights of a model.

    Codes mean something to the model alone that made them: what holds codes keeps this
    beside them. Equal fingerprints mean equal models, wherever they were loaded.

    Args:
        model: a model of vqzoo.models.

    Returns:
        str of 64 hexadecimal digits.
    """
    digest = hashlib.sha256(type(model).__name__.encode())
    config = json.loads(json.dumps(model.get_config(), default=str))
    digest.update(json.dumps(_nameless(config), sort_keys=True).encode())
    for weight in model.weights:
        value = np.ascontiguousarray(to_numpy(weight.value))
        digest.update(f"{weight.name} {value.shape} {value.dtype}".encode())
        digest.update(value.tobytes())
    return digest.hexdigest()


def _nameless(config):
    """A configuration without the names that Keras counts up."""
    if isinstance(config, dict):
        kept = {
            # Whether it is frozen now changes nothing that codes mean.
            key: True if key == "trainable" else _nameless(value)
            for key, value in config.items()
            if key != "name" and (key, value) not in _ADDED
        }
        if str(kept.get("registered_name")).startswith("vqzoo>"):
            kept["module"] = _module(kept["class_name"])
        return kept
    if isinstance(config, list):
        return [_nameless(value) for value in config]
    return config


def _module(class_name):
    """Where a layer was when fingerprints were first kept: a file of its name.

    Keras notes the module of each layer. Fingerprints that stand beside codes on disk
    must not change when a file of ours moves, so the module follows from the name.
    """
    words = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", class_name)
    return f"vqzoo.layers.{words.lower()}"
