"""The protocol of all priors."""

import keras
import numpy as np
from keras import ops

from vqzoo.arguments import BuiltModel, check_at_least, check_codes
from vqzoo.priors import conditions, raster
from vqzoo.priors import guidance as guides


class GridModel(BuiltModel):
    """A model of grids of codes or of their latents, and of what conditions them.

    Abstract. The constructor of a subclass begins with `conditions.adopt`, makes its
    layers and ends with `_connect`, or calls `_make`, which does that where it has
    `_make_layers`; `_outputs(inputs)` is what these make of inputs.
    """

    # The lowest code that it can be shown: -1 where it knows of places without one.
    least_shown = 0

    def _make(self, arguments, *sizes):
        """All that a constructor does, with its `locals()` and sizes of at least 1."""
        conditions.adopt(self, arguments)
        check_at_least(1, **{name: arguments[name] for name in sizes})
        self._make_layers()
        self._connect()

    def _connect(self):
        """Builds the layers from what the model is shown and conditions to outputs."""
        shown = self._shown()
        inputs = {shown.name: shown, **conditions.inputs(self)}
        self._finish(conditions.packed(inputs), self._outputs(inputs))

    def call(self, inputs, training=None):
        if not isinstance(inputs, dict):
            inputs = {self.inputs[0].name: inputs}
        ranges = {k: (0, n) for k, n in conditions.input_sizes(self).items()}
        ranges["codes"] = (self.least_shown, self.num_shown)
        return self._outputs(
            {s.name: _as(s, inputs[s.name], ranges.get(s.name)) for s in self.inputs}
        )

    @property
    def num_shown(self):
        """How many codes it can be shown."""
        return self.num_embeddings

    def compute_output_spec(self, inputs, training=None):
        batch = keras.tree.flatten(inputs)[0].shape[0]
        shape = (batch, *self.output.shape[1:])
        return keras.KerasTensor(shape, dtype=self.output.dtype)

    def compute_output_shape(self, input_shape):
        while not isinstance(input_shape, list | tuple):  # of a dict, any will do
            input_shape = next(iter(input_shape.values()))
        return (input_shape[0], *self.output.shape[1:])

    def _shown(self):
        """The input beside the condition, with its name."""
        return keras.Input(self.grid_shape, dtype="int32", name="codes")

    def get_config(self):
        return conditions.config(self)

    @classmethod
    def from_config(cls, config):
        return cls(**config)


_FITTING = {
    "grid": "any but next_scale and sequence_transformer fits",
    "tokens": "transformer, rotary_transformer or maskgit fits",
    "scales": "next_scale, transformer, rotary_transformer or maskgit fits",
}


def _as(symbol, values, bounds):
    """Values of dtype and rank of a symbolic input; codes and labels are checked."""
    if bounds is None:
        values = ops.convert_to_tensor(values, dtype=symbol.dtype)
    else:
        least, size = bounds
        values = check_codes(values, size, name=symbol.name, least=least)
    if len(values.shape) == len(symbol.shape) + 1 and values.shape[-1] == 1:
        return ops.squeeze(values, axis=-1)
    return values


class Prior(GridModel):
    """A prior over the codes of a tier, given a class and the codes of the tiers above.

    Abstract. It knows what it is fitted with, what it says about codes and how it draws
    them. A subclass has `random_inputs` and, unless it draws position after position as
    `raster.Sampler` does, `sampler`.

    Args:
        grid_shape: `(height, width)` of the codes.
        num_embeddings: int, K. Number of codes.
        num_classes: int, 0 for a prior that knows no classes.
        context: sequence of `(grid shape, number of codes)` of the tiers above, top
            first, that the prior is conditioned on; `(grid shape, number of codes, V)`
            of one with V real numbers beside each code, whose grids are then what
            `ImageModel.grids` gives. Their grids divide this one.
        label_dropout: float in [0, 1). Share of the labels that are replaced during
            training by a null class, so that one prior knows codes with and without a
            label; without one it takes the null class (Ho and Salimans 2022, arXiv
            2207.12598). GAN priors do not take it. Defaults to 0.
        dtype: dtype policy. Defaults to the global policy.
        name: str or None, of the model.
    """

    # "exact": each code has a probability given the codes before it, in raster order.
    # "bound": an estimate of a lower bound. "none": it draws codes, and that is all.
    # "density": codes have a probability, and the real numbers beside them a density.
    likelihood = "none"
    # Real numbers beside each code that it is a prior of, too.
    num_values = 0
    # How codes stand that it is a prior of, of `CodingModel.layouts`.
    layouts = ("grid",)
    # Whether it fills a grid in passes, as many as `num_steps` of `sample` says.
    in_passes = False
    # Arguments of a small one, for runs that only try the way.
    smoke_options = {}

    @classmethod
    def check_layout(cls, layout, tier):
        """Raises ValueError unless it is a prior of codes that stand so.

        Args:
            layout: str, of `CodingModel.layouts`.
            tier: str, whose codes they are.
        """
        if layout not in cls.layouts:
            raise ValueError(
                f"expected a prior of {layout}, as the {tier} codes stand, received "
                f"{cls.__name__}, one of {' or '.join(cls.layouts)}: {_FITTING[layout]}"
            )

    def condition(self, labels, codes_above):
        """What this prior is conditioned on, of what there is.

        Args:
            labels: ints `(batch,)`, one int, or None.
            codes_above: sequence of int `(batch, h, w)`, top first.

        Returns:
            dict, as `log_likelihood` and `sample` take it.
        """
        condition = {}
        if self.num_classes:
            condition["label"] = labels
        if self.context:
            condition["context"] = list(codes_above)
        return condition

    def training_pair(self, arrays, tiers, seed=(0, 0)):
        """What a step of training takes. It runs in `tf.data` and on numpy arrays.

        Args:
            arrays: dict of the codes of tiers by name and, with classes, `label`.
            tiers: names of the tiers above, top first, then the prior's own.
            seed: two ints, of what is random in it; equal seeds give equal pairs.

        Returns:
            `(inputs, targets)`, or `(inputs, targets, weights)`.
        """
        del seed
        inputs = self._training_inputs(arrays, tiers)
        return conditions.packed(inputs), inputs["codes"]

    def _training_inputs(self, arrays, tiers):
        """The inputs by name, as a dict even where the codes stand alone."""
        *above, tier = tiers
        inputs = {"codes": arrays[tier]}
        if self.num_classes:
            inputs["label"] = arrays["label"]
        for index, (name, _) in enumerate(zip(above, self.context)):
            inputs[f"context_{index}"] = arrays[name]
        return inputs

    def training_loss(self):
        """The loss that it is compiled with: nats per code."""
        return keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    def log_likelihood(self, codes, condition=None):
        """Log likelihood as `likelihood` says: float64 `(batch,)`, nats; NaN for none.

        Args:
            codes: int `(batch, height, width)`, in [0, K).
            condition: dict as from `condition`, or None.
        """
        del condition
        return np.full(len(codes), np.nan)

    def log_likelihoods(self, grids, condition=None):
        """The parts of `log_likelihood`: of the codes, and of numbers beside them."""
        return (self.log_likelihood(grids, condition),)

    def grids_of(self, drawn):
        """What `sample` gave as one array, as a condition and `log_likelihood` take."""
        return drawn

    def adapt_to(self, arrays, tiers, quantizer):
        """Takes from data, before training, what it needs to know of them.

        Args:
            arrays: dict of grids of tiers by name.
            tiers: as in `training_pair`.
            quantizer: layer whose codes they are.
        """

    def settle(self, arrays, tiers):
        """Takes from held-out data, after training, what it needs to know to draw.

        Args:
            arrays: dict of grids of tiers by name and, with classes, `label`.
            tiers: as in `training_pair`.

        Returns:
            bool, whether it is another prior now.
        """
        return False

    def _logits_layer(self):
        """The last layer, in float32 whatever the others compute in."""
        return keras.layers.Dense(self.num_embeddings, dtype="float32", name="logits")

    def _whole(self, features, inputs):
        """Features of all positions behind the layers."""
        condition = conditions.features(self.conditions, inputs)
        return self._through(features, condition, lambda layer, *args: layer(*args))

    def _through(self, features, condition, step):
        """Features behind the layers; `step(layer, features)` is what one gives."""
        for block in self.blocks:
            features = step(block, features, condition)
        return features

    def sample(
        self,
        shape,
        condition=None,
        *,
        temperature=1.0,
        top_k=None,
        top_p=None,
        guidance=guides.NO_GUIDANCE,
        guidance_schedule="constant",
        seed=None,
        **options,
    ):
        """Draws codes, int32 `(batch, height, width)`.

        Args:
            shape: int, number of grids, or `(batch, height, width)`.
            condition: dict with `label`, ints `(batch,)` or one int, and `context`, the
                codes of the tiers above, as the prior has them; or None.
            temperature: float above 0, by which the logits are divided.
            top_k: int or None: only the likeliest `top_k` codes are drawn.
            top_p: float in (0, 1] or None: only the likeliest codes that together reach
                this probability are drawn.
            guidance: float of at least 0, scale of classifier-free guidance: how far
                logits move from those of no class to those of the class. 1 is the
                class alone; other scales need `label_dropout`, and two passes.
            guidance_schedule: `"constant"`, or `"linear"` or `"cosine"`: from a scale
                of 1 at the first code to `guidance` at the last one.
            seed: int or None.
            **options: of this kind of prior, see `sampler`.

        Raises:
            ValueError: if an argument is out of its range or does not fit to the prior.
        """
        batch = raster.checked_batch(self, shape)
        raster.check_choice(self, temperature, top_k, top_p)
        guides.check(self, guidance, guidance_schedule)
        is_guided = guidance != guides.NO_GUIDANCE
        schedule = guidance_schedule if is_guided else None
        sampler = self.sampler(top_k, top_p, schedule, **options)
        generator = np.random.default_rng(seed)
        inputs = {
            name: raster.random_numbers(generator, kind, (batch, *shape))
            for name, (kind, shape) in self.random_inputs(**options).items()
        }
        inputs["temperature"] = np.full((batch,), temperature, "float32")
        if is_guided:
            inputs["guidance"] = np.full((batch,), guidance, "float32")
        inputs |= conditions.arrays(self, batch, condition)
        return keras.tree.map_structure(np.asarray, sampler.predict_on_batch(inputs))

    def sampler(self, top_k=None, top_p=None, guidance_schedule=None, *, cached=True):
        """A model from random numbers, temperatures and a condition's arrays to codes.

        It is what `sample` compiles, for those who give the random numbers themselves.

        Args:
            top_k: as in `sample`.
            top_p: as in `sample`.
            guidance_schedule: as in `sample`; the model takes scales as `guidance`,
                float32 `(batch,)`, then. None is no guidance.
            cached: bool. Whether each position computes only what is new; else the
                whole network, which is what the caches are compared with.
        """
        settings = (top_k, top_p, guidance_schedule, cached)
        return raster.sampler_of(self, raster.Sampler, *settings)

    def random_inputs(self, **options):
        """What `sampler` draws from, by name: kind and shape for each grid.

        Args:
            **options: as in `sampler`.
        """
        raise NotImplementedError
