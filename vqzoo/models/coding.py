"""What is asked of every model: items to codes or latents, and those to items."""

import contextlib
import functools
import inspect

import keras
import numpy as np
from keras import ops

from vqzoo.arguments import BuiltModel, Configured
from vqzoo.images import to_numpy
from vqzoo.ops import in_one_block

# Formats of `export` that hold loops.
_LOOPING = ("tf_saved_model", "torch")


def takes_items(method):
    """Makes of a method of items one that takes those of any library, checked."""

    @functools.wraps(method)
    def checked(self, items, *args, **kwargs):
        return method(self, self.received(items), *args, **kwargs)

    return checked


class CodingModel(Configured, BuiltModel):
    """A model that turns items into codes or latents, and those into items.

    Abstract: `ImageModel` is that of images; items may be vectors or sequences too. A
    subclass keeps the arguments of its constructor (`_keep`), among them `dtype` (as
    `layer_dtype`) and `name`, makes its layers and ends with `_finish`. It has
    `item_shape`; `_rebuild`, what a call makes of items; `decode`; and `encode` or,
    with quantizers, `latents`.

    Without targets, `fit` and `evaluate` take the items for targets: an autoencoder's
    target is its input. Of a dict of arrays or a `tf.data.Dataset` of dicts, such as
    `datasets.load(name).train.batches(32)`, they take what is named as `item` is.
    """

    # What an item is called, in batches of data too: image, vector or sequence.
    item = "item"
    # Of a model with codes: names of the tiers and their quantizer layers, top first.
    tier_names = ()
    quantizers = ()
    # Whether it draws items by itself: `sample(num_images, temperature, seed)`.
    can_sample = False
    # Whether it bounds the likelihood of items: `elbo(images, seed, num_samples)`.
    has_bound = False
    # Whether all parts have been trained that are trained one after the other.
    is_whole = True

    @property
    def item_shape(self):
        """The shape of an item, a tuple; None for a side that may be any."""
        raise NotImplementedError

    @property
    def decoded_tiers(self):
        """Names of the tiers that `decode` uses if it gets all of them."""
        return tuple(self.tier_names)

    @property
    def layouts(self):
        """How the codes of each tier stand: as `Quantizer.layout`, or `"tokens"`."""
        return tuple(layer.layout for layer in self.quantizers)

    @property
    def is_hybrid(self):
        """Whether decoding needs real numbers together with the codes."""
        return any(layer.is_hybrid for layer in self.quantizers)

    def reconstruct(self, items, codes=None):
        """Reconstructed items: from their codes, unless the model is hybrid."""
        if self.is_hybrid:
            return self(items, training=False)
        return self.decode(self.encode(items) if codes is None else codes)

    def reconstruction_loss(self, items, outputs):
        """What a reconstruction lacks: float32 `(batch,)`; here the mean square."""
        error = ops.cast(items, "float32") - ops.cast(outputs, "float32")
        axes = tuple(range(1, len(error.shape)))
        return ops.mean(ops.square(error), axis=axes)

    def freeze_codes(self):
        """Freezes all layers that codes come of; what decodes them is left to train.

        Raises:
            ValueError: if the model has no codes.
        """
        if not self.quantizers:
            raise ValueError(f"expected a model with codes, received {self.name}")
        latents = [quantizer.input for quantizer in self.quantizers]
        for layer in (
            *keras.Function(self.input, latents).operations,
            *self.quantizers,
        ):
            layer.trainable = False

    def training_loss(self):
        """The loss that it is compiled with; the rest comes by `add_loss`."""
        return "mse"

    def _keep(self, values):
        self._begin(values["name"])
        super()._keep(values)
        self.layer_dtype = keras.dtype_policies.get(values["dtype"])

    def _finish_items(self):
        """Builds the layers with symbolic items of `item_shape`."""
        items = keras.Input(self.item_shape, name=f"{self.item}s")
        self._finish(items, self._rebuild(items))

    def call(self, items, training=None):
        return self._rebuild(self._checked(items))

    def compute_output_spec(self, items, training=None):
        self._check_shape(items)
        # `fit` asks with the first batch's shape, which its compiled steps do not know.
        for quantizer in self.quantizers if items.shape[0] else ():
            quantizer.warn_of_many_codes((items.shape[0], *quantizer.grid))
        return keras.KerasTensor(items.shape, dtype="float32")

    def compute_output_shape(self, input_shape):
        return self.compute_output_spec(keras.KerasTensor(input_shape)).shape

    def received(self, items):
        """Items as the layers take them: a float32 tensor.

        Args:
            items: `(batch, *item_shape)`, array or tensor of any library.

        Raises:
            ValueError: if they have another shape.
        """
        return self._checked(items)

    def _checked(self, items):
        if isinstance(items, dict):
            raise ValueError(
                f"expected {self.item}s, an array or a tensor, received a dict with "
                f"{', '.join(map(repr, items))}: hand over the {self.item}s in it alone"
                f"{self._out_of_a_row}"
            )
        if not ops.is_tensor(items) and not isinstance(items, keras.KerasTensor):
            items = ops.convert_to_tensor(to_numpy(items))
        items = self._shaped(items)
        self._check_shape(items)
        self._look_at(items)
        return ops.cast(items, "float32")

    # How an item is got out of a row of data, for the error of whoever hands it over.
    _out_of_a_row = ""

    def _shaped(self, items):
        """A tensor of items with an axis that it may have been handed over without."""
        return items

    def _check_shape(self, items):
        """Raises ValueError unless tensors or symbols have the shape of items."""
        shape = tuple(items.shape)
        fits = len(shape) == 1 + len(self.item_shape) and all(
            named is None or side in (None, named)
            for side, named in zip(shape[1:], self.item_shape)
        )
        if not fits:
            expected = ", ".join(map(str, ("batch", *self.item_shape)))
            raise ValueError(
                f"expected {self.item}s of shape ({expected}), received shape={shape}"
            )

    def _look_at(self, items):
        """Warns of values that items can hardly have."""

    def _taken(self, data):
        """What `fit` and its kin take of what they are given, once it was looked at."""
        if inspect.isgenerator(data):  # Keras wants tuples of these alone.
            return (batch if isinstance(batch, tuple) else (batch,) for batch in data)
        spec = getattr(data, "element_spec", data)  # of a tf.data.Dataset
        if isinstance(spec, dict) and self.item in spec:
            item, is_dataset = self.item, spec is not data
            data = data.map(lambda row: row[item]) if is_dataset else data[item]
            spec = spec[item]
        first = spec[0] if isinstance(spec, tuple) else spec
        if hasattr(data, "element_spec"):  # which is not begun here
            # What a strategy divides says none.
            kind = getattr(keras.tree.flatten(first)[0], "dtype", None)
            first = kind and np.zeros((0,), kind.as_numpy_dtype)
        if hasattr(first, "dtype"):
            self._look_at(first)
        return data

    def fit(self, x=None, *args, **kwargs):
        if "validation_data" in kwargs:
            kwargs["validation_data"] = self._taken(kwargs["validation_data"])
        return super().fit(self._taken(x), *args, **kwargs)

    def evaluate(self, x=None, *args, **kwargs):
        return super().evaluate(self._taken(x), *args, **kwargs)

    def predict(self, x, *args, **kwargs):
        return super().predict(self._taken(x), *args, **kwargs)

    def export(self, filepath, format="tf_saved_model", **kwargs):
        """Writes the call at inference: `keras.Model.export`.

        Converters to ONNX, LiteRT and OpenVINO get no loop over blocks of latents.
        """
        with contextlib.nullcontext() if format in _LOOPING else in_one_block():
            super().export(filepath, format, **kwargs)

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ):
        y = x if y is None else y
        return super().compute_loss(x, y, y_pred, sample_weight, training)

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        y = x if y is None else y
        return super().compute_metrics(x, y, y_pred, sample_weight)

    @takes_items
    def encode(self, items):
        """Codes of items, a tuple, top first: int32 `(batch, h, w)` of images."""
        latents = zip(self.quantizers, self.latents(items))
        return tuple(quantizer.encode(values) for quantizer, values in latents)

    def grids(self, items):
        """What priors are over, top first: the codes."""
        return self.encode(items)

    def from_grids(self, grids):
        """Items of what `grids` gives."""
        return self.decode(grids)

    def get_config(self):
        # Not Keras's own, which lists the layers of the graph.
        dtype = keras.dtype_policies.serialize(self.layer_dtype)
        return {"name": self.name, "dtype": dtype, **self._arguments()}
