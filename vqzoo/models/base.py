"""What is asked of every model from images to images."""

import contextlib
import functools
import inspect
import warnings

import keras
import numpy as np
from keras import ops

from vqzoo.arguments import BuiltModel, Configured
from vqzoo.images import to_numpy, wrong_range
from vqzoo.ops import in_one_block

# Formats of `export` that hold loops.
_LOOPING = ("tf_saved_model", "torch")


def takes_images(method):
    """Makes of a method of images one that takes those of any library, checked."""

    @functools.wraps(method)
    def checked(self, images, *args, **kwargs):
        return method(self, self.received(images), *args, **kwargs)

    return checked


def _image_of(row):
    return row["image"]


class ImageModel(Configured, BuiltModel):
    """A model that turns images into codes or latents, and those into images.

    Abstract. A subclass keeps the arguments of its constructor (`_keep`), among them
    `image_shape`, `dtype` (as `layer_dtype`) and `name`, makes its layers and ends with
    `_finish_images`. It has `_rebuild`, what a call makes of images whose sides divide
    by `total_stride`; `decode`; and `encode` or, with quantizers, `latents`.

    Without targets, `fit` and `evaluate` take the images for targets: an autoencoder's
    target is its input. Of a dict of arrays or a `tf.data.Dataset` of dicts, such as
    `datasets.load(name).train.batches(32)`, they take what is named `image`.
    """

    # Of a model with codes: names of the tiers and their quantizer layers, top first.
    tier_names = ()
    quantizers = ()
    # Whether it draws images by itself: `sample(num_images, temperature, seed)`.
    can_sample = False
    # Whether it bounds the likelihood of images: `elbo(images, seed, num_samples)`.
    has_bound = False
    # Whether images whose sides do not divide are padded, and cropped at the end.
    pad = False
    _warned_of_range = False

    @property
    def decoded_tiers(self):
        """Names of the tiers that `decode` looks at where it is given all of them."""
        return tuple(self.tier_names)

    @property
    def total_stride(self):
        """What the sides of images divide by: pixels of a side per coarsest latent."""
        return self.stride

    @property
    def is_hybrid(self):
        """Whether images come back of codes together with real numbers."""
        return any(layer.is_hybrid for layer in self.quantizers)

    def reconstruct(self, images, codes=None):
        """Images as they come back: of their codes, unless the model is hybrid."""
        if self.is_hybrid:
            return self(images, training=False)
        return self.decode(self.encode(images) if codes is None else codes)

    def reconstruction_loss(self, images, outputs):
        """What a reconstruction lacks: float32 `(batch,)`; here the mean square."""
        error = ops.cast(images, "float32") - ops.cast(outputs, "float32")
        return ops.mean(ops.square(error), axis=(1, 2, 3))

    def training_loss(self):
        """The loss that it is compiled with; the rest comes by `add_loss`."""
        return "mse"

    def _keep(self, values):
        self._begin(values["name"])
        super()._keep(values)
        self.layer_dtype = keras.dtype_policies.get(values["dtype"])

    def _finish_images(self):
        """Builds the layers with symbolic images of `image_shape`."""
        images = keras.Input(self.image_shape, name="images")
        height, width, channels = self.image_shape
        if self.pad and height and width:
            sides = [side + -side % self.total_stride for side in (height, width)]
            images = keras.Input((*sides, channels), name="images")
        self._finish(images, self._rebuild(images))

    def call(self, images, training=None):
        images = self._checked(images)
        self._check_call(images)
        sides = ops.shape(images)[1:3]
        return self._cropped(self._rebuild(self._padded(images)), sides)

    def compute_output_spec(self, images, training=None):
        self._check_shape(images)
        self._check_call(images)
        # `fit` asks with the first batch's shape, which its compiled steps do not know.
        for quantizer in self.quantizers if images.shape[0] else ():
            quantizer.warn_of_many_codes((images.shape[0], *quantizer.grid))
        return keras.KerasTensor(images.shape, dtype="float32")

    def compute_output_shape(self, input_shape):
        return self.compute_output_spec(keras.KerasTensor(input_shape)).shape

    def received(self, images):
        """Images as the layers take them: a float32 tensor whose sides divide.

        Args:
            images: `(batch, height, width, channels)`, array or tensor of any library.

        Raises:
            ValueError: if they are no images of so many channels, or their sides do not
                divide by `total_stride` and are not padded.
        """
        return self._padded(self._checked(images))

    def _checked(self, images):
        if isinstance(images, dict):
            raise ValueError(
                "expected images, an array or a tensor, received a dict with "
                f"{', '.join(map(repr, images))}: hand over the images in it alone, "
                "as vqzoo.to_images(row['image'])"
            )
        if not ops.is_tensor(images) and not isinstance(images, keras.KerasTensor):
            images = ops.convert_to_tensor(to_numpy(images))
        if len(images.shape) == 3 and self.image_shape[2] == 1:
            images = images[..., None]
        self._check_shape(images)
        self._warn_of_range(images)
        return ops.cast(images, "float32")

    def _check_shape(self, images):
        shape, channels = tuple(images.shape), self.image_shape[2]
        if len(shape) != 4 or shape[3] not in (None, channels):
            raise ValueError(
                f"expected images of shape (batch, height, width, {channels}), "
                f"received shape={shape}"
            )
        if not self.pad and any((side or 0) % self.total_stride for side in shape[1:3]):
            raise ValueError(
                "expected images whose sides divide by "
                f"{self.total_stride}, received shape={shape}"
            )

    def _check_call(self, images):
        """Raises ValueError unless sides that the model names are those of images."""
        pairs = zip(images.shape[1:3], self.image_shape)
        if any(side and named and side != named for side, named in pairs):
            raise ValueError(
                f"expected images of image_shape={self.image_shape}, received "
                f"shape={tuple(images.shape)}; a fully convolutional model of "
                "image_shape=(None, None, channels) takes other sizes"
            )

    def _padded(self, images):
        """Images with their last row and column repeated until the sides divide."""
        sides = ops.shape(images)[1:3] if self.pad else ()
        for axis, side in enumerate(sides, start=1):
            more = -side % self.total_stride
            if not isinstance(more, int) or more:
                places = ops.minimum(ops.arange(side + more), side - 1)
                images = ops.take(images, places, axis=axis)
        return images

    def _cropped(self, images, sides=None):
        """Images without what was padded, if anything was."""
        height, width = sides or self.image_shape[:2]
        if self.pad and height is not None:
            images = images[:, :height, :width]
        return images

    def _warn_of_range(self, images):
        """Warns once of images that are plainly not in [-0.5, 0.5]."""
        if not self._warned_of_range and (found := wrong_range(images)):
            self._warned_of_range = True
            warnings.warn(
                f"expected images in [-0.5, 0.5], {found}: vqzoo.to_images(pixels) "
                "brings them there",
                stacklevel=4,
            )

    def _taken(self, data):
        """What `fit` and its kin are given, as they take it; its range is looked at."""
        if inspect.isgenerator(data):  # Keras wants tuples of these alone.
            return (batch if isinstance(batch, tuple) else (batch,) for batch in data)
        spec = getattr(data, "element_spec", data)  # of a tf.data.Dataset
        if isinstance(spec, dict) and "image" in spec:
            is_dataset = spec is not data
            data = data.map(_image_of) if is_dataset else _image_of(data)
            spec = spec["image"]
        first = spec[0] if isinstance(spec, tuple) else spec
        if hasattr(data, "element_spec"):  # which is not begun here
            first = np.zeros((0,), keras.tree.flatten(first)[0].dtype.as_numpy_dtype)
        if hasattr(first, "dtype"):
            self._warn_of_range(first)
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

    @takes_images
    def encode(self, images):
        """Codes of images: a tuple of int32 `(batch, h, w)`, top first."""
        latents = zip(self.quantizers, self.latents(images))
        return tuple(quantizer.encode(values) for quantizer, values in latents)

    def get_config(self):
        # Not Keras's own, which lists the layers of the graph.
        dtype = keras.dtype_policies.serialize(self.layer_dtype)
        return {"name": self.name, "dtype": dtype, **self._arguments()}
