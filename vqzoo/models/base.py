"""What is asked of every model from images to images."""

import warnings

import keras
from keras import ops

from vqzoo.images import wrong_range
from vqzoo.models.coding import CodingModel, takes_items
from vqzoo.quantizers.hybrid_latents import packed, unpacked


class ImageModel(CodingModel):
    """A model that turns images into codes or latents, and those into images.

    Abstract: as `CodingModel`, with `image_shape` among its arguments. It ends with
    `_finish_images` and reconstructs images whose sides divide by `total_stride`.
    """

    item = "image"
    # Whether images whose sides do not divide are padded, and cropped at the end.
    pad = False
    # Of the blocks of its convolutional halves, where no argument says otherwise.
    residual_kernel_size, activation = 3, "relu"
    num_decoder_blocks = None  # As many as in the encoders.
    normalization, attention = None, False
    _warned_of_range = False
    _out_of_a_row = ", as vqzoo.to_images(row['image'])"

    @property
    def item_shape(self):
        return self.image_shape

    @property
    def total_stride(self):
        """What the sides of images divide by: pixels of a side per coarsest latent."""
        return self.stride

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
        spec = super().compute_output_spec(images, training)
        self._check_call(images)
        return spec

    def received(self, images):
        """Images as the layers take them: a float32 tensor whose sides divide.

        Args:
            images: `(batch, height, width, channels)`, array or tensor of any library.

        Raises:
            ValueError: if they are no images of so many channels, or their sides do not
                divide by `total_stride` and are not padded.
        """
        return self._padded(self._checked(images))

    def _shaped(self, images):
        if len(images.shape) == 3 and self.image_shape[2] == 1:
            images = images[..., None]
        return images

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

    def _look_at(self, images):
        """Warns once of images that are plainly not in [-0.5, 0.5]."""
        if not self._warned_of_range and (found := wrong_range(images)):
            self._warned_of_range = True
            warnings.warn(
                f"expected images in [-0.5, 0.5], {found}: vqzoo.to_images(pixels) "
                "brings them there",
                stacklevel=4,
            )

    def from_quantized(self, quantized, sides=None):
        """Images of what the decoder receives of each tier, top first: float32.

        Args:
            quantized: sequence of float `(batch, h, w, D)`, whatever they are made of.
            sides: as in `VQVAE2.decode`.
        """
        raise NotImplementedError

    @takes_items
    def encode_hybrid(self, images):
        """Codes and the real numbers beside them, of a model with hybrid latents.

        Args:
            images: `(batch, height, width, channels)`.

        Returns:
            `(codes, values)`, tuples of int32 `(batch, h, w)` and float32
            `(batch, h, w, V)`, top first.
        """
        pairs = list(zip(self.quantizers, self.latents(images)))
        codes = tuple(layer.encode(latents) for layer, latents in pairs)
        return codes, tuple(layer.values(latents) for layer, latents in pairs)

    def codes_and_values(self, images):
        """Codes of all tiers, and after them the numbers beside those."""
        codes, values = self.encode_hybrid(images)
        return (*codes, *values)

    def decode_hybrid(self, codes, values, sides=None):
        """Images of what `encode_hybrid` gives: float32."""
        return self.from_quantized(
            [q.assemble(*pair) for q, *pair in zip(self.quantizers, codes, values)],
            sides,
        )

    def grids(self, images):
        """What priors are over: codes or, with numbers beside them, both in one array.

        Returns:
            Tuple, top first, of int32 `(batch, h, w)` or of float32
            `(batch, h, w, 1 + V)`, the code and its numbers.
        """
        if not self.is_hybrid:
            return self.encode(images)
        return tuple(map(packed, *self.encode_hybrid(images)))

    def from_grids(self, grids, sides=None):
        """Images of what `grids` gives: float32; `sides` as in `VQVAE2.decode`."""
        if not self.is_hybrid:
            return self.decode(grids, sides)
        return self.decode_hybrid(*zip(*map(unpacked, grids)), sides)
