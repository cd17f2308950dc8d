"""What all GAN priors have in common."""

import keras
import numpy as np
from keras import ops

from vqzoo.ops import nearest_code
from vqzoo.priors import conditions
from vqzoo.priors.base import Prior
from vqzoo.priors.gan import growing
from vqzoo.priors.raster import sampler_of


class GANPrior(Prior):
    """A prior that turns noise into a map of latents, and those into the nearest codes.

    Abstract. It is the generator alone; a critic belongs to training. A subclass calls
    `adopt`, sets `noise_dim` and `generator` and calls `_connect` in its constructor.
    The generator is a layer with `codebook` and `call(inputs, scale, fade)`; `scale`
    None is the whole grid. `num_scales` is the number of grids that it grows through.
    """

    def make_critic(self, name):
        """A new critic of the same sizes, its opponent while training."""
        raise NotImplementedError

    def _critic(self, critic_class, name):
        sizes = {k: v for k, v in self.get_config().items() if k != "noise_dim"}
        return critic_class.from_config({**sizes, "name": name})

    def _connect(self):
        """Builds the graph from noise and conditions to latents."""
        inputs = conditions.inputs(self)
        del inputs["codes"]
        noise = keras.Input((self.noise_dim,), name="noise")
        inputs = {"noise": noise, **inputs}
        packed = inputs if len(inputs) > 1 else noise
        super().__init__(packed, self.generator(inputs), name=self.given_name)

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
        batch = shape if isinstance(shape, int) else shape[0]
        if not isinstance(shape, int) and tuple(shape[1:]) != self.grid_shape:
            raise ValueError(
                f"expected grids of {self.grid_shape}, received shape={tuple(shape)}"
            )
        if batch < 1:
            raise ValueError(f"expected at least one grid, received {batch}")
        if truncation is not None and not truncation > 0:
            raise ValueError(f"expected truncation above 0, received {truncation=}")
        arrays = conditions.arrays(self, batch, condition)
        noise = _noise(seed, (batch, self.noise_dim), truncation)
        inputs = {"noise": noise, **arrays} if arrays else noise
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
        """Draws codes, int32 `(batch, height, width)`, in one pass.

        Args:
            shape: int, number of grids, or `(batch, height, width)`.
            condition: as for `generate`.
            temperature: float in (0, 1]: below 1, the noise is truncated at twice that
                many standard deviations.
            top_k: None; a GAN has no probabilities to choose by.
            top_p: None.
            seed: int or None.

        Raises:
            ValueError: if an argument is out of its range or does not fit to the prior.
        """
        if top_k is not None or top_p is not None:
            raise ValueError(
                f"expected no top_k and no top_p for a GAN, received {top_k=}, {top_p=}"
            )
        if not 0 < temperature <= 1:
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

    @property
    def random_inputs(self):
        """What `sampler` draws from, by name: kind and shape for each grid."""
        return {"noise": ("normal", (self.noise_dim,))}

    def sampler(self):
        """A model from noise, temperatures and a condition's arrays to codes.

        The temperatures are not used: a GAN has no probabilities.
        """
        return sampler_of(self, _Sampler)

    def get_config(self):
        """What every GAN prior's constructor takes; a subclass adds the rest."""
        return {
            **super().get_config(),
            "embedding_dim": self.embedding_dim,
            "channels": self.channels,
            "noise_dim": self.noise_dim,
        }


class _Sampler(keras.Model):
    """Noise to codes."""

    def __init__(self, prior):
        super().__init__(name=f"{prior.name}_sampler", dtype="float32")
        self.prior = prior

    def call(self, inputs):
        inputs = {k: v for k, v in inputs.items() if k != "temperature"}
        packed = inputs if len(inputs) > 1 else inputs["noise"]
        return self.prior.codes_of(self.prior(packed, training=False))


class Critic(keras.Model):
    """The opponent of a GAN prior while it trains: maps of latents to a score.

    Abstract. A subclass calls `adopt`, sets `critic`, a layer with
    `call(inputs, scale, fade)`, and calls `_connect` in its constructor.
    """

    def _connect(self):
        """Builds the graph from latents and conditions to scores."""
        inputs = conditions.inputs(self)
        del inputs["codes"]
        shape = (*self.grid_shape, self.embedding_dim)
        inputs = {"latents": keras.Input(shape, name="latents"), **inputs}
        packed = inputs if len(inputs) > 1 else inputs["latents"]
        super().__init__(packed, self.critic(inputs), name=self.given_name)

    def get_config(self):
        """What every critic's constructor takes; a subclass adds the rest."""
        return {
            **conditions.config(self),
            "embedding_dim": self.embedding_dim,
            "channels": self.channels,
        }

    @classmethod
    def from_config(cls, config):
        return cls(**config)


def adopt(
    gan,
    grid_shape,
    num_embeddings,
    embedding_dim,
    channels,
    *,
    num_classes=0,
    context=(),
    dtype=None,
    name=None,
):
    """Checks and keeps what the constructors of all generators and critics take.

    Args:
        gan: the generator or critic, before it is built.
        grid_shape: `(height, width)` of the codes.
        num_embeddings: int, K. Number of codes.
        embedding_dim: int, D, length of a code.
        channels: sequence of int, of the grids from the coarsest on; each has twice the
            sides of the one before.
        num_classes: int, 0 for none.
        context: sequence of `(grid shape, number of codes)` of the tiers above, top
            first.
        dtype: dtype policy. Defaults to the global policy.
        name: str or None, of the model.
    """
    conditions.adopt(
        gan,
        grid_shape,
        num_embeddings,
        num_classes=num_classes,
        context=context,
        dtype=dtype,
        name=name,
    )
    growing.check_scales(grid_shape, embedding_dim, channels)
    gan.embedding_dim = embedding_dim
    gan.channels = tuple(channels)


def _noise(seed, shape, truncation):
    generator = np.random.default_rng(seed)
    noise = generator.normal(size=shape)
    while truncation is not None and (far := np.abs(noise) > truncation).any():
        noise[far] = generator.normal(size=far.sum())
    return noise.astype("float32")
