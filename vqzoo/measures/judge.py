"""A classifier that is trained here: a judge of images, without any download."""

import keras
import numpy as np

from vqzoo import registry
from vqzoo.losses import load_classifier
from vqzoo.measures.data import check_labels
from vqzoo.measures.inference import compiled, in_batches

ORDER = 7
TITLE = "The judge"
TEXT = (
    "The judge is a small residual network that this evaluation trains on the "
    "real training images for a fixed number of steps, without a download, or "
    "one that --judge names. Its "
    "predictions show whether changed images keep their class, and its features "
    "compare sets of images (FD-resnet). Its accuracy shows how far to trust "
    "it."
)
FILTERS = (64, 128)
BLOCKS = (2, 2)
LEARNING_RATE = 2e-3
NAME = "resnet"  # of the features, as in FD-resnet


class Classifier:
    """A small residual network that has learned the classes of images.

    Args:
        network: keras.Model from images to logits and features, as `resnet` gives; for
            opinions alone, from images to logits.
    """

    def __init__(self, network):
        self.network = network
        self._forward = compiled(
            lambda images: tuple(keras.tree.flatten(network(images, training=False)))
        )

    def _outputs(self, images):
        return in_batches(self._forward, images, batch_size=250)

    def classify(self, images):
        """The label of each image: int `(N,)`; -1 where no class is the likeliest."""
        logits = self._outputs(images)[0]
        best = np.max(logits, axis=-1, keepdims=True)  # of NaN, which equals nothing
        alone = np.sum(logits == best, axis=-1) == 1
        return np.where(alone, np.argmax(logits, axis=-1), -1)

    def confidence(self, images, labels=None):
        """Probability of the likeliest class of each image, or of labels: `(N,)`.

        0 where an output is NaN.
        """
        logits = self._outputs(images)[0].astype("float64")
        logits = logits - logits.max(axis=-1, keepdims=True)
        p = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
        if labels is None:
            chosen = p.max(axis=-1)
        else:
            chosen = np.take_along_axis(p, np.asarray(labels)[:, None], axis=1)[:, 0]
        return np.nan_to_num(chosen, nan=0.0)

    def features(self, images):
        """What the last layer sees of each image: float32 `(N, D)`."""
        return self._outputs(images)[1]

    def accuracy(self, images, labels, top=1):
        """Share of the images whose label is among the `top` likeliest.

        A class that is as likely as the label counts as likelier, and an image with an
        output that is NaN as named wrongly.
        """
        logits, labels = self._outputs(images)[0], np.asarray(labels)
        label_logits = np.take_along_axis(logits, labels[:, None], axis=1)
        rank = np.sum(logits >= label_logits, axis=1)
        named = ~np.isnan(logits).any(axis=1)
        return float(np.mean(named & (rank <= top)))


def load(path, image_shape, class_names):
    """A `Classifier` from a file, such as the judge.keras of an evaluation.

    Args:
        path: a `.keras` file, from images to logits and features.
        image_shape: `(height, width, channels)` of the images that it is to see.
        class_names: sequence of str, the classes of the data.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it takes other images, or gives something else.
    """
    network = load_classifier(path, image_shape)
    shapes = [tuple(output.shape) for output in network.outputs]
    if len(shapes) != 2 or shapes[0][-1] != len(class_names):
        raise ValueError(
            f"expected --judge from images to logits of {len(class_names)} classes and "
            f"features, received {path} with outputs {shapes}"
        )
    return Classifier(network)


def resnet(image_shape, num_classes, filters=FILTERS, blocks=BLOCKS):
    """keras-cv's residual network, version 2, built from its arguments.

    Args:
        image_shape: `(height, width, channels)`.
        num_classes: int.
        filters: channels of each stack, 64 of the first; the others halve the grid.
        blocks: residual blocks of each stack, 2 or more.

    Returns:
        keras.Model from images to `(logits, features)`.

    Source: He et al. 2016, arXiv 1603.05027.
    """
    from keras_cv.models import ResNetV2Backbone

    images = keras.Input(image_shape, name="images")
    backbone = ResNetV2Backbone(
        stackwise_filters=filters,
        stackwise_blocks=blocks,
        stackwise_strides=(1,) + (2,) * (len(filters) - 1),
        include_rescaling=False,
        input_shape=image_shape,
        block_type="basic_block",
        name="backbone",
    )
    for layer in backbone.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.9  # 0.99 lags behind a training of a few hundred steps
    features = keras.layers.GlobalAveragePooling2D(name="features")(backbone(images))
    logits = keras.layers.Dense(num_classes, dtype="float32", name="logits")(features)
    return keras.Model(images, [logits, features], name=NAME)


def fit_classifier(
    images,
    labels,
    num_classes,
    *,
    steps,
    batch_size=64,
    seed=0,
    progress=None,
    filters=FILTERS,
    blocks=BLOCKS,
):
    """Trains `resnet` with Adam, a cosine schedule and random mirroring.

    Args:
        images: float `(N, H, W, C)` in [-0.5, 0.5].
        labels: int `(N,)` in [0, num_classes).
        num_classes: int.
        steps: int, of the training.
        batch_size: int.
        seed: int, of the weights and the batches.
        progress: function of the number of steps done, called after each, or None.
        filters: of `resnet`.
        blocks: of `resnet`.

    Returns:
        `Classifier`.

    Raises:
        ValueError: if all labels are one class, or there are none.
    """
    labels = np.asarray(labels)
    check_labels(labels, 1)
    keras.utils.set_random_seed(seed)
    network = resnet(images.shape[1:], num_classes, filters, blocks)
    learner = keras.Model(network.input, network.output[0])
    rate = keras.optimizers.schedules.CosineDecay(LEARNING_RATE, steps)
    learner.compile(
        keras.optimizers.Adam(rate),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    for step, rows in enumerate(_batches(len(images), batch_size, steps, seed)):
        mirror = np.random.default_rng((seed, step)).random(batch_size) < 0.5
        batch = images[rows]
        batch = np.where(mirror[:, None, None, None], batch[:, :, ::-1], batch)
        learner.train_on_batch(batch, labels[rows])
        if progress is not None:
            progress(step + 1)
    return Classifier(network)


def _batches(count, batch_size, steps, seed):
    """Rows of each step: every epoch another order, all batches full."""
    generator = np.random.default_rng(seed)
    order = np.empty(0, int)
    for _ in range(steps):
        while len(order) < batch_size:
            order = np.append(order, generator.permutation(count))
        yield order[:batch_size]
        order = order[batch_size:]


@registry.named("judge")
def measure(subject, section):
    """Trains the judge and says how good it is."""
    judge, labels = subject.judge, subject.labels
    shares = {"top1": ("the judge", judge.accuracy(subject.images, labels))}
    if len(subject.data.class_names) > 5:
        top5 = judge.accuracy(subject.images, labels, top=5)
        shares["top5"] = "among its five likeliest", top5
    counts = np.bincount(labels)
    most = float(counts.max() / counts.sum())
    shares["majority"] = "most frequent class", most
    section.add({name: share for name, (_, share) in shares.items()})
    section.table(
        f"Accuracy on {len(labels):,} real test images",
        ("what", "share"),
        shares.values(),
        f"{subject.sizes.judge_steps:,} steps of 64 images of "
        f"{len(subject.data.train_images):,}; {FILTERS} channels."
        if subject.options.get("judge", True) is True
        else "It was given, and not trained here.",
    )
