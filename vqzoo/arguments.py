"""What constructors are given: checked, kept by name, and handed out as the config."""

import contextlib
import inspect
import numbers

import keras
import numpy as np
from keras import ops

# Keras keeps these under their names by itself.
_KERAS_ARGUMENTS = ("self", "name", "dtype")


@contextlib.contextmanager
def dtype_policy(policy):
    """The global dtype policy of what is made within.

    Args:
        policy: str or `keras.DTypePolicy`.
    """
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


class BuiltModel(keras.Model):
    """A model that its constructor builds, whose files are those of a graph of layers.

    Abstract. A constructor calls `_begin` before it makes a layer and ends with
    `_finish`. It is no `Functional` model: PyTorch wants a model to be one before it
    gets layers, and `keras.models.clone_model` loses the class of a `Functional`.
    """

    def _begin(self, name):
        # The first layers know what they round their inputs to, and losses do not.
        super().__init__(name=name, autocast=False)
        if keras.config.image_data_format() != "channels_last":
            raise ValueError(
                "expected keras.config.image_data_format() to be 'channels_last', "
                f"received '{keras.config.image_data_format()}': vqzoo has no other"
            )

    def _finish(self, inputs, outputs):
        """Takes the layers between symbolic inputs and outputs in their order."""
        self._ends = inputs, outputs
        graph = keras.Function(inputs, outputs)
        self.inputs, self.outputs = graph.inputs, graph.outputs
        self.graph_layers = [
            each for each in graph.operations if isinstance(each, keras.layers.Layer)
        ]
        self.build(keras.tree.map_structure(lambda symbol: symbol.shape, inputs))

    def build(self, input_shape):
        """Nothing: the constructor has built all layers."""

    @property
    def input(self):
        return self._ends[0]

    @property
    def output(self):
        return self._ends[1]

    @property
    def layers(self):
        return list(self.graph_layers)

    def _obj_type(self):
        return "Functional"  # how files are laid out

    def _lock_state(self):
        """As in a `Functional` model, layers may be added later."""

    def export(self, filepath, *args, input_signature=None, **kwargs):
        if input_signature is None:
            input_signature = [keras.tree.map_structure(_spec, self.input)]
        super().export(filepath, *args, input_signature=input_signature, **kwargs)


def _spec(symbol):
    return keras.InputSpec(dtype=symbol.dtype, shape=symbol.shape, name=symbol.name)


class Seeded:
    """Mixin of layers and models: files hold where their streams of noise stand.

    Keras saves no state of a `SeedGenerator`, so that the noise of a model that was
    loaded to train on would begin again. Files without it load too.
    """

    def _streams(self):
        # Layers of Keras, as `Dropout`, do not keep their own.
        layers = (x for x in getattr(self, "_layers", ()) if not isinstance(x, Seeded))
        return [
            generator
            for holder in (self, *layers)
            for generator in getattr(holder, "_seed_generators", ())
        ]

    def save_own_variables(self, store):
        super().save_own_variables(store)
        for index, generator in enumerate(self._streams()):
            store[f"seed_{index}"] = ops.convert_to_numpy(generator.state)

    def load_own_variables(self, store):
        values = {key: store[key] for key in store.keys()}
        for index, generator in enumerate(self._streams()):
            if (state := values.pop(f"seed_{index}", None)) is not None:
                generator.state.assign(state)
        super().load_own_variables(values)


class Configured(Seeded):
    """Mixin of layers, models and metrics: the config is the constructor's arguments.

    A class calls `self._keep(locals())` in its constructor and needs no `get_config`.
    It stands before the class of Keras among the bases.
    """

    def _keep(self, values):
        """Makes each argument of the constructor an attribute, as `plain` has it.

        Call it after `super().__init__()` where an argument may hold a layer: on
        PyTorch nothing takes layers before it is a module itself.

        Args:
            values: dict, `locals()` of the constructor.
        """
        for name in argument_names(type(self)):
            # What a class computes under the name of an argument stays computed.
            computed = isinstance(getattr(type(self), name, None), property)
            if name in values and not computed:
                setattr(self, name, plain(values[name]))

    def get_config(self):
        config = super().get_config()
        # Keras records it of classes that fix it themselves.
        config.pop("autocast", None)
        return {**config, **self._arguments()}

    def _arguments(self):
        """The constructor's arguments by name, as JSON has them."""
        return {
            name: _serialized(getattr(self, name))
            for name in argument_names(type(self))
        }

    @classmethod
    def from_config(cls, config):
        # Layers among the arguments are made of their own configs.
        return cls(**keras.saving.deserialize_keras_object(config))


def argument_names(configured):
    """Names of the arguments of a class's constructor that Keras does not keep."""
    parameters = inspect.signature(configured.__init__).parameters
    return [
        name
        for name, parameter in parameters.items()
        if name not in _KERAS_ARGUMENTS and parameter.kind != parameter.VAR_KEYWORD
    ]


def plain(value):
    """A value as configs hold it: lists as tuples, numbers of NumPy as Python's."""
    if isinstance(value, list | tuple):
        return tuple(map(plain, value))
    return value.item() if isinstance(value, np.generic) else value


def _serialized(value):
    # Keras writes a tuple as a class of its own.
    value = list(value) if isinstance(value, tuple) else value
    return keras.saving.serialize_keras_object(value)


def check_positive_ints(**values):
    """Raises ValueError for a value that is not a positive int, by its name."""
    for name, value in values.items():
        if not is_int(value) or value < 1:
            raise ValueError(
                f"expected {name} to be a positive int, received {name}={value}"
            )


def is_int(value):
    """Whether a value is an integer, of Python or of NumPy, and no bool."""
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def is_number(value):
    """Whether a value is one real number, of Python or of NumPy, and no bool."""
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def check_at_least(least, **values):
    """Raises ValueError for a value below `least`, or not a number, by its name."""
    for name, value in values.items():
        if not is_number(value) or not value >= least:
            raise ValueError(
                f"expected {name} to be at least {least}, received {name}={value}"
            )


def check_not_negative(**values):
    """Raises ValueError for a value below 0, or not a number, by its name."""
    check_at_least(0, **values)


def check_positive(**values):
    """Raises ValueError for a value that is not above 0, by its name."""
    for name, value in values.items():
        if not is_number(value) or not value > 0:
            raise ValueError(f"expected {name} above 0, received {name}={value}")


def check_shares(**values):
    """Raises ValueError for a value that is not in [0, 1), by its name."""
    for name, value in values.items():
        if not is_number(value) or not 0 <= value < 1:
            raise ValueError(f"expected {name} in [0, 1), received {name}={value}")


def check_one_of(options, **values):
    """Raises ValueError, which names the argument, unless a value is an option."""
    for name, value in values.items():
        if value not in options:
            raise ValueError(
                f"expected {name} to be one of {tuple(options)}, received "
                f"{name}={value!r}"
            )


def check_codes(codes, num_codes, *, name="codes", least=-1):
    """Codes as an int32 tensor.

    Args:
        codes: ints of any type and any library, `(...)`.
        num_codes: int, K.
        name: str, what the error calls them.
        least: int, the lowest that is allowed: -1, the code of masked places, or 0.

    Returns:
        int32 tensor `(...)`.

    Raises:
        ValueError: if they are not integers or, where their values are known, which in
            a compiled function they are not, one is outside [least, K).
    """
    values = known_values(codes)
    if values is not None and not ops.is_tensor(codes):
        codes = values
    dtype = keras.backend.standardize_dtype(codes.dtype)
    if "int" not in dtype and (values is None or values.size):
        raise ValueError(f"expected {name} of an integer type, received dtype={dtype}")
    if values is not None and values.size:
        low, high = values.min(), values.max()
        if low < least or high >= num_codes:
            raise ValueError(
                f"expected {name} in [0, {num_codes}), received values from {low} to "
                f"{high}"
            )
    return ops.cast(codes, "int32")


def known_values(array):
    """An array as NumPy's, or None inside a function that is being compiled."""
    try:
        if ops.is_tensor(array):
            return ops.convert_to_numpy(array)
        return np.asarray(array)
    except (NotImplementedError, RuntimeError, TypeError, ValueError):
        return None
