"""Distances of images in the features and the predictions of a classifier."""

import keras
from keras import ops

from vqzoo import registry

_EPSILON = 1e-10  # of a squared length


@registry.named("perceptual")
def perceptual(sources):
    """`make_perceptual` of the classifier."""
    return make_perceptual(sources.classifier)


@registry.named("classifier")
def agreement(sources):
    """How far predictions for outputs are from those for images: nats, `(batch,)`.

    The KL divergence of a classifier's predictions; 0 where they agree.
    """
    network = sources.classifier

    def divergence(images, outputs):
        of_images, of_outputs = (
            ops.log_softmax(ops.cast(logits_of(network, x), "float32"))
            for x in (images, outputs)
        )
        return ops.sum(ops.exp(of_images) * (of_images - of_outputs), axis=-1)

    return divergence


def logits_of(network, images):
    """Logits of a classifier, which may give features beside them: `(batch, K)`."""
    outputs = network(images, training=False)
    return outputs[0] if isinstance(outputs, list | tuple) else outputs


def make_perceptual(network):
    """A distance in the features of a network, without weights that were fitted.

    Features of each resolution have length 1 at each position; the distance is the mean
    over the positions of their squared difference, summed over the resolutions.

    Args:
        network: keras.Model of convolutions, such as that of `measures.judge`.

    Returns:
        Function of images and outputs, float32 `(batch, height, width, channels)` in
        [-0.5, 0.5], to float32 `(batch,)`.

    Raises:
        ValueError: if the network has no features of two resolutions or more.

    Source: Zhang et al. 2018, arXiv 1801.03924, section 3. Differs: the network, and
        all weights of features are 1.
    """
    features = keras.Model(*_pyramid(network))

    def distance(images, outputs):
        pairs = zip(features(images), features(outputs))
        return sum(
            ops.mean(
                ops.sum(ops.square(normalized(a) - normalized(b)), axis=-1), axis=(1, 2)
            )
            for a, b in pairs
        )

    return distance


def normalized(features):
    """Features of length 1 at each position: float32."""
    features = ops.cast(features, "float32")
    square = ops.sum(ops.square(features), axis=-1, keepdims=True)
    return features * ops.rsqrt(square + _EPSILON)


def _pyramid(network):
    """The input of a network and its last features of each resolution, fine to coarse.

    A model within it that holds the convolutions is looked into.
    """
    inner = [part for part in network.layers if isinstance(part, keras.Model)]
    if inner:
        return _pyramid(inner[0])
    last = {}
    for part in network.layers:
        output = keras.tree.flatten(part.output)[-1]
        is_input = isinstance(part, keras.layers.InputLayer)
        if len(output.shape) == 4 and min(output.shape[1:3]) > 1 and not is_input:
            last[output.shape[1]] = output
    last.pop(network.input_shape[1], None)  # Padding and scaling are no features.
    if len(last) < 2:
        raise ValueError(
            "expected a network with features of two resolutions or more, received "
            f"{network.name} with {len(last)}"
        )
    return network.input, list(last.values())
