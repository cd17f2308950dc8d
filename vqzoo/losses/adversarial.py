"""The game of an autoencoder with a discriminator, in one step of one optimizer."""

import keras
from keras import ops

from vqzoo.arguments import check_not_negative, check_one_of
from vqzoo.losses.gradients import value_and_gradient

OBJECTIVES = ("hinge", "non_saturating")
LOGS = (
    "discriminator",
    "adversarial",
    "adversarial_scale",
    "score_of_images",
    "score_of_outputs",
)
DECAY = 0.99  # of the mean scores that LeCAM holds the others to


class Adversary(keras.layers.Layer):
    """A discriminator, its losses, and how it pulls on reconstructions.

    It learns from the first step on. Its gradient with respect to the reconstructions
    is held back until step `start`; by then it knows what to ask for. The gradient is
    scaled to `weight` times that of the other losses, per batch, as long as the scale
    stays below `limit`.

    Args:
        discriminator: keras.Model from images to scores.
        weight: float, of the gradient.
        objective: `"hinge"` or `"non_saturating"`.
        start: int, step.
        limit: float, most that the gradient is multiplied by; 0: it is multiplied by
            `weight` alone.
        r1_penalty: float, weight of the squared gradient of the scores of images.
        lecam: float, weight of the squared distance of scores from mean scores of the
            other kind.
    State: step `()`, mean_scores `(2,)`, of images and of reconstructions.
    Source: Esser et al. 2021, arXiv 2012.09841, equations 5 to 7; Mescheder et al.
        2018, arXiv 1801.04406, equation 9; Tseng et al. 2021, arXiv 2104.03310,
        equation 3. Differs: gradients are compared at the reconstructions, as in
        Defossez et al. 2022, arXiv 2210.13438, section 3.4, not at the last layer's
        weights; both networks move in one step, as in LlamaGen.
    """

    def __init__(
        self,
        discriminator,
        weight,
        *,
        objective="hinge",
        start=0,
        limit=1e4,
        r1_penalty=0.0,
        lecam=0.0,
    ):
        super().__init__(name="adversary", dtype="float32", autocast=False)
        check_one_of(OBJECTIVES, objective=objective)
        check_not_negative(
            weight=weight, start=start, limit=limit, r1_penalty=r1_penalty, lecam=lecam
        )
        self.discriminator = discriminator
        self.weight = weight
        self.objective = objective
        self.start = start
        self.limit = limit
        self.r1_penalty = r1_penalty
        self.lecam = lecam
        self.step = self.add_weight(
            name="step",
            shape=(),
            dtype="int32",
            initializer="zeros",
            trainable=False,
            aggregation="only_first_replica",
        )
        self.mean_scores = self.add_weight(
            name="mean_scores",
            shape=(2,),
            initializer="zeros",
            trainable=False,
            aggregation="mean",
        )
        self.built = True

    def play(self, images, outputs, gradient):
        """One step.

        Args:
            images: float32 `(batch, height, width, channels)`.
            outputs: what became of them, same shape; nothing is derived from them.
            gradient: that of the other losses with respect to `outputs`.

        Returns:
            `(loss, pull, logs)`: the discriminator's loss; what is added to `gradient`;
            and a dict of scalars.
        """

        def fooling(outputs):
            scores = self._scores(outputs)
            return self._toward(scores, real=True, of_generator=True), scores

        adversarial, of_outputs, pull = value_and_gradient(fooling, outputs)
        penalty = 0.0
        if self.r1_penalty:
            penalty, of_images = self._gradient_penalty(images)
        else:
            of_images = self._scores(images)
        loss = 0.5 * (
            self._toward(of_images, real=True) + self._toward(of_outputs, real=False)
        )
        loss = loss + self.r1_penalty * penalty
        if self.lecam:
            loss = loss + self.lecam * self._lecam(of_images, of_outputs)
        scale = self._scale(gradient, pull)
        opened = ops.cast(ops.greater_equal(self.step, self.start), "float32")
        self.step.assign_add(1)
        means = ops.mean(of_images), ops.mean(of_outputs)
        logs = dict(zip(LOGS, (loss, adversarial, scale * opened, *means)))
        return loss, ops.stop_gradient(opened * scale * pull), logs

    def _scores(self, images):
        # Normalization uses the batch's own statistics; running ones are never used.
        network = self.discriminator
        scores, _ = network.stateless_call(
            [v.value for v in network.trainable_variables],
            [v.value for v in network.non_trainable_variables],
            images,
            training=True,
        )
        return ops.cast(scores, "float32")

    def _toward(self, scores, real, of_generator=False):
        """The loss of scores that are to say "real", or not."""
        scores = scores if real else -scores
        if self.objective == "non_saturating":
            return ops.mean(ops.softplus(-scores))
        return ops.mean(-scores if of_generator else ops.relu(1 - scores))

    def _gradient_penalty(self, images):
        def total(images):
            scores = self._scores(images)
            axes = tuple(range(1, len(scores.shape)))
            return ops.sum(ops.mean(scores, axis=axes)), scores

        _, scores, gradient = value_and_gradient(total, images, differentiable=True)
        return 0.5 * ops.mean(ops.sum(ops.square(gradient), axis=(1, 2, 3))), scores

    def _lecam(self, of_images, of_outputs):
        # A copy: PyTorch moves the weight under it.
        before_images, before_outputs = ops.unstack(ops.copy(self.mean_scores.value))
        means = ops.stack([ops.mean(of_images), ops.mean(of_outputs)])
        moved = DECAY * self.mean_scores + (1 - DECAY) * ops.stop_gradient(means)
        self.mean_scores.assign(moved)
        return ops.mean(ops.square(of_images - before_outputs)) + ops.mean(
            ops.square(of_outputs - before_images)
        )

    def _scale(self, gradient, pull):
        """What the pull is multiplied by."""
        if not self.limit:
            return ops.convert_to_tensor(self.weight, "float32")
        lengths = [ops.sqrt(ops.sum(ops.square(each))) for each in (gradient, pull)]
        ratio = lengths[0] / ops.maximum(lengths[1], 1e-12)
        return self.weight * ops.minimum(ratio, self.limit)
