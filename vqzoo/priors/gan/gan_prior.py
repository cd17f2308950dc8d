"""What all GAN priors have in common."""

import keras
import numpy as np
from keras import ops

from vqzoo.ops import nearest_code
from vqzoo.priors import conditions, raster
from vqzoo.priors.base import GridModel, Prior
from vqzoo.priors.gan import scales


class GANPrior(Prior):
    """A prior that turns noise into a map of latents, and those into the nearest codes.

    Abstract. It is the generator alone; a critic belongs to training. A subclass calls
    `adopt`, sets `generator` and calls `_connect` in its constructor; `critic_class` is
    its opponent's, which takes the same arguments but `noise_dim`. The generator is a
    layer with `codebook` and `call(inputs, scale, fade)`; `scale` None is the whole
    grid. `num_scales` is the number of grids that it grows through.
    """

    def make_critic(self, name):
        """A new critic of the same sizes, its opponent during training."""
        sizes = {k: v for k, v in self.get_config().items() if k != "noise_dim"}
        return self.critic_class.from_config({**sizes, "name": name})

    def _shown(self):
        return keras.Input((self.noise_dim,), name="noise")

    def _outputs(self, inputs):
        return self.generator(inputs)

    def training_pair(self, arrays, tiers, seed=(0, 0)):
        """What a step of `GANTrainer` takes: codes and condition by name."""
        del seed
        return self._training_inputs(arrays, tiers)

    @property
    def codebook(self):
        """Float32 `(K, D)`, in units in which the codes have root mean square 1."""
        return self.generator.codebook

    def set_codebook(self, codebook):
        """Takes the codes of an autoencoder's tier, float `(K, D)`."""
        codebook = np.asarray(codebook, "float32")
        centered = codebook - codebook.mean(axis=0)
        scale = max(float(np.sqrt(np.mean(np.square(centered)))), 1e-12)
        self.generator.codebook.assign(centered / scale)

    def latents_of(self, codes):
        """The latents that codes `(batch, h, w)` stand for, `(batch, h, w, D)`."""
        return ops.take(self.codebook.value, codes, axis=0)

    def codes_of(self, latents):
        """The codes nearest to latents, int32 `(batch, h, w)`."""
        flat = ops.reshape(latents, (-1, self.embedding_dim))
        codes = nearest_code(flat, ops.convert_to_tensor(self.codebook.value))
        return ops.reshape(codes, ops.shape(latents)[:-1])

    def generate(self, shape, condition=None, *, seed=None, truncation=None):
        """Draws maps of latents, float32 numpy `(batch, height, width, D)`.

        Args:
            shape: int, number of maps, or `(batch, height, width)`.
            condition: dict with `label` and `context`, as `AutoregressivePrior`'s.
            seed: int or None.
            truncation: float above 0 or None: noise beyond it is drawn again.

        Raises:
            ValueError: if an argument is out of its range or does not fit to the prior.
        """
        batch = raster.checked_batch(self, shape)
        if truncation is not None and not truncation > 0:
            raise ValueError(f"expected truncation above 0, received {truncation=}")
        arrays = conditions.arrays(self, batch, condition)
        noise = _noise(seed, (batch, self.noise_dim), truncation)
        inputs = conditions.packed({"noise": noise, **arrays})
        return np.asarray(self.predict_on_batch(inputs), "float32")

    def sample(
        self,
        shape,
        condition=None,
        *,
        temperature=1.0,
        top_k=None,
        top_p=None,
        seed=None,
    ):
        """Draws codes as `Prior.sample` does, in one pass.

        The temperature is in (0, 1]: below 1, the noise is truncated at twice that many
        standard deviations. A GAN has no probabilities, so no `top_k` and no `top_p`.
        """
        if top_k is not None or top_p is not None:
            raise ValueError(
                f"expected no top_k and no top_p for a GAN, received {top_k=}, {top_p=}"
            )
        raster.check_choice(self, temperature, None, None)
        if temperature > 1:
            raise ValueError(
                f"expected a temperature in (0, 1] for a GAN, received {temperature=}"
            )
        truncation = None if temperature == 1 else 2 * temperature
        latents = self.generate(shape, condition, seed=seed, truncation=truncation)
        return ops.convert_to_numpy(self.codes_of(latents))

    def requantization_error(self, latents):
        """Mean squared distance of latents `(batch, h, w, D)` to their nearest codes.

        Returns:
            float, over D: 1 is the mean square of the codes themselves.
        """
        rounded = self.latents_of(self.codes_of(latents))
        return float(ops.mean(ops.square(rounded - latents)))

    def random_inputs(self, **options):
        del options
        return {"noise": ("normal", (self.noise_dim,))}

    def sampler(self):
        """A model from noise, temperatures and a condition's arrays to codes.

        The temperatures are not used: a GAN has no probabilities.
        """
        return raster.sampler_of(self, _Sampler)


class _Sampler(keras.Model):
    """Noise to codes."""

    def __init__(self, prior):
        super().__init__(name=f"{prior.name}_sampler", dtype="float32")
        self.prior = prior

    def call(self, inputs):
        inputs = {k: v for k, v in inputs.items() if k != "temperature"}
        latents = self.prior(conditions.packed(inputs), training=False)
        return self.prior.codes_of(latents)


class Critic(GridModel):
    """The opponent of a GAN prior while it trains: maps of latents to a score.

    Abstract. A subclass calls `adopt`, sets `critic`, a layer with
    `call(inputs, scale, fade)`, and calls `_connect` in its constructor.
    """

    def _shown(self):
        return keras.Input((*self.grid_shape, self.embedding_dim), name="latents")

    def _outputs(self, inputs):
        return self.critic(inputs)


def adopt(gan, arguments):
    """Keeps what the constructor of a generator or critic takes, checked.

    Args:
        gan: the generator or critic, before it is built.
        arguments: as in `conditions.adopt`: `grid_shape`, `num_embeddings`,
            `embedding_dim`, `channels`, and what the class adds to them.
    """
    if "label_dropout" in arguments["kwargs"]:
        raise TypeError("expected no label_dropout for a GAN, received label_dropout")
    conditions.adopt(gan, arguments)
    scales.check_scales(gan.grid_shape, gan.embedding_dim, gan.channels)
    gan.channels = tuple(gan.channels)


def _noise(seed, shape, truncation):
    generator = np.random.default_rng(seed)
    noise = generator.normal(size=shape)
    while truncation is not None and (far := np.abs(noise) > truncation).any():
        noise[far] = generator.normal(size=far.sum())
    return noise.astype("float32")
