"""A transformer over hybrid latents: a code and real numbers at each place."""

import keras
import numpy as np
from keras import ops

from vqzoo.ops import put_at
from vqzoo.priors import conditions, raster
from vqzoo.priors.blocks import transformer_blocks

_LEAST_LOG_SCALE = -7.0


@keras.saving.register_keras_serializable("vqzoo")
class HybridTransformer(keras.Model):
    """Autoregressive prior over codes and the real numbers beside them.

    At each place the code comes first, from a categorical distribution given all that
    stands before; then its real numbers, from a mixture of Gaussians given the code
    too. Codes that have no numbers beside them, such as those that `FrequencyLatents`
    keeps, end with the code.

    Args:
        grid_shape: `(height, width)` of the codes.
        num_embeddings: int, K. Number of codes.
        num_values: int, V, real numbers beside a code.
        num_classes: int, 0 for a prior that knows no classes.
        num_layers: int, transformer blocks.
        num_channels: int.
        num_heads: int; they divide the channels.
        hidden_ratio: int, hidden channels of the perceptrons over `num_channels`.
        num_mixtures: int, M, Gaussians of the mixture.
        dropout: float in [0, 1).
        dtype: dtype policy. Defaults to the global policy.
        seed: int or None, of the dropout.
        name: str or None, of the model.
    Input shape: `(batch, height, width, 1 + V)`, float: what `pack` makes of codes and
        values; for a prior with classes a dict of it as `latents` and `label`.
    Output shape: `(batch, height, width, K + M * (1 + 2 V))`, float32: logits of the
        code, then the mixture. Compile with `prior.nats`, and fit to `pack`.
    State: has_values `(K,)`, value_mean and value_scale `(V,)`; see `adapt`.
    Raises: ValueError: if a size is not positive or the heads do not divide the
        channels.
    Source: the hybrid latents of Vila's report, which has no prior for them; mixtures:
        Bishop 1994, Mixture density networks. Differs: new.
    Example:
        >>> prior = HybridTransformer((2, 2), 8, 1, num_layers=1, num_channels=8)
        >>> [each.shape for each in prior.sample(3, seed=0)]
        [(3, 2, 2), (3, 2, 2, 1)]
    """

    def __init__(
        self,
        grid_shape,
        num_embeddings,
        num_values,
        *,
        num_classes=0,
        num_layers=8,
        num_channels=256,
        num_heads=8,
        hidden_ratio=4,
        num_mixtures=10,
        dropout=0.1,
        dtype=None,
        seed=None,
        name=None,
    ):
        conditions.adopt(self, grid_shape, num_embeddings, num_classes, (), dtype)
        for setting, value in (
            ("num_values", num_values),
            ("num_layers", num_layers),
            ("num_mixtures", num_mixtures),
        ):
            if value < 1:
                raise ValueError(
                    f"expected {setting} of at least 1, received {setting}={value}"
                )
        self.num_values = num_values
        self.num_layers = num_layers
        self.num_channels = num_channels
        self.num_heads = num_heads
        self.hidden_ratio = hidden_ratio
        self.num_mixtures = num_mixtures
        self.dropout = dropout
        self.seed = seed
        self._make_layers()
        inputs = conditions.inputs(self)
        del inputs["codes"]
        latents = keras.Input((*self.grid_shape, 1 + num_values), name="latents")
        inputs = {"latents": latents, **inputs}
        packed = inputs if num_classes else latents
        super().__init__(packed, self._outputs(inputs), name=name)

    def _make_layers(self):
        dtype = self.layer_dtype
        self.tokens = _Tokens(self, dtype=dtype, name="tokens")
        self.conditions = conditions.layer(self, self.num_channels, 0)
        self.blocks = transformer_blocks(self, causal=True)
        self.norm = keras.layers.LayerNormalization(dtype=dtype, name="norm")
        self.output_logits = keras.layers.Dense(
            self.num_embeddings, dtype="float32", name="logits"
        )
        self.of_code = keras.layers.Embedding(
            self.num_embeddings, self.num_channels, dtype=dtype, name="of_code"
        )
        self.hidden = keras.layers.Dense(
            self.num_channels, activation="gelu", dtype=dtype, name="hidden"
        )
        self.output_mixture = keras.layers.Dense(
            self.num_mixtures * (1 + 2 * self.num_values),
            dtype="float32",
            name="mixture",
        )

    def _outputs(self, inputs):
        hidden, codes = self.tokens(inputs["latents"])
        condition = conditions.features(self.conditions, inputs)
        if condition is not None:
            hidden = hidden + condition
        for block in self.blocks:
            hidden = block(hidden)
        hidden = self.norm(hidden)
        logits = self.output_logits(hidden)
        return ops.concatenate([logits, self._mixture(hidden, codes)], axis=-1)

    def _mixture(self, hidden, codes):
        """Parameters of the mixtures at places whose codes are known."""
        return self.output_mixture(self.hidden(hidden + self.of_code(codes)))

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
            Float32 numpy `(batch, height, width, 1 + V)`: the code, and the values in
            units in which they have mean 0 and deviation 1, 0 beside codes without.
        """
        mean, scale = self._units()
        values = (np.asarray(values) - mean) / scale * self._mask(codes)
        codes = np.asarray(codes, "float32")[..., None]
        return np.concatenate([codes, values], axis=-1).astype("float32")

    def _units(self):
        weights = (self.tokens.value_mean, self.tokens.value_scale)
        return (ops.convert_to_numpy(weight.value) for weight in weights)

    def _mask(self, codes):
        """1 where a code has values beside it: float32 `(..., 1)`."""
        has_values = ops.convert_to_numpy(self.tokens.has_values.value)
        return has_values[np.asarray(codes)][..., None]

    def nats(self, packed, outputs):
        """Nats of each place under the prior's outputs, `(batch, height, width)`.

        Args:
            packed: as from `pack`.
            outputs: what the prior gives for it.
        """
        codes = code_of(packed, self.num_embeddings)
        values = packed[..., 1:]
        log_p = ops.log_softmax(outputs[..., : self.num_embeddings], axis=-1)
        of_code = ops.take_along_axis(log_p, codes[..., None], axis=-1)[..., 0]
        density = self._log_density(values, outputs[..., self.num_embeddings :])
        mask = ops.take(self.tokens.has_values.value, codes, axis=0)
        return -of_code - density * mask

    def _log_density(self, values, mixture):
        """Log density of values `(..., V)` under mixtures, `(...)`, in nats."""
        weights, means, log_scales = self._parts(mixture)
        distances = (values[..., None, :] - means) * ops.exp(-log_scales)
        of_each = -0.5 * ops.square(distances) - log_scales - 0.5 * np.log(2 * np.pi)
        log_p = ops.log_softmax(weights, axis=-1) + ops.sum(of_each, axis=-1)
        return ops.logsumexp(log_p, axis=-1)

    def _parts(self, mixture):
        """Weights `(..., M)`, means and log scales `(..., M, V)`."""
        count, size = self.num_mixtures, self.num_mixtures * self.num_values
        shape = (*ops.shape(mixture)[:-1], count, self.num_values)
        means = ops.reshape(mixture[..., count : count + size], shape)
        log_scales = ops.reshape(mixture[..., count + size :], shape)
        return mixture[..., :count], means, ops.maximum(log_scales, _LEAST_LOG_SCALE)

    def log_prob(self, codes, values, condition=None, *, batch_size=128):
        """Log density of codes and their values: float64 `(batch,)`, nats.

        Args:
            codes: int `(batch, height, width)` in [0, K).
            values: float `(batch, height, width, V)`, in the units of the data.
            condition: dict with `label`, or None.
            batch_size: int, grids at once.

        Raises:
            ValueError: if codes, values or condition do not fit to the prior.
        """
        shape = (len(codes), *self.grid_shape)
        codes = conditions.codes_array("codes", codes, shape, self.num_embeddings)
        values = np.asarray(values, "float32")
        if values.shape != (*shape, self.num_values):
            raise ValueError(
                f"expected values of shape {(*shape, self.num_values)}, received "
                f"shape={values.shape}"
            )
        latents = self.pack(codes, values)
        arrays = {"latents": latents, **conditions.arrays(self, len(codes), condition)}
        _, scale = self._units()
        unit = np.log(scale).sum()  # from the units of the data to those of the prior
        found = []
        for start in range(0, len(codes), batch_size):
            batch = {k: v[start : start + batch_size] for k, v in arrays.items()}
            packed = batch if self.num_classes else batch["latents"]
            outputs = ops.convert_to_tensor(self.predict_on_batch(packed))
            nats = ops.convert_to_numpy(self.nats(batch["latents"], outputs))
            mask = self._mask(codes[start : start + batch_size])[..., 0]
            total = nats + unit * mask
            found.append(-total.sum(axis=(1, 2), dtype="float64"))
        return np.concatenate(found)

    def sample(
        self,
        shape,
        condition=None,
        *,
        temperature=1.0,
        top_k=None,
        top_p=None,
        seed=None,
        cached=True,
    ):
        """Draws codes and their values.

        Args:
            shape: int, number of grids, or `(batch, height, width)`.
            condition: dict with `label`, or None.
            temperature: float above 0, by which the logits of the codes are divided;
                the Gaussians' scales are multiplied by its square root.
            top_k: int or None: only the likeliest `top_k` codes are drawn.
            top_p: float in (0, 1] or None: only the likeliest codes that together reach
                this probability are drawn.
            seed: int or None.
            cached: bool. False computes the whole network for each place.

        Returns:
            `(codes, values)`: int32 numpy `(batch, height, width)` and float32 numpy
            `(batch, height, width, V)`, in the units of the data, 0 beside codes that
            have none.

        Raises:
            ValueError: if an argument is out of its range or does not fit to the prior.
        """
        batch = raster.checked_batch(self, shape, temperature, top_k, top_p)
        arrays = conditions.arrays(self, batch, condition)
        generator = np.random.default_rng(seed)
        places = int(np.prod(self.grid_shape))
        sampler = raster.sampler_of(self, _Sampler, top_k, top_p, cached)
        codes, values = sampler.predict_on_batch(
            {
                "uniform": generator.random((batch, places, 2), "float32"),
                "normal": generator.normal(
                    size=(batch, places, self.num_values)
                ).astype("float32"),
                "temperature": np.full((batch,), temperature, "float32"),
                **arrays,
            }
        )
        mean, scale = self._units()
        codes = np.asarray(codes)
        return codes, (np.asarray(values) * scale + mean) * self._mask(codes)

    def get_config(self):
        return {
            "grid_shape": self.grid_shape,
            "num_embeddings": self.num_embeddings,
            "num_values": self.num_values,
            "num_classes": self.num_classes,
            "num_layers": self.num_layers,
            "num_channels": self.num_channels,
            "num_heads": self.num_heads,
            "hidden_ratio": self.hidden_ratio,
            "num_mixtures": self.num_mixtures,
            "dropout": self.dropout,
            "dtype": keras.dtype_policies.serialize(self.layer_dtype),
            "seed": self.seed,
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config):
        return cls(**config)


def code_of(packed, num_embeddings):
    """The codes that stand first in packed latents `(..., 1 + V)`: int32 `(...)`."""
    codes = ops.cast(ops.round(packed[..., 0]), "int32")
    return ops.clip(codes, 0, num_embeddings - 1)


class _Tokens(keras.layers.Layer):
    """What each place takes: the code and the values before it, and where it is."""

    def __init__(self, owner, **kwargs):
        super().__init__(**kwargs)
        self.grid_shape = owner.grid_shape
        self.channels = owner.num_channels
        self.num_values = owner.num_values
        self.num_embeddings = owner.num_embeddings
        self.embedding = keras.layers.Embedding(
            owner.num_embeddings,
            self.channels,
            name="embedding",
            dtype=self.dtype_policy,
        )
        self.of_values = keras.layers.Dense(
            self.channels, name="of_values", dtype=self.dtype_policy
        )

    def build(self, input_shape):
        self.embedding.build()
        self.of_values.build((None, self.num_values))
        small = keras.initializers.RandomNormal(stddev=0.02)
        self.first = self.add_weight(
            name="first", shape=(self.channels,), initializer=small
        )
        self.positions = self.add_weight(
            name="positions",
            shape=(*self.grid_shape, self.channels),
            initializer=small,
        )
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
        """Features `(batch, height, width, channels)`, and the codes of the places."""
        height, width = self.grid_shape
        codes = code_of(latents, self.num_embeddings)
        known = self.of_place(codes, latents[..., 1:])
        known = ops.reshape(known, (-1, height * width, self.channels))
        first = ops.zeros_like(known[:, :1]) + self.first
        before = ops.concatenate([first, known[:, :-1]], axis=1)
        before = ops.reshape(before, (-1, height, width, self.channels))
        return before + self.positions, codes

    def compute_output_spec(self, latents):
        shape = tuple(latents.shape[:-1])
        return (
            keras.KerasTensor((*shape, self.channels), dtype=self.compute_dtype),
            keras.KerasTensor(shape, dtype="int32"),
        )

    def of_place(self, codes, values):
        """Features `(..., channels)` of codes and values that are known."""
        return self.embedding(codes) + self.of_values(values)

    def start(self, batch_size):
        """What stands before the first place: `(batch, channels)`."""
        zeros = ops.zeros((batch_size, self.channels), self.compute_dtype)
        return zeros + ops.cast(self.first, self.compute_dtype)

    def at(self, before, row, column):
        """Features `(batch, channels)` of a place from those of the place before."""
        position = ops.take(ops.take(self.positions, row, axis=0), column, axis=0)
        return before + ops.cast(position, self.compute_dtype)


class _Sampler(keras.Model):
    """Draws codes and values from given random numbers: what `predict` compiles."""

    def __init__(self, prior, top_k, top_p, cached):
        super().__init__(name=f"{prior.name}_sampler", dtype="float32")
        self.prior = prior
        self.top_k, self.top_p = top_k, top_p
        self.run = self._cached if cached else self._whole

    def call(self, inputs):
        inputs = dict(inputs)
        random = (inputs.pop("uniform"), inputs.pop("normal"))
        heat = inputs.pop("temperature")[:, None]
        codes, values = self.run(random, heat, inputs)
        height, width = self.prior.grid_shape
        codes = ops.reshape(codes, (-1, height, width))
        return codes, ops.reshape(values, (-1, height, width, self.prior.num_values))

    def _draw_code(self, logits, uniform, heat):
        logits = raster.keep(ops.cast(logits, "float32") / heat, self.top_k, self.top_p)
        return raster.choose(logits, uniform)

    def _draw_values(self, mixture, codes, uniform, normal, heat):
        weights, means, log_scales = self.prior._parts(ops.cast(mixture, "float32"))
        chosen = raster.choose(weights / heat, uniform)[:, None, None]
        means = ops.take_along_axis(means, chosen, axis=1)[:, 0]
        log_scales = ops.take_along_axis(log_scales, chosen, axis=1)[:, 0]
        values = means + ops.exp(log_scales) * ops.sqrt(heat) * normal
        has_values = ops.take(self.prior.tokens.has_values.value, codes, axis=0)
        return values * has_values[:, None]

    def _cached(self, random, heat, inputs):
        prior, (uniform, normal) = self.prior, random
        height, width = prior.grid_shape
        batch = ops.shape(uniform)[0]
        condition = conditions.features(prior.conditions, inputs)

        def each_row(row, carried):
            def each_column(column, carried):
                codes, values, before, states = carried
                place = row * width + column
                hidden = prior.tokens.at(before, row, column)
                if condition is not None:
                    hidden = hidden + condition[:, 0, 0]
                found = []
                for block, state in zip(prior.blocks, states):
                    state, hidden = block.at(state, hidden, column)
                    found.append(state)
                hidden = prior.norm(hidden)
                draws = ops.take(uniform, place, axis=1)
                logits = prior.output_logits(hidden)
                code = self._draw_code(logits, draws[:, 0], heat)
                value = self._draw_values(
                    prior._mixture(hidden, code),
                    code,
                    draws[:, 1],
                    ops.take(normal, place, axis=1),
                    heat,
                )
                return (
                    put_at(codes, code, place, axis=1),
                    put_at(values, value, place, axis=1),
                    ops.cast(prior.tokens.of_place(code, value), before.dtype),
                    found,
                )

            *drawn, states = ops.fori_loop(0, width, each_column, carried)
            states = [block.end_row(s) for block, s in zip(prior.blocks, states)]
            return (*drawn, states)

        carried = (
            ops.zeros((batch, height * width), "int32"),
            ops.zeros((batch, height * width, prior.num_values)),
            prior.tokens.start(batch),
            [block.start(batch, prior.grid_shape) for block in prior.blocks],
        )
        codes, values, _, _ = ops.fori_loop(0, height, each_row, carried)
        return codes, values

    def _whole(self, random, heat, inputs):
        prior, (uniform, normal) = self.prior, random
        height, width = prior.grid_shape
        places = height * width
        batch = ops.shape(uniform)[0]

        def outputs_at(place, codes, values):
            known = ops.cast(codes[..., None], "float32")
            latents = ops.concatenate([known, values], axis=-1)
            latents = ops.reshape(latents, (batch, height, width, -1))
            arrays = {"latents": latents, **inputs} if inputs else latents
            outputs = prior(arrays, training=False)
            outputs = ops.reshape(outputs, (batch, places, outputs.shape[-1]))
            found = ops.take(outputs, place, axis=1)
            size = prior.num_embeddings
            return found[:, :size], found[:, size:]

        def each_place(place, carried):
            codes, values = carried
            draws = ops.take(uniform, place, axis=1)
            logits, _ = outputs_at(place, codes, values)
            code = self._draw_code(logits, draws[:, 0], heat)
            codes = put_at(codes, code, place, axis=1)
            _, mixture = outputs_at(place, codes, values)
            value = self._draw_values(
                mixture, code, draws[:, 1], ops.take(normal, place, axis=1), heat
            )
            return codes, put_at(values, value, place, axis=1)

        start = (
            ops.zeros((batch, places), "int32"),
            ops.zeros((batch, places, prior.num_values)),
        )
        return ops.fori_loop(0, places, each_place, start)
