"""What is asked of every model from images to images."""

import keras
from keras import ops


class ImageModel(keras.Model):
    """A model that turns images into codes or latents, and those into images.

    Abstract. A subclass has `image_shape`, `layer_dtype`, `encode`, `decode` and, with
    quantizers, `latents`; it keeps each argument of its constructor under its name.
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

    def get_config(self):
        """What every model's constructor takes; a subclass adds the rest."""
        return {
            "name": self.name,
            "image_shape": self.image_shape,
            "dtype": keras.dtype_policies.serialize(self.layer_dtype),
        }

    @classmethod
    def from_config(cls, config):
        # Quantizers and other layers within it are made of theirs.
        return cls(**keras.saving.deserialize_keras_object(config))
