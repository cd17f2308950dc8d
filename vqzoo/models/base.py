"""What is asked of every model from images to images."""

import keras
from keras import ops

from vqzoo.arguments import Configured


class ImageModel(Configured, keras.Model):
    """A model that turns images into codes or latents, and those into images.

    Abstract. A subclass keeps the arguments of its constructor (`_keep`), among them
    `image_shape`, `dtype` (as `layer_dtype`) and `name`. It has `decode`, and `encode`
    or, with quantizers, `latents`.
    """

    # Of a model with codes: names of the tiers and their quantizer layers, top first.
    tier_names = ()
    quantizers = ()
    # Whether it draws images by itself: `sample(num_images, temperature, seed)`.
    can_sample = False
    # Whether it bounds the likelihood of images: `elbo(images, seed, num_samples)`.
    has_bound = False

    @property
    def decoded_tiers(self):
        """Names of the tiers that `decode` looks at where it is given all of them."""
        return tuple(self.tier_names)

    def reconstruction_loss(self, images, outputs):
        """What a reconstruction lacks: float32 `(batch,)`; here the mean square."""
        error = ops.cast(images, "float32") - ops.cast(outputs, "float32")
        return ops.mean(ops.square(error), axis=(1, 2, 3))

    def training_loss(self):
        """The loss that it is compiled with; the rest comes by `add_loss`."""
        return "mse"

    def _keep(self, values):
        super()._keep(values)
        self.layer_dtype = keras.dtype_policies.get(values["dtype"])

    def encode(self, images):
        """Codes of images: a tuple of int32 `(batch, h, w)`, top first."""
        latents = zip(self.quantizers, self.latents(images))
        return tuple(quantizer.encode(values) for quantizer, values in latents)

    def get_config(self):
        # Not Keras's own, which lists the layers of the graph.
        dtype = keras.dtype_policies.serialize(self.layer_dtype)
        return {"name": self.name, "dtype": dtype, **self._arguments()}
