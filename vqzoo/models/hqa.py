"""Hierarchical quantized autoencoder, and its named model."""

import functools

import keras
from keras import ops

from vqzoo.arguments import is_int
from vqzoo.layers import GumbelVectorQuantizer, RunningNormalization
from vqzoo.models import convolutional, tiers
from vqzoo.models.coding import takes_items
from vqzoo.quantizers.base import add_state


@keras.saving.register_keras_serializable("vqzoo")
class HQA(tiers.TieredModel):
    """A stack of VQ-VAEs, each on the continuous latents of the one below.

    The bottom tier reconstructs the image. Each tier above normalizes the latents of
    the tier below, as they are before quantization, halves their resolution, quantizes
    and learns to reconstruct them. No gradient crosses tiers. Each tier alone makes an
    image: its decoder estimates the latents below, the quantizer there takes the
    nearest codes of the estimate, and so on down. The model gives the bottom's
    reconstruction.

    With `tier_steps` the tiers learn one after the other, from the bottom up. Step n of
    `fit` belongs to tier n // tier_steps from the bottom; the losses of the other tiers
    are 0, and the end of the step restores their weights, codebooks and statistics,
    whatever momentum or weight decay the optimizer applies. After the last period
    nothing changes. A loop other than `fit`, `train_on_batch` and `train_step` gets the
    losses of the schedule, but it neither counts steps nor freezes tiers. All tiers
    share one optimizer. Adam corrects its bias by the count of all steps, so the first
    steps of a tier that starts late are up to 6.6 times (beta_2 = 0.999) as long as
    those of a new Adam. For a new optimizer for each tier, as in the paper, compile
    again and fit for `tier_steps` more steps; the schedule continues where it was.

    Args:
        quantizers: sequence of quantizer layers, top first, one for each tier.
        image_shape: `(height, width, channels)`; the sides divide by the top's stride.
            A side of None may be any that divides.
        bottom_stride: int, a power of 2: pixels of a side for each bottom code; each
            tier above has twice the stride.
        num_channels: int, hidden channels.
        residual_channels: int, channels inside the residual blocks.
        num_residual_blocks: int, in each encoder and decoder.
        encoder_kernel_size: int, of the strided convolutions.
        tier_steps: int, training steps of each tier, or None: all tiers learn at once.
        pad: bool. Whether images whose sides do not divide are padded with their last
            row and column, and the output is cropped. Defaults to False.
        dtype: dtype policy of the convolutions. Defaults to the global policy.
        name: str or None, of the model.
    Input shape: `(batch, height, width, channels)`, float in [-0.5, 0.5].
    Output shape: same, float32, not clipped. Codes: a tuple with a tensor for each
        tier, top first, `(batch, height / stride, width / stride)`, int32.
    Losses: those of the quantizers and, for each tier but the bottom, the mean squared
        error of the normalized latents below. Compile with `"mse"` for the bottom's.
    State: with `tier_steps`, steps `()`, those taken so far; the running normalization
        of each tier but the bottom.
    Raises: ValueError: if there is no quantizer, the sides do not divide by the top's
        stride, a stride is not a power of 2 or `tier_steps` is not positive.
    Source: Williams et al. 2020, arXiv 2002.08111, and its public code; Coppock's
        thesis, section 2.4.8. Differs: the quantizer is the caller's; the convolutions
        are those of the VQ-VAE, of one width in all tiers; the running normalization
        follows the latents while they change.
    Example:
        >>> tiers = [VectorQuantizerEMA(256, 64), VectorQuantizerEMA(256, 64)]
        >>> model = HQA(tiers, image_shape=(32, 32, 3))
        >>> [c.shape for c in model.encode(np.zeros((1, 32, 32, 3), "float32"))]
        [TensorShape([1, 4, 4]), TensorShape([1, 8, 8])]
    """

    def __init__(
        self,
        quantizers,
        *,
        image_shape=(32, 32, 3),
        bottom_stride=4,
        num_channels=128,
        residual_channels=32,
        num_residual_blocks=2,
        encoder_kernel_size=4,
        tier_steps=None,
        pad=False,
        dtype=None,
        name=None,
    ):
        tiers.check_halvings(quantizers, image_shape, bottom_stride, pad)
        self._keep(locals())
        self._make_layers()
        self._finish_images()

    def _make_layers(self):
        below = [layer.embedding_dim for layer in self.quantizers[1:]]
        self.encoders, self.projections, self.decoders = [], [], []
        for tier, layer, out_channels in zip(
            self.tier_names, self.quantizers, [*below, self.image_shape[2]]
        ):
            self._make_tier(tier, layer.embedding_dim, out_channels)
        upper = self.tier_names[:-1]
        self.normalizations = [
            RunningNormalization(dtype="float32", name=f"{tier}_normalization")
            for tier in upper
        ]
        self.errors = [
            tiers.ReconstructionError(name=f"{tier}_error") for tier in upper
        ]
        self.to_float32 = convolutional.float32_output()
        self.schedule = None
        if self.tier_steps is not None:
            self.schedule = _Schedule(self.tier_steps, name="schedule")

    def _make_tier(self, tier, embedding_dim, out_channels):
        stride = self.bottom_stride if tier == "bottom" else 2
        self.encoders.append(convolutional.encoder(self, stride, f"{tier}_encoder"))
        self.projections.append(
            convolutional.projection(self, embedding_dim, f"{tier}_projection")
        )
        self.decoders.append(
            convolutional.decoder(self, stride, out_channels, f"{tier}_decoder")
        )

    def _inputs_and_latents(self, images):
        """The inputs of each tier, and its latents: lists, top first."""
        inputs, latents = [images], []
        for tier in reversed(range(len(self.quantizers))):
            latents.append(self.projections[tier](self.encoders[tier](inputs[-1])))
            if tier > 0:
                below = ops.stop_gradient(latents[-1])
                inputs.append(self.normalizations[tier - 1](below))
        return inputs[::-1], latents[::-1]

    def _rebuild(self, images):
        """The bottom's reconstruction; on the way the tiers above add their losses."""
        inputs, latents = self._inputs_and_latents(images)
        *upper, outputs = [
            self.to_float32(decoder(quantizer(tier_latents)))
            for decoder, quantizer, tier_latents in zip(
                self.decoders, self.quantizers, latents
            )
        ]
        if self.schedule is not None:
            outputs = self.schedule(outputs)
        for error, rebuilt, target in zip(self.errors, upper, inputs):
            outputs = error(outputs, rebuilt, target)
        return outputs

    @takes_items
    def latents(self, images):
        """Latents before quantization, a tuple of `(batch, h, w, D)`, top first."""
        return tuple(self._inputs_and_latents(images)[1])

    def decode(self, codes, sides=None):
        """Images of codes, float32.

        Args:
            codes: sequence of int tensors `(batch, h, w)`, top first. A tier may be
                None; the lowest that is not decides alone.
            sides: as in `VQVAE2.decode`.

        Returns:
            Float32 `(batch, height, width, channels)`.

        Raises:
            ValueError: as in `VQVAE2.decode`.
        """
        codes = tiers.checked_codes(codes, self.quantizers)
        tier = tiers.finest_given(codes)
        quantized = self.quantizers[tier].decode(codes[tier])
        for upper, lower in enumerate(self.quantizers[tier + 1 :], start=tier):
            estimate = self.to_float32(self.decoders[upper](quantized))
            latents = self.normalizations[upper].inverse(estimate)
            quantized = lower.decode(lower.encode(latents))
        return self.from_quantized((quantized,), sides)

    def from_quantized(self, quantized, sides=None):
        images = self.to_float32(self.decoders[-1](quantized[-1]))
        return self._cropped(images, sides)

    @property
    def decoded_tiers(self):
        """The finest tier's name: `decode` looks at no other where that is given."""
        return self.tier_names[-1:]

    def reconstructions(self, images):
        """What each tier makes of the images: a tuple of float32 images, top first."""
        codes, sides = self.encode(images), images.shape[1:3]
        return tuple(self.decode(alone, sides) for alone in tiers.tiers_alone(codes))

    @property
    def losses(self):
        """Losses of the last call; with `tier_steps`, 0 for the tiers at rest."""
        # JAX's trainer puts the losses of the call, weighted already, in the way.
        if self.schedule is None or self._losses_override:
            return super().losses
        return [
            self.schedule.activity(self._period(tier)) * loss
            for tier in range(len(self.quantizers))
            for layer in self._tier_layers(tier)
            for loss in layer.losses
        ]

    @property
    def is_whole(self):
        """Whether the top tier, which learns last, has begun to."""
        before = (self.tier_steps or 0) * (len(self.quantizers) - 1)
        return self.schedule is None or float(self.schedule.steps.value) > before

    def _tier_layers(self, tier):
        layers = (self.encoders, self.projections, self.quantizers, self.decoders)
        tier_layers = [group[tier] for group in layers]
        if tier < len(self.errors):
            tier_layers += [self.normalizations[tier], self.errors[tier]]
        return tier_layers

    def _period(self, tier):
        return len(self.quantizers) - 1 - tier

    def train_step(self, *args):
        """A step of `fit`; with `tier_steps`, the tiers at rest stay as they were."""
        if self.schedule is None:
            return super().train_step(*args)
        if keras.backend.backend() == "jax":
            return self._stateless_train_step(*args)
        before = {id(v): ops.copy(v) for v in self.weights}
        logs = super().train_step(*args)
        self._finish_step(before)
        return logs

    def _stateless_train_step(self, state, data):
        """What JAX makes of `train_step`: the variables come and go as lists."""
        groups = (self.trainable_variables, self.non_trainable_variables)
        before = {
            id(v): value
            for group, values in zip(groups, state)
            for v, value in zip(group, values)
        }
        logs, (*after, optimizer, metrics) = super().train_step(state, data)
        mapping = [
            pair for group, values in zip(groups, after) for pair in zip(group, values)
        ]
        with keras.StatelessScope(state_mapping=mapping) as scope:
            self._finish_step(before)
        after = [[scope.get_current_value(v) for v in group] for group in groups]
        return logs, (*after, optimizer, metrics)

    def _finish_step(self, before):
        """Undoes what a step did to the tiers at rest, and counts it."""
        for tier in range(len(self.quantizers)):
            active = self.schedule.activity(self._period(tier)) > 0
            for layer in self._tier_layers(tier):
                for v in layer.weights:
                    v.assign(ops.where(active, v.value, before[id(v)]))
        self.schedule.steps.assign(self.schedule.steps.value + self.trainable)


class _Schedule(keras.layers.Layer):
    """Counts steps and passes gradients on in period 0 alone, the bottom's."""

    def __init__(self, tier_steps, **kwargs):
        super().__init__(autocast=False, dtype="float32", **kwargs)
        if not is_int(tier_steps) or tier_steps < 1:
            raise ValueError(
                "expected tier_steps to be a positive int or None, received "
                f"tier_steps={tier_steps}"
            )
        self.tier_steps = tier_steps

    def build(self, input_shape):
        self.steps = add_state(self, "steps", (), "zeros")

    def activity(self, period):
        """1 in a period, counted from 0, and 0 before and after it: float32 scalar."""
        now = ops.floor(self.steps.value / self.tier_steps)
        return ops.cast(ops.equal(now, float(period)), "float32")

    def call(self, reconstruction):
        fixed = ops.stop_gradient(reconstruction)
        return fixed + self.activity(0) * (reconstruction - fixed)


def hqa_32(quantizer=None, **overrides):
    """Three tiers for 32 x 32 images: 2 x 2, 4 x 4 and 8 x 8 codes.

    K = 256, D = 64 as in the paper, the blocks of `vqvae_32`; 1,746,243 trainable
    weights with the default quantizers.

    Args:
        quantizer: function from the tier's index, top first, to a quantizer layer.
            Defaults to `GumbelVectorQuantizer(256, 64)`.
        **overrides: arguments of `HQA`.

    Returns:
        `HQA`.

    Source: Williams et al. 2020, arXiv 2002.08111, the sizes for MNIST. Differs: no
        tier at 16 x 16 or 1 x 1.
    """
    default = functools.partial(GumbelVectorQuantizer, 256, 64)
    quantizers = tiers.make_quantizers(quantizer, 3, default)
    return HQA(quantizers, **{"name": "hqa_32", **overrides})
