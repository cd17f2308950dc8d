"""A model in training with several losses: what is fitted, not what is delivered."""

import keras
from keras import ops

from vqzoo.losses import adversarial
from vqzoo.losses.gradients import value_and_gradient


class ComposedModel(keras.Model):
    """Fits an autoencoder with a weighted sum of terms, and perhaps with an adversary.

    Terms are derived once, with respect to the reconstructions; that gradient goes on
    into the autoencoder.

    Args:
        model: autoencoder.
        terms: dict from a name to `(weight, function)`, where the function takes images
            and outputs, float32 `(batch, height, width, channels)`, and gives float32
            `(batch,)`.
        adversary: `adversarial.Adversary`, or None.
    Input shape: `(batch, height, width, channels)`, float in [-0.5, 0.5].
    Output shape: same.
    """

    def __init__(self, model, terms, adversary=None):
        super().__init__(name=f"{model.name}_in_training", autocast=False)
        self.autoencoder = model
        self.adversary = adversary
        # In a function, since Keras would take up the weights of the terms' networks.
        self._terms = lambda: terms
        names = [*terms, *(adversarial.LOGS if adversary else ())]
        self.trackers = {name: keras.metrics.Mean(name=name) for name in names}
        self.built = True

    def compile(self, optimizer, **options):
        """As of any model; the gradients of each network are clipped by their norm."""
        optimizer = keras.optimizers.get(optimizer)
        if self.adversary is not None and optimizer.global_clipnorm:
            _clip_apart(optimizer, len(self.adversary.trainable_variables))
        super().compile(optimizer, **options)

    @property
    def tier_names(self):
        """As of the autoencoder."""
        return self.autoencoder.tier_names

    @property
    def quantizers(self):
        """As of the autoencoder."""
        return self.autoencoder.quantizers

    @property
    def terms(self):
        """What it was made with."""
        return self._terms()

    def training_loss(self):
        """None: `compute_loss` has all of it."""

    def call(self, images, training=False):
        return self.autoencoder(images, training=training)

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ):
        """The sum of all terms and of the losses of the layers.

        The discriminator's loss is derived too, but not counted.
        """
        images, outputs = (ops.cast(each, "float32") for each in (x, y_pred))
        loss, gradient, logs = self._of_images(images, outputs)
        if training and self.adversary is not None:
            fixed = ops.stop_gradient(outputs)
            opposing, pull, of_game = self.adversary.play(images, fixed, gradient)
            loss = loss + _derived_as(0.0, opposing)
            loss = loss + _derived_as(0.0, ops.sum(pull * outputs))
            logs |= of_game
        for name, value in logs.items():
            self.trackers[name].update_state(value)
        return loss + sum(self.losses)

    def _of_images(self, images, outputs):
        """Loss, gradient with respect to the outputs, and values of the terms."""

        def total(outputs):
            values = {
                name: ops.mean(function(images, outputs))
                for name, (_, function) in self.terms.items()
            }
            weighted = [self.terms[name][0] * values[name] for name in values]
            return sum(weighted), values

        # Where the model's own loss has weights, its value is still derived by these.
        loss, values, gradient = value_and_gradient(total, ops.stop_gradient(outputs))
        gradient = ops.stop_gradient(gradient)
        return loss + _derived_as(0.0, ops.sum(gradient * outputs)), gradient, values


def _clip_apart(optimizer, count):
    """Makes an optimizer clip the last `count` gradients apart from the others.

    By the norm of all together, large ones of a discriminator, which come last, would
    make those of the autoencoder small, and the other way round.
    """
    clip = optimizer._clip_gradients
    optimizer._clip_gradients = lambda gradients: [
        *clip(gradients[:-count]),
        *clip(gradients[-count:]),
    ]


def _derived_as(value, other):
    """A value with the gradient of another."""
    return value + (other - ops.stop_gradient(other))
