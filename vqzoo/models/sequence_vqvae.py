"""VQ-VAE over time: sequences of channels to sequences of codes, whole or in chunks."""

import keras
import numpy as np
from keras import ops

from vqzoo.arguments import check_codes, is_int, known_values
from vqzoo.models import convolutional, temporal
from vqzoo.models.normalized import NormalizedModel

_SAMPLE = 2**16  # steps that normalization and codes are learned from


@keras.saving.register_keras_serializable("vqzoo")
class SequenceVQVAE(NormalizedModel):
    """Autoencoder whose bottleneck is a sequence of codes, one for each `stride` steps.

    Channels are normalized by statistics of the data, which `adapt` learns and which
    are part of the model; convolutions over time give the latents, the quantizer
    replaces each by a code, and the decoder reconstructs the sequence in its own units.
    Sequences have any length: the last code may stand for fewer steps. A causal model
    sees nothing of what comes after the steps of a code, so that it also encodes a
    stream chunk by chunk: `start_stream` and `encode_chunk` give the codes that
    `encode` gives of the whole.

    Sequences of several lengths are padded and come with a mask, bool `(batch, time)`,
    or in `fit` as a dict with `sequence` and `mask`. What is masked takes no part: the
    codes are those of each sequence alone, and -1 where all of the steps are masked.

    Args:
        quantizer: a quantizer layer, for example `VectorQuantizerEMA(512, 64)`.
        sequence_shape: `(time, channels)`; a time of None is any.
        stride: int, a power of 2: how many steps share a code.
        causal: bool. Whether codes and outputs depend on the past alone.
        num_channels: int, hidden channels.
        residual_channels: int, channels inside the residual blocks.
        num_residual_blocks: int, in the encoder and in the decoder.
        encoder_kernel_size: int of at least 2, of the strided convolutions.
        normalization: `"center"`, `"standard"` or `"whitening"`, as in
            `InputNormalization`, or None.
        dtype: dtype policy of the convolutions. Defaults to the global policy.
        name: str or None, of the model.
    Input shape: `(batch, time, channels)`, float in any units.
    Output shape: same, float32, 0 where masked. Codes: a tuple of one tensor,
        `(batch, ceil(time / stride), ...)`, int32, with what the quantizer adds.
    Losses: those of the quantizer. Compile with `"mse"` for the reconstruction term,
        which is of normalized channels and of steps that are not masked.
    State: that of the normalization and of the quantizer.
    Raises: ValueError: if `stride` is not a power of 2, or a shape cannot be.
    Source: van den Oord et al. 2017, arXiv 1711.00937, section 4.2; causal strided
        convolutions and chunks: Zeghidour et al. 2021, arXiv 2107.03312, section III;
        dilated residual blocks: Dhariwal et al. 2020, arXiv 2005.00341, appendix B.
        Differs: upsampling by reshaping channels, not by transposed convolutions.
    Example:
        >>> model = SequenceVQVAE(VectorQuantizerEMA(16, 8), sequence_shape=(None, 3))
        >>> model.encode(np.zeros((2, 30, 3), "float32"))[0].shape
        TensorShape([2, 8])
    """

    item = "sequence"
    tier_names = ("bottom",)

    def __init__(
        self,
        quantizer,
        *,
        sequence_shape=(None, 1),
        stride=4,
        causal=False,
        num_channels=64,
        residual_channels=32,
        num_residual_blocks=2,
        encoder_kernel_size=4,
        normalization="standard",
        dtype=None,
        name=None,
    ):
        _check(sequence_shape, encoder_kernel_size)
        self._keep(locals())
        self.supports_masking = True
        self._make_normalizing()
        self.encoder = temporal.encoder(self)
        self.projection = keras.layers.Dense(
            quantizer.embedding_dim, dtype=self.layer_dtype, name="projection"
        )
        self.decoder = temporal.decoder(self, sequence_shape[1])
        self.to_float32 = convolutional.float32_output()
        self._finish_items()

    @property
    def item_shape(self):
        return self.sequence_shape

    @property
    def quantizers(self):
        """The quantizer layers, top first."""
        return (self.quantizer,)

    def adapt(self, sequences, mask=None, seed=0):
        """Learns from data what training starts with: normalization and codes.

        Args:
            sequences: float `(N, time, channels)`; a sample is taken where there are
                many.
            mask: bool `(N, time)`, or None.
            seed: int, of the sample and of the start of the codes.

        Raises:
            ValueError: as in `encode`, or if all steps are equal.
        """
        count = min(len(sequences), max(1, _SAMPLE // np.shape(sequences)[1]))
        rows = np.random.default_rng(seed).choice(len(sequences), count, replace=False)
        mask = None if mask is None else ops.convert_to_numpy(mask)[rows]
        sequences = ops.convert_to_numpy(self._checked(sequences))[rows]
        sequences, mask = self.received(sequences, mask)
        if self.normalizing is not None:
            self.normalizing.adapt(_rows(sequences, mask))
        self.quantizer.start_from(_rows(*self._latents(sequences, mask)), seed)

    def call(self, sequences, training=None, mask=None):
        sequences, mask = _parted(sequences, mask)
        sequences = self._checked(sequences)
        padded, mask = self._padded(sequences, mask)
        time = ops.shape(sequences)[1]
        rebuilt = self._rebuild(padded, mask)[:, :time]
        return (
            rebuilt if mask is None else ops.where(mask[:, :time, None], rebuilt, 0.0)
        )

    def compute_output_spec(self, sequences, training=None, mask=None):
        return super().compute_output_spec(_parted(sequences, mask)[0], training)

    def compute_output_shape(self, input_shape):
        if isinstance(input_shape, dict):
            input_shape = input_shape[self.item]
        return super().compute_output_shape(input_shape)

    def _rebuild(self, sequences, mask=None):
        latents, valid = self._latents(sequences, mask)
        return self._decoded(self.quantizer(latents, mask=valid), valid)

    def _latents(self, sequences, mask):
        """Latents of sequences whose time divides, and which of them are there."""
        latents = self.projection(self.encoder(self._normalized(sequences), mask))
        return latents, self._valid(mask)

    def _valid(self, mask):
        """Which codes are there: those of which a step is."""
        if mask is None:
            return None
        places = ops.shape(mask)[1] // self.stride
        return ops.any(ops.reshape(mask, (-1, places, self.stride)), axis=2)

    def _decoded(self, quantized, valid):
        return self._in_units(self.decoder(quantized, valid))

    def _checked(self, sequences):
        if isinstance(sequences, list | tuple):
            lengths = {np.shape(sequence)[0] for sequence in sequences}
            if len(lengths) > 1:
                raise ValueError(
                    "expected sequences of one length, or padded ones with a mask "
                    "(keras.utils.pad_sequences(sequences, dtype='float32', "
                    "padding='post') and mask=, bool (batch, time)), received lengths "
                    f"from {min(lengths)} to {max(lengths)}"
                )
        return super()._checked(sequences)

    def _padded(self, sequences, mask):
        """Sequences and mask with masked steps at the end until the time divides."""
        time = ops.shape(sequences)[1]
        if mask is not None:
            mask = ops.cast(mask, "bool")
            if tuple(mask.shape) != tuple(sequences.shape[:2]):
                raise ValueError(
                    "expected a mask (batch, time) of sequences of shape="
                    f"{tuple(sequences.shape)}, received shape={tuple(mask.shape)}"
                )
        more = -time % self.stride
        if isinstance(more, int) and not more:
            return sequences, mask
        if mask is None:
            mask = ops.ones(ops.shape(sequences)[:2], "bool")
        # Not `ops.pad`, which wants to know how much before it is compiled.
        places = ops.arange(time + more)
        mask = ops.take(mask, ops.minimum(places, time - 1), axis=1)
        sequences = ops.take(sequences, ops.minimum(places, time - 1), axis=1)
        return sequences, ops.logical_and(mask, places < time)

    def received(self, sequences, mask=None):
        """Sequences as the layers take them, and their mask.

        Returns:
            `(sequences, mask)`: with a time that divides by `stride`.

        Raises:
            ValueError: of another shape, or of a step neither finite nor masked.
        """
        sequences, mask = self._padded(self._checked(sequences), mask)
        values = known_values(sequences)
        if values is not None:
            bad = ~np.isfinite(values).all(axis=-1)
            bad &= True if mask is None else ops.convert_to_numpy(mask)
            if bad.any():
                row, step = np.argwhere(bad)[0]
                raise ValueError(
                    f"expected finite sequences, received NaN or infinity in "
                    f"{bad.any(axis=1).sum()} of {len(bad)}, the first in sequence "
                    f"{row} at step {step}: mask these steps"
                )
        return sequences, mask

    def latents(self, sequences, mask=None):
        """Encoder outputs before quantization, `(batch, positions, D)`, in a tuple."""
        return (self._latents(*self.received(sequences, mask))[0],)

    def encode(self, sequences, mask=None):
        """Codes of sequences: a tuple of one int32 tensor.

        Args:
            sequences: `(batch, time, channels)`, float.
            mask: bool `(batch, time)`, the steps that are there, or None for all.

        Returns:
            Codes `(batch, ceil(time / stride), ...)`; -1 where no step is there.
        """
        latents, valid = self._latents(*self.received(sequences, mask))
        return (self.quantizer.encode(latents, valid),)

    def decode(self, codes, time=None):
        """Sequences of codes: float32 `(batch, time, channels)`.

        Args:
            codes: int `(batch, positions, ...)`, alone or in a tuple; -1 is masked. Of
                one code a position also `(batch, positions, 1)`, the grids of priors.
            time: int, steps that are kept, or None for `stride` of each code.
        """
        codes = codes[0] if isinstance(codes, tuple | list) else codes
        codes = check_codes(codes, self.quantizer.num_embeddings)
        if len(codes.shape) == 3 + self.quantizer.code_axes:  # a prior's grids
            codes = ops.squeeze(codes, axis=2)
        axes = tuple(range(2, len(codes.shape)))
        valid = ops.all(codes >= 0, axis=axes) if axes else codes >= 0
        sequences = self._decoded(self.quantizer.decode(codes), valid)
        there = ops.repeat(valid, self.stride, axis=1)
        return ops.where(there[..., None], sequences, 0.0)[:, :time]

    def reconstruct(self, sequences, codes=None):
        return super().reconstruct(sequences, codes)[:, : ops.shape(sequences)[1]]

    def start_stream(self, batch_size=1):
        """The state of a stream before its first chunk, for `encode_chunk`.

        Raises:
            ValueError: if the model is not causal.
        """
        if not self.causal:
            raise ValueError(
                "expected a causal model for a stream, received causal=False: its "
                "codes depend on what comes later"
            )
        channels = self.sequence_shape[1]
        return {
            "past": self.encoder.start(batch_size),
            "rest": ops.zeros((batch_size, 0, channels), "float32"),
        }

    def encode_chunk(self, chunk, state, *, last=False):
        """Codes of the next steps of a stream, as far as they are known.

        Args:
            chunk: float `(batch, steps, channels)`, any number of steps.
            state: as from `start_stream` or the call before.
            last: bool. Whether the stream ends here, and its last code may stand for
                fewer than `stride` steps.

        Returns:
            `(codes, state)`: a tuple of one int32 tensor, `(batch, positions, ...)`,
            and the state for the next chunk, which keeps steps that make no whole code.
        """
        chunk = ops.concatenate([state["rest"], self._checked(chunk)], axis=1)
        whole = chunk.shape[1] - (0 if last else chunk.shape[1] % self.stride)
        rest = chunk[:, whole:]
        if not whole:
            nothing = ops.zeros((chunk.shape[0], 0, self.quantizer.embedding_dim))
            return (self.quantizer.encode(nothing),), {**state, "rest": rest}
        steps, mask = self.received(chunk[:, :whole])
        steps = self._normalized(steps)
        features, past = self.encoder(steps, mask, state["past"])
        codes = self.quantizer.encode(self.projection(features), self._valid(mask))
        return (codes,), {"past": past, "rest": rest}

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ):
        y, weight = self._target(x, y, sample_weight)
        return super().compute_loss(None, y, y_pred, weight, training)

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        y, weight = self._target(x, y, sample_weight)
        return super().compute_metrics(x, y, y_pred, weight)

    def _target(self, x, y, weight):
        """What is to be rebuilt, and the weights of its steps."""
        target, mask = _parted(x if y is None else y, None)
        mask = _parted(x, None)[1] if mask is None else mask
        if weight is None and mask is not None:
            mask = ops.cast(mask, "float32")
            weight = mask / ops.maximum(ops.mean(mask), 1e-7)
            target = ops.where(mask[..., None] > 0, target, 0.0)
        return target, weight

    def _taken(self, data):
        spec = getattr(data, "element_spec", data)
        if not (isinstance(spec, dict) and "mask" in spec):
            return super()._taken(data)

        def both(row):
            return {name: row[name] for name in (self.item, "mask")}

        return both(data) if spec is data else data.map(both)


def _parted(sequences, mask):
    """Sequences and their mask, which may come as a dict."""
    if isinstance(sequences, dict):
        return sequences["sequence"], sequences.get("mask")
    return sequences, mask


def _rows(values, mask):
    """What is there of `(batch, time, channels)`, as float32 numpy `(N, channels)`."""
    values = ops.convert_to_numpy(ops.cast(values, "float32"))
    if mask is not None:
        values = values[ops.convert_to_numpy(mask)]
    return values.reshape(-1, values.shape[-1])


def _check(sequence_shape, kernel_size):
    sizes = tuple(sequence_shape)
    if len(sizes) != 2 or not all(is_int(s) and s > 0 for s in sizes if s is not None):
        raise ValueError(
            "expected a sequence_shape (time, channels), time None for any, received "
            f"sequence_shape={sizes}"
        )
    if sizes[1] is None or not is_int(kernel_size) or kernel_size < 2:
        raise ValueError(
            "expected a number of channels and an encoder_kernel_size of at least 2, "
            f"received sequence_shape={sizes}, encoder_kernel_size={kernel_size}"
        )
