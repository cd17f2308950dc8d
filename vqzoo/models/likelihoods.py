"""Likelihoods of images under a decoder, and the losses that they give."""

import math

import keras
from keras import ops

from vqzoo.arguments import check_one_of
from vqzoo.layers.variational import gaussian
from vqzoo.models.base import ImageModel

LIKELIHOODS = ("gaussian", "bernoulli")
DEFAULT_SCALE = 0.1
EVALUATION_SEED = 0  # of the latents that a loss is evaluated with
# Probabilities stay 6e-6 away from 0 and 1: float32 still tells them apart, so that the
# likelihood of an image can be had from the mean image alone.
_MAX_LOGIT = 12.0


def check(likelihood, scale):
    """Raises ValueError for an unknown likelihood or a scale that is not positive."""
    check_one_of(LIKELIHOODS, likelihood=likelihood)
    if scale is not None and not scale > 0:
        raise ValueError(
            f"expected a scale above 0, or None for a learned one, received "
            f"scale={scale}"
        )


def add_log_scale(model):
    """The log of the scale of a Gaussian likelihood: a number, or a weight of `model`.

    Args:
        model: a model with the attributes `likelihood` and `scale`.

    Returns:
        Float; where `scale` is None, a weight that starts at log 0.1.
    """
    if model.scale is not None or model.likelihood == "bernoulli":
        return math.log(model.scale or 1.0)
    start = keras.initializers.Constant(math.log(DEFAULT_SCALE))
    return model.add_weight(
        name="log_scale", shape=(), initializer=start, dtype="float32", autocast=False
    )


def mean_image(likelihood, outputs):
    """Mean image, float32 around [-0.5, 0.5], of a decoder's float32 outputs.

    For `"gaussian"` they are the means; for `"bernoulli"` logits, which are brought
    into (-12, 12).
    """
    if likelihood == "gaussian":
        return outputs
    return 0.5 * ops.tanh(0.5 * gaussian.soft_clamp(outputs, _MAX_LOGIT))


def negative_log_likelihood(likelihood, images, means, log_scale):
    """Negative log likelihood of images, in nats per image.

    `"gaussian"` is the density of Normal(means, exp(log_scale)), with its constant;
    `"bernoulli"` takes image + 0.5 as the share of ones at each value.

    Args:
        likelihood: `"gaussian"` or `"bernoulli"`.
        images: float `(batch, height, width, channels)` in [-0.5, 0.5].
        means: float32, same shape, as from `mean_image`.
        log_scale: float or float32 scalar; not used by `"bernoulli"`.

    Returns:
        Float32 `(batch,)`.
    """
    images, means = ops.cast(images, "float32"), ops.cast(means, "float32")
    if likelihood == "gaussian":
        log_scale = ops.cast(log_scale, "float32")
        error = (images - means) * ops.exp(-log_scale)
        constant = log_scale + 0.5 * math.log(2 * math.pi)
        return gaussian.per_image(0.5 * ops.square(error) + constant)
    on = ops.log(ops.maximum(0.5 + means, 1e-6))
    off = ops.log(ops.maximum(0.5 - means, 1e-6))
    return -gaussian.per_image((0.5 + images) * on + (0.5 - images) * off)


class LikelihoodModel(ImageModel):
    """A model whose decoder gives a likelihood of images.

    Abstract. A subclass has `likelihood`, `scale` and `log_scale` (`add_log_scale`),
    `elbo` and `sample`, and `_drawn`.
    """

    can_sample = True
    has_bound = True

    def reconstruction_loss(self, images, outputs):
        """Negative log likelihood of images given the outputs: nats, `(batch,)`."""
        return negative_log_likelihood(self.likelihood, images, outputs, self.log_scale)

    def training_loss(self):
        return self.reconstruction_loss

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ):
        """The loss; at evaluation it is that of drawn latents, as during training.

        `evaluate` and `val_loss` would otherwise be the loss of the posterior means,
        which bounds no likelihood. Every batch draws with the same seed, so that a loss
        compares between epochs and equals `-elbo(images, seed=EVALUATION_SEED)`.
        """
        if training:
            return super().compute_loss(x, y, y_pred, sample_weight, training)
        outputs, divergence = self._drawn(x, EVALUATION_SEED)
        loss = super().compute_loss(x, y, outputs, sample_weight, training)
        # The losses of the layers are those of the means.
        return loss - sum(self.losses) + divergence

    def _drawn(self, images, seed):
        """Mean images of drawn latents and the weighted divergence, a scalar."""
        raise NotImplementedError

    def compile_from_config(self, config):
        """Compiles a loaded model as it was compiled before it was saved."""
        loss = config.get("loss")
        if not isinstance(loss, dict) or loss.get("config") != "reconstruction_loss":
            super().compile_from_config(config)
            return
        # Keras saves a method as a loss by its name, and cannot find it by that.
        config = keras.saving.deserialize_keras_object({**config, "loss": None})
        self.compile(**{**config, "loss": self.reconstruction_loss})
        self.optimizer.build(self.trainable_variables)
