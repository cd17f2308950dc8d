"""Convolutions over time, of whole sequences or of chunks one after the other."""

import keras
from keras import ops

from vqzoo.models.convolutional import num_halvings


def encoder(model):
    """Features at 1 / `stride` of the rate: a `TimeNetwork`.

    Args:
        model: with what `convolutional.encoder` reads, `causal` and `stride`.
    """
    halvings = num_halvings(model.stride)
    kernel_size, channels = model.encoder_kernel_size, model.num_channels
    before = [
        (channels if i else channels // 2, kernel_size, {"stride": 2, **_RELU})
        for i in range(halvings)
    ]
    return TimeNetwork(model, before, [], name="encoder")


def decoder(model, out_channels):
    """Maps quantized latents to an output at `stride` times their rate."""
    halvings, channels = num_halvings(model.stride), model.num_channels
    after = [
        (
            channels // 2 if i == halvings - 2 else channels,
            3,
            {"upsampling": 2, **_RELU},
        )
        for i in range(halvings - 1)
    ]
    after.append((out_channels, 3, {"upsampling": 2}))
    return TimeNetwork(model, [], after, name="decoder")


_RELU = {"activation": "relu"}


class TimeNetwork(keras.layers.Layer):
    """Convolutions with residual blocks, whose dilations are 1, 3, 9, ..., among them.

    Args:
        model: as in `encoder`.
        before: what stands before the blocks: a list of filters, kernel size and
            options of `TimeConvolution`.
        after: the same, behind the blocks.
    """

    def __init__(self, model, before, after, **kwargs):
        super().__init__(dtype=model.layer_dtype, **kwargs)
        self.supports_masking = True

        def make(name, filters, kernel_size, options):
            return TimeConvolution(
                filters,
                kernel_size,
                causal=model.causal,
                dtype=self.dtype_policy,
                name=name,
                **options,
            )

        channels, inner = model.num_channels, model.residual_channels
        self.before = [make(f"before_{i}", *one) for i, one in enumerate(before)]
        self.before.append(make("entry", channels, 3, {}))
        self.wide, self.point = [], []
        for i in range(model.num_residual_blocks):
            self.wide.append(make(f"wide_{i}", inner, 3, {"dilation": 3**i}))
            self.point.append(make(f"point_{i}", channels, 1, {}))
        self.after = [make(f"after_{i}", *one) for i, one in enumerate(after)]

    def call(self, features, valid=None, past=None):
        """Features behind the layers.

        Args:
            features: float `(batch, time, channels)`.
            valid: bool `(batch, time)`, the positions that are there, or None for all.
            past: as from `start`, or None for sequences that begin here.

        Returns:
            Float `(batch, time', channels')`; with `past` a pair of it and the next.
        """
        kept = []

        def through(layer, features):
            nonlocal valid
            last = None if past is None else past[len(kept)]
            features, last = layer.convolve(features, valid, last)
            kept.append(last)
            valid = layer.valid_after(valid)
            return features

        for layer in self.before:
            features = through(layer, features)
        for wide, point in zip(self.wide, self.point):
            hidden = through(wide, ops.relu(features))
            features = features + through(point, ops.relu(hidden))
        features = ops.relu(features)
        for layer in self.after:
            features = through(layer, features)
        return features if past is None else (features, kept)

    def build(self, input_shape):
        size = input_shape[-1]
        for layer in self._in_order():
            layer.build((None, None, size))
            size = layer.filters

    def compute_mask(self, inputs, previous_mask):
        """None: a mask of the inputs is of another length than the outputs."""

    def start(self, batch_size):
        """What a stream has seen before its first chunk: a list of zeros."""
        return [layer.start(batch_size) for layer in self._in_order()]

    def _in_order(self):
        blocks = [layer for pair in zip(self.wide, self.point) for layer in pair]
        return (*self.before, *blocks, *self.after)


class TimeConvolution(keras.layers.Layer):
    """Convolution over time; what lies around a sequence or is masked is zero.

    Args:
        filters: int.
        kernel_size: int, at least `stride`.
        causal: bool. Whether a position sees only what came until its end.
        stride: int, positions of the input for one of the output.
        dilation: int.
        upsampling: int, positions of the output for one of the input.
        activation: as in `keras.layers.Conv1D`.
    """

    def __init__(
        self,
        filters,
        kernel_size,
        *,
        causal,
        stride=1,
        dilation=1,
        upsampling=1,
        activation=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        around = dilation * (kernel_size - 1) + 1 - stride
        self.num_before = around if causal else around // 2
        self.num_after = around - self.num_before
        self.filters, self.stride, self.upsampling = filters, stride, upsampling
        self.convolution = keras.layers.Conv1D(
            filters * upsampling,
            kernel_size,
            strides=stride,
            dilation_rate=dilation,
            activation=activation,
            name="convolution",
            dtype=self.dtype_policy,
        )

    def build(self, input_shape):
        self.size = input_shape[-1]
        self.convolution.build((None, None, self.size))

    def start(self, batch_size):
        """What precedes the first position: zeros `(batch, positions, channels)`."""
        return ops.zeros((batch_size, self.num_before, self.size), self.compute_dtype)

    def convolve(self, features, valid, past):
        """Outputs, and of what was seen what the next chunk needs."""
        features = ops.cast(features, self.compute_dtype)
        if valid is not None:
            features = ops.where(valid[..., None], features, 0)
        if past is None:
            around = (self.num_before, self.num_after)
            padded = ops.pad(features, [(0, 0), around, (0, 0)])
        else:
            padded = ops.concatenate([past, features], axis=1)
            past = padded[:, padded.shape[1] - self.num_before :]
        outputs = self.convolution(padded)
        if self.upsampling > 1:
            places = ops.shape(outputs)[1] * self.upsampling
            outputs = ops.reshape(outputs, (-1, places, self.filters))
        return outputs, past

    def valid_after(self, valid):
        """Which positions of the output are there: those of which a part is."""
        if valid is not None and self.stride > 1:
            places = ops.shape(valid)[1] // self.stride
            valid = ops.any(ops.reshape(valid, (-1, places, self.stride)), axis=2)
        if valid is not None and self.upsampling > 1:
            valid = ops.repeat(valid, self.upsampling, axis=1)
        return valid
