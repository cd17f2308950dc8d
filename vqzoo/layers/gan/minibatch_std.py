"""A channel that tells a critic how much the images of a batch differ."""

import keras
from keras import ops

from vqzoo.arguments import Configured, check_at_least


@keras.saving.register_keras_serializable("vqzoo")
class MinibatchStd(Configured, keras.layers.Layer):
    """Adds a channel with the standard deviation over groups of the batch.

    The deviation of each feature over the group's members, its mean over all features
    and positions: one number for a group, which all positions of its members get.

    Args:
        group_size: int, members of a group. A batch that it does not divide is one
            group.
    Input shape: `(batch, height, width, channels)`, float.
    Output shape: `(batch, height, width, channels + 1)`.
    Raises: ValueError: if `group_size` is not positive.
    Source: Karras et al. 2018, arXiv 1710.10196, section 3; groups of 4 as in its code.
        Differs: nothing; the variance is that of a population.
    Example:
        >>> MinibatchStd()(np.ones((8, 4, 4, 16), "float32")).shape
        TensorShape([8, 4, 4, 17])
    """

    def __init__(self, group_size=4, **kwargs):
        super().__init__(**kwargs)
        check_at_least(1, group_size=group_size)
        self._keep(locals())

    def call(self, inputs):
        batch, height, width, channels = ops.shape(inputs)
        size = self._members(batch)
        shape = (size, batch // size, height, width, channels)
        grouped = ops.reshape(ops.cast(inputs, "float32"), shape)
        deviation = ops.sqrt(ops.var(grouped, axis=0) + 1e-8)
        deviation = ops.mean(deviation, axis=(1, 2, 3))
        deviation = ops.reshape(ops.tile(deviation, (size,)), (batch, 1, 1, 1))
        channel = ops.broadcast_to(deviation, (batch, height, width, 1))
        return ops.concatenate([inputs, ops.cast(channel, inputs.dtype)], axis=-1)

    def _members(self, batch):
        """Members of a group of a batch whose size may be known only later."""
        if isinstance(batch, int):
            return batch if batch % self.group_size else self.group_size
        return ops.where(batch % self.group_size == 0, self.group_size, batch)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], input_shape[-1] + 1)
