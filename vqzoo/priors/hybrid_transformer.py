"""A transformer over hybrid latents: a code and real numbers at each position."""

import math

import keras
import numpy as np
from keras import ops

from vqzoo.priors import conditions, mixture, raster
from vqzoo.priors.blocks import CausalTransformerPrior, PlaceTokens
from vqzoo.quantizers.hybrid_latents import packed, unpacked
from vqzoo.registry import named


@named("hybrid_transformer")
@keras.saving.register_keras_serializable("vqzoo")
class HybridTransformer(CausalTransformerPrior):
    """Autoregressive prior over codes and the real numbers beside them.

    At each position the code comes first, from a categorical distribution given all
    that stands before; then its real numbers, from a mixture of Gaussians given the
    code too. Codes that have no numbers beside them, such as those that
    `FrequencyLatents` keeps, end with the code. Below other tiers it knows their codes
    and numbers.

    Args:
        grid_shape: `(height, width)` of the codes.
        num_embeddings: int, K. Number of codes.
        num_values: int, V, real numbers beside a code.
        num_layers: int, transformer blocks.
        num_channels: int.
        num_heads: int; they divide the channels.
        hidden_ratio: int, hidden channels of the perceptrons over `num_channels`.
        num_mixtures: int, M, Gaussians of the mixture.
        num_condition_blocks: int, residual blocks over the tiers above.
        dropout: float in [0, 1).
        seed: int or None, of the dropout.
        **kwargs: what all priors take: see `Prior`.
    Input shape: `(batch, height, width, 1 + V)`, float: what `pack` makes of codes and
        values; with a condition a dict of it as `latents`, `label` and `context_0`, ...
    Output shape: `(batch, height, width, K + M * (1 + 2 V))`, float32: logits of the
        code, then the mixture. Compile with `prior.nats`, and fit to `pack`.
    State: has_values `(K,)`, value_mean and value_scale `(V,)`, and those of the tiers
        above; see `adapt`.
    Raises: ValueError: if a size is not positive or the heads do not divide the
        channels.
    Source: the hybrid latents of Vila's report, which has no prior for them; mixtures:
        Bishop 1994, Mixture density networks. Differs: new.
    Example:
        >>> prior = HybridTransformer((2, 2), 8, 1, num_layers=1, num_channels=8)
        >>> [array.shape for array in prior.sample(3, seed=0)]
        [(3, 2, 2), (3, 2, 2, 1)]
    """

    likelihood = "density"
    smoke_options = {"num_layers": 1, "num_channels": 16, "num_heads": 2}

    def __init__(
        self,
        grid_shape,
        num_embeddings,
        num_values,
        *,
        num_layers=8,
        num_channels=256,
        num_heads=8,
        hidden_ratio=4,
        num_mixtures=10,
        num_condition_blocks=2,
        dropout=0.1,
        seed=None,
        **kwargs,
    ):
        self._make(locals(), "num_values", "num_mixtures", "num_layers")

    def _shown(self):
        return keras.Input((*self.grid_shape, 1 + self.num_values), name="latents")

    def _make_layers(self):
        dtype = self.layer_dtype
        self.tokens = _Tokens(self, dtype=dtype, name="tokens")
        self.conditions = conditions.layer(
            self, self.num_channels, self.num_condition_blocks
        )
        self._make_blocks(causal=True)
        self.of_code = keras.layers.Embedding(
            self.num_embeddings, self.num_channels, dtype=dtype, name="of_code"
        )
        self.hidden = keras.layers.Dense(
            self.num_channels, activation="gelu", dtype=dtype, name="hidden"
        )
        self.output_mixture = keras.layers.Dense(
            mixture.num_outputs(self.num_mixtures, self.num_values),
            dtype="float32",
            name="mixture",
        )

    def _outputs(self, inputs):
        hidden, codes = self.tokens(inputs["latents"])
        hidden = self._whole(hidden, inputs)
        logits = self.output_logits(hidden)
        return ops.concatenate([logits, self._mixture(hidden, codes)], axis=-1)

    def _mixture(self, hidden, codes):
        """Parameters of the mixtures at positions whose codes are known."""
        return self.output_mixture(self.hidden(hidden + self.of_code(codes)))

    def training_pair(self, arrays, tiers, seed=(0, 0)):
        """Inputs and targets, of what `pack` gives instead of the codes."""
        del seed
        inputs = self._training_inputs(arrays, tiers)
        latents = inputs.pop("codes")
        return conditions.packed({"latents": latents, **inputs}), latents

    def training_loss(self):
        return self.nats

    def adapt_to(self, arrays, tiers, quantizer):
        *above, tier = tiers
        self.adapt(*_both(arrays[tier]), quantizer.has_values)
        for index, (name, (*_, sizes)) in enumerate(zip(above, self.context)):
            if str(index) in self._units_above:
                rows = np.reshape(arrays[name], (-1, 1 + sizes))[:, 1:]
                self._units_above[str(index)].adapt(rows)

    @property
    def _units_above(self):
        return {} if self.conditions is None else self.conditions.units

    def adapt(self, codes, values, has_values=None):
        """Takes the units of the values from data, before training.

        Args:
            codes: int `(N, h, w)`.
            values: float `(N, h, w, V)`.
            has_values: bool `(K,)`, which codes have values beside them, or None: all.

        Raises:
            ValueError: if no code of the data has values.
        """
        if has_values is None:
            has_values = np.ones(self.num_embeddings, bool)
        has_values = np.asarray(has_values, bool)
        chosen = np.asarray(values)[has_values[np.asarray(codes)]]
        if not len(chosen):
            raise ValueError("expected codes with values beside them, received none")
        self.tokens.has_values.assign(has_values.astype("float32"))
        self.tokens.value_mean.assign(chosen.mean(axis=0))
        self.tokens.value_scale.assign(np.maximum(chosen.std(axis=0), 1e-6))

    def pack(self, codes, values):
        """Codes and values as the prior takes them, and as it is fitted to them.

        Args:
            codes: int `(batch, height, width)`.
            values: float `(batch, height, width, V)`, in the units of the data.

        Returns:
            Float32 numpy `(batch, height, width, 1 + V)`: the code, and the values.
        """
        return np.asarray(packed(codes, values))

    def grids_of(self, drawn):
        return self.pack(*drawn)

    def nats(self, grids, outputs):
        """Nats of each position under the prior's outputs, `(batch, height, width)`.

        Args:
            grids: as from `pack`.
            outputs: what the prior gives for it.
        """
        return sum(self._nats(grids, outputs))

    def _nats(self, grids, outputs):
        """Nats of the code of each position, and of the values beside it."""
        codes, values = self.tokens.known_of(grids)
        log_p = ops.log_softmax(outputs[..., : self.num_embeddings], axis=-1)
        of_code = ops.take_along_axis(log_p, codes[..., None], axis=-1)[..., 0]
        parts = self._parts(outputs[..., self.num_embeddings :])
        # From the units of the prior to those of the data.
        change = ops.sum(ops.log(self.tokens.value_scale.value))
        of_values = mixture.log_density(values, *parts) - change
        mask = ops.take(self.tokens.has_values.value, codes, axis=0)
        return -of_code, -of_values * mask

    def _parts(self, outputs):
        return mixture.parts(outputs, self.num_mixtures, self.num_values)

    def log_prob(self, codes, values, condition=None, *, batch_size=128):
        """Log density of codes and their values: float64 `(batch,)`, nats.

        Args:
            codes: int `(batch, height, width)` in [0, K).
            values: float `(batch, height, width, V)`, in the units of the data.
            condition: dict with `label` and `context`, what `pack` gives of the tiers
                above; or None.
            batch_size: int, grids at once.

        Raises:
            ValueError: if codes, values or condition do not fit to the prior.
        """
        grids = self.pack(codes, values)
        return sum(self.log_likelihoods(grids, condition, batch_size=batch_size))

    def log_likelihood(self, grids, condition=None):
        return sum(self.log_likelihoods(grids, condition))

    def log_likelihoods(self, grids, condition=None, *, batch_size=128):
        sizes = (self.grid_shape, self.num_embeddings, self.num_values)
        latents = conditions.grids_array("codes", grids, len(grids), *sizes)
        arrays = {"latents": latents, **conditions.arrays(self, len(grids), condition)}
        parts = []
        for batch in raster.batches(arrays, batch_size):
            outputs = self.predict_on_batch(conditions.packed(batch))
            nats = self._nats(batch["latents"], ops.convert_to_tensor(outputs))
            parts.append([ops.convert_to_numpy(part) for part in nats])
        return tuple(
            -np.concatenate(part).sum(axis=(1, 2), dtype="float64")
            for part in zip(*parts)
        )

    def sample(self, shape, condition=None, **options):
        """Draws codes and their values, as `Prior.sample` draws codes.

        The Gaussians' scales are multiplied by the square root of the temperature.

        Returns:
            `(codes, values)`: int32 numpy `(batch, height, width)` and float32 numpy
            `(batch, height, width, V)`, in the units of the data, 0 beside codes that
            have none.
        """
        codes, values = super().sample(shape, condition, **options)
        tokens = self.tokens
        mean, scale, has_values = (
            ops.convert_to_numpy(weight.value)
            for weight in (tokens.value_mean, tokens.value_scale, tokens.has_values)
        )
        return codes, (values * scale + mean) * has_values[codes][..., None]

    def random_inputs(self, **options):
        del options
        places = math.prod(self.grid_shape)
        return {
            "uniform": ("uniform", (places, 2)),
            "normal": ("normal", (places, self.num_values)),
        }

    def blank(self, batch_size):
        """Grids of which nothing is drawn yet: codes and values, in raster order."""
        shape = (batch_size, math.prod(self.grid_shape))
        return ops.zeros(shape, "int32"), ops.zeros((*shape, self.num_values))

    def outputs_of(self, grids, inputs):
        """Features of all positions, of which each sees what is before it."""
        hidden = self.tokens.shifted(self.tokens.known(*grids))
        return self._whole(hidden, inputs)

    def logits_at(self, state, column):
        """Features of a position, from which `draw` takes logits, and the state."""
        return self._hidden_at(state, column)

    def draw(self, hidden, random, heat, draw_code):
        """Codes `(batch,)` of a position, and values `(batch, V)` given those."""
        uniform = random["uniform"]
        codes = draw_code(self.output_logits(hidden), uniform[:, 0])
        parts = self._parts(ops.cast(self._mixture(hidden, codes), "float32"))
        values = mixture.draw(*parts, heat, uniform[:, 1], random["normal"])
        has_values = ops.take(self.tokens.has_values.value, codes, axis=0)
        return codes, values * has_values[:, None]

    def put(self, state, drawn, column):
        """The state after the codes and values of a position are known."""
        before = self.tokens.known(*drawn)
        return {**state, "before": ops.cast(before, state["before"].dtype)}


def _both(grids):
    """Codes and values of what `pack` gives, as numpy arrays."""
    return (np.asarray(part) for part in unpacked(grids))


class _Tokens(PlaceTokens):
    """Tokens of codes and values; keeps the units of the values."""

    def __init__(self, owner, **kwargs):
        # Half precision would make other codes of them.
        super().__init__(owner, autocast=False, **kwargs)
        self.num_values = owner.num_values
        self.num_embeddings = owner.num_embeddings
        # The names of these attributes are paths in saved files.
        self.of_values = keras.layers.Dense(
            self.channels, name="of_values", dtype=self.dtype_policy
        )

    def build(self, input_shape):
        self.of_values.build((None, self.num_values))
        super().build(input_shape)
        self.has_values, self.value_mean, self.value_scale = (
            self.add_weight(
                name=name,
                shape=(size,),
                initializer=initializer,
                trainable=False,
                dtype="float32",
                autocast=False,
            )
            for name, size, initializer in (
                ("has_values", self.num_embeddings, "ones"),
                ("value_mean", self.num_values, "zeros"),
                ("value_scale", self.num_values, "ones"),
            )
        )

    def call(self, latents):
        """Features `(batch, height, width, channels)`, and the codes of positions."""
        codes, values = self.known_of(latents)
        return self.shifted(self.known(codes, values)), codes

    def compute_output_spec(self, latents):
        shape = tuple(latents.shape[:-1])
        return (
            keras.KerasTensor((*shape, self.channels), dtype=self.compute_dtype),
            keras.KerasTensor(shape, dtype="int32"),
        )

    def known_of(self, latents):
        """Codes of latents, and values in units of mean 0 and deviation 1."""
        codes, values = unpacked(latents)
        codes = ops.clip(codes, 0, self.num_embeddings - 1)
        values = (values - self.value_mean.value) / self.value_scale.value
        mask = ops.take(self.has_values.value, codes, axis=0)
        return codes, values * mask[..., None]

    def known(self, codes, values):
        """Features `(..., channels)` of codes and values that are known."""
        return self.embedding(codes) + self.of_values(values)
