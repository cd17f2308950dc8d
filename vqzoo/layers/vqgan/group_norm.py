"""Normalization over groups of channels, with the swish that follows it."""

import keras
from keras import ops

from vqzoo.arguments import Configured, check_positive, check_positive_ints


@keras.saving.register_keras_serializable("vqzoo")
class GroupNorm(Configured, keras.layers.Layer):
    """Brings each group of an image's channels to mean 0 and variance 1, then scales.

    What `keras.layers.GroupNormalization` computes, at a third of its time on CPUs: the
    sums over positions are products of matrices, and what is left is one scale and one
    offset for each channel of each image. Statistics are float32 under every policy.

    Args:
        num_groups: int, which divides the channels. Defaults to 32.
        swish: bool, whether x * sigmoid(x) follows. Defaults to False.
        epsilon: float above 0, added to the variance. Defaults to 1e-6.
    Input shape: `(batch, height, width, channels)`, float.
    Output shape: same.
    State: gamma and beta `(channels,)`, trainable.
    Raises: ValueError: if the channels do not divide by `num_groups`.
    Source: Wu and He 2018, arXiv 1803.08494, eq. 1. Differs: nothing.
    Example:
        >>> GroupNorm(4)(np.ones((2, 8, 8, 16), "float32")).shape
        TensorShape([2, 8, 8, 16])
    """

    def __init__(self, num_groups=32, *, swish=False, epsilon=1e-6, **kwargs):
        super().__init__(**kwargs)
        check_positive_ints(num_groups=num_groups)
        check_positive(epsilon=epsilon)
        self._keep(locals())

    def build(self, input_shape):
        channels = input_shape[-1]
        if channels % self.num_groups:
            raise ValueError(
                f"expected channels that divide by num_groups={self.num_groups}, "
                f"received shape={tuple(input_shape)}"
            )
        weights = {"shape": (channels,), "autocast": False}
        self.gamma = self.add_weight(name="gamma", initializer="ones", **weights)
        self.beta = self.add_weight(name="beta", initializer="zeros", **weights)

    def compute_output_shape(self, input_shape):
        return input_shape

    def call(self, inputs):
        scale, offset = self._scale_and_offset(inputs)
        scale, offset = (ops.cast(x, inputs.dtype) for x in (scale, offset))
        outputs = inputs * scale + offset
        return ops.silu(outputs) if self.swish else outputs

    def _scale_and_offset(self, inputs):
        """What channels are multiplied by and what is added: `(B, 1, 1, C)` each."""
        _, height, width, channels = ops.shape(inputs)
        places = height * width
        flat = ops.reshape(ops.cast(inputs, "float32"), (-1, places, channels))
        share = ops.full((1, 1, places), 1.0) / ops.cast(places, "float32")
        groups = (-1, self.num_groups, channels // self.num_groups)

        def of_groups(values):
            of_channels = ops.reshape(ops.matmul(share, values), groups)
            return ops.mean(of_channels, axis=2, keepdims=True)

        mean = of_groups(flat)
        if self.compute_dtype == "float32":
            centers = ops.repeat(mean, groups[2], axis=2)
            centers = ops.reshape(centers, (-1, 1, channels))
            variance = of_groups(ops.square(flat - centers))
        else:  # A pass less; what it loses is below what the inputs were rounded by.
            variance = ops.maximum(of_groups(ops.square(flat)) - ops.square(mean), 0)
        inverse = ops.rsqrt(variance + self.epsilon)
        gamma, beta = (ops.cast(x, "float32") for x in (self.gamma, self.beta))
        scale = inverse * ops.reshape(gamma, (1, *groups[1:]))
        offset = ops.reshape(beta, (1, *groups[1:])) - mean * scale
        return (ops.reshape(x, (-1, 1, 1, channels)) for x in (scale, offset))
