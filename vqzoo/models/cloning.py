"""The same model with another dtype policy: what is exported or compresses."""

from vqzoo.arguments import dtype_policy


def clone(model, precision="float32"):
    """The same model with the same weights, computing in one precision.

    Args:
        model: a model of vqzoo.models or vqzoo.priors, of any dtype policy.
        precision: `"float32"`, all of it; or `"bfloat16"`, in which the convolutions
            and their weights are bfloat16, while quantizers keep float32 codebooks and
            distances, as under every policy.

    Returns:
        A new model of the same class.
    """
    layer_policy = "float32" if precision == "float32" else "mixed_bfloat16"
    config = {
        key: precision if key == "dtype" else _with_dtype(value, layer_policy)
        for key, value in model.get_config().items()
    }
    with dtype_policy("float32"):
        copy = type(model).from_config(config)
    copy.set_weights(model.get_weights())
    return copy


def _with_dtype(config, dtype):
    """A configuration in which every layer has a dtype policy."""
    if isinstance(config, dict):
        return {
            key: dtype if key == "dtype" else _with_dtype(value, dtype)
            for key, value in config.items()
        }
    if isinstance(config, list | tuple):
        return [_with_dtype(value, dtype) for value in config]
    return config
