"""What constructors are given: checked, kept by name, and handed out as the config."""

import inspect

import keras

# Keras keeps these under their names by itself.
_KERAS_ARGUMENTS = ("self", "name", "dtype")


class Configured:
    """Mixin of layers, models and metrics: the config is the constructor's arguments.

    A class calls `self._keep(locals())` in its constructor and needs no `get_config`.
    It stands before the class of Keras among the bases.
    """

    def _keep(self, values):
        """Makes each argument of the constructor an attribute; lists become tuples.

        Call it after `super().__init__()` where an argument may hold a layer: on
        PyTorch nothing takes layers before it is a module itself.

        Args:
            values: dict, `locals()` of the constructor.
        """
        for name in argument_names(type(self)):
            # What a class computes under the name of an argument stays computed.
            computed = isinstance(getattr(type(self), name, None), property)
            if name in values and not computed:
                value = values[name]
                value = tuple(value) if isinstance(value, list) else value
                setattr(self, name, value)

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


def _serialized(value):
    # Keras writes a tuple as a class of its own.
    value = list(value) if isinstance(value, tuple) else value
    return keras.saving.serialize_keras_object(value)


def check_positive_ints(**values):
    """Raises ValueError for a value that is not a positive int, by its name."""
    for name, value in values.items():
        if not isinstance(value, int) or value < 1:
            raise ValueError(
                f"expected {name} to be a positive int, received {name}={value}"
            )


def check_at_least(least, **values):
    """Raises ValueError for a value below `least`, or not a number, by its name."""
    for name, value in values.items():
        if not value >= least:
            raise ValueError(
                f"expected {name} to be at least {least}, received {name}={value}"
            )


def check_not_negative(**values):
    """Raises ValueError for a value below 0, or not a number, by its name."""
    check_at_least(0, **values)


def check_positive(**values):
    """Raises ValueError for a value that is not above 0, by its name."""
    for name, value in values.items():
        if not value > 0:
            raise ValueError(f"expected {name} above 0, received {name}={value}")


def check_shares(**values):
    """Raises ValueError for a value that is not in [0, 1), by its name."""
    for name, value in values.items():
        if not 0 <= value < 1:
            raise ValueError(f"expected {name} in [0, 1), received {name}={value}")


def check_one_of(options, **values):
    """Raises ValueError for a value that is none of the options, by its name."""
    for name, value in values.items():
        if value not in options:
            raise ValueError(
                f"expected {name} to be one of {tuple(options)}, received "
                f"{name}={value!r}"
            )
