"""Top-down path of a hierarchical VAE: priors, posteriors and their divergences."""

import keras
import numpy as np
from keras import ops

from vqzoo.arguments import Configured, check_at_least, check_not_negative
from vqzoo.layers.variational import gaussian
from vqzoo.layers.variational.generative_cell import GenerativeCell
from vqzoo.ops import mean_of
from vqzoo.quantizers.base import add_state
from vqzoo.replicas import ReplicaLosses, replica_position, sum_across_replicas

# Bound of means, log scales and their changes: a scale stays within exp(-5), exp(5).
_BOUND = 5.0


@keras.saving.register_keras_serializable("vqzoo")
class LatentHierarchy(Configured, keras.layers.Layer):
    """Groups of latents over several scales, each with a prior that the last ones give.

    A state starts at a learned constant and runs from the coarsest scale to the finest.
    It names the prior of a group, and together with the encoder's features of the group
    its posterior, as a change of that prior: N(m + dm, (s * ds) ** 2) of N(m, s ** 2).
    The latents join the state, through a `GenerativeCell`. The prior of the first group
    is the standard normal. During training, latents are drawn from the posteriors; at
    inference they are the posterior means.

    In the first `warmup_steps` training steps the weight of the divergences grows in a
    line up to `beta`; balancing meanwhile weighs group l by its divergence per latent,
    gamma_l = L * (KL_l / size_l) / sum_j (KL_j / size_j), which is a constant to the
    gradient, so that groups in little use are not switched off.

    Args:
        groups_per_scale: ints, the number of groups at each scale, coarsest first.
        latent_dim: int, channels of each group's latents.
        beta: float, weight of the divergences.
        warmup_steps: int, training steps until that weight is full. 0 is none.
        kl_balancing: bool. Whether the warm-up balances the groups.
        seed: int or None, of the noise.
    Input shape: a list of features, one for each group, coarsest first, each `(batch,
        height, width, channels)`; or one tensor that all groups of one scale share.
        From scale to scale height and width double.
    Output shape: that of the last features. Latents: a tuple of float32 `(batch,
        height, width, latent_dim)`.
    Losses: weight * sum_l gamma_l * KL_l, in nats per image, a mean over the batch.
        The weight is beta and gamma is 1 after the warm-up and, whenever it is asked,
        at evaluation, so that `val_loss` compares between epochs.
    State: steps `()`, training steps up to `warmup_steps`; start `(h, w, channels)`,
        trainable; moving_mean and moving_variance of the cells.
    Raises: ValueError: if a number is out of its range, or the features do not go with
        `groups_per_scale`.
    Source: Vahdat and Kautz 2020, arXiv 2007.03898, sections 3.1 and 3.2, eq. 2,
        appendix A (thesis 2.3.4, eq. 2.10, figure 2.10). Differs: the text of the
        appendix has gamma_l grow with the size of the group; the authors' code divides
        by it, and the first of them calls the text a slip (NVlabs/NVAE, issue 26).
        Posteriors and priors start near the standard normal. Spectral regularization
        and normalizing flows are left out.
    Example:
        >>> hierarchy = LatentHierarchy((1, 2), 4)
        >>> sides = (2, 4, 4)
        >>> features = [np.ones((1, side, side, 8), "float32") for side in sides]
        >>> hierarchy(features).shape
        TensorShape([1, 4, 4, 8])
    """

    def __init__(
        self,
        groups_per_scale,
        latent_dim,
        *,
        beta=1.0,
        warmup_steps=0,
        kl_balancing=True,
        seed=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self._losses = ReplicaLosses()
        if not groups_per_scale or min(groups_per_scale) < 1:
            raise ValueError(
                "expected groups_per_scale to hold ints of at least 1, received "
                f"groups_per_scale={groups_per_scale}"
            )
        check_at_least(1, latent_dim=latent_dim)
        check_not_negative(beta=beta, warmup_steps=warmup_steps)
        self._keep(locals())
        self.seed_generator = keras.random.SeedGenerator(seed)
        counts = np.cumsum(self.groups_per_scale)
        self.num_groups = int(counts[-1])
        # The groups that a doubling of height and width stands before.
        self._doublings = counts[:-1].tolist()

    def build(self, input_shape):
        shapes = self._group_shapes(input_shape)
        self.state_shapes = [tuple(shape[1:]) for shape in shapes]
        self.start = self.add_weight(
            name="start",
            shape=self.state_shapes[0],
            initializer=keras.initializers.RandomNormal(stddev=1.0),
        )
        self.steps = add_state(self, "steps", (), "zeros")
        # One of each for a group; None where it needs none.
        self.upsamplings, self.priors = [], []
        self.posteriors, self.merges, self.cells = [], [], []
        for index, (*sides, channels) in enumerate(self.state_shapes):
            self._build_group(index, sides, channels)

    def _build_group(self, index, sides, channels):
        state, dim = (None, *sides, channels), self.latent_dim
        upsampling = prior = None
        if index in self._doublings:
            above = self.state_shapes[index - 1][-1]
            upsampling = self._convolution("upsampling", index, channels, 1)
            upsampling.build((None, *sides, above))
        if index:
            prior = self._moments_of("prior", index, 1)
            prior.build(state)
        self.upsamplings.append(upsampling)
        self.priors.append(prior)
        posterior = self._moments_of("posterior", index, 3)
        posterior.build((None, *sides, 2 * channels))
        self.posteriors.append(posterior)
        merge = self._convolution("merge", index, channels, 1)
        merge.build((None, *sides, channels + dim))
        self.merges.append(merge)
        cell = GenerativeCell(name=f"cell_{index}", dtype=self.dtype_policy)
        cell.build(state)
        self.cells.append(cell)

    def _moments_of(self, name, index, kernel_size):
        # Training starts with posteriors near the priors, and those near the standard
        # normal; else the first divergences, which grow exponentially with these
        # outputs, throw the weights far away.
        small = keras.initializers.VarianceScaling(0.01)
        return self._convolution(
            name, index, 2 * self.latent_dim, kernel_size, kernel_initializer=small
        )

    def _convolution(self, name, index, channels, kernel_size, **kwargs):
        return keras.layers.Conv2D(
            channels,
            kernel_size,
            padding="same",
            name=f"{name}_{index}",
            dtype=self.dtype_policy,
            **kwargs,
        )

    def _group_shapes(self, input_shape):
        """Shapes of the features of each group, checked."""
        if not isinstance(input_shape[0], list | tuple):
            input_shape = [input_shape] * self.num_groups
        good = len(input_shape) == self.num_groups
        for index in range(1, self.num_groups) if good else ():
            factor = 2 if index in self._doublings else 1
            above, here = input_shape[index - 1], input_shape[index]
            good = good and [factor * n for n in above[1:3]] == list(here[1:3])
        if not good:
            raise ValueError(
                f"expected features of {self.num_groups} groups, whose sides double "
                f"from scale to scale of groups_per_scale={self.groups_per_scale}, "
                f"received shapes={[tuple(s) for s in input_shape]}"
            )
        return input_shape

    def call(self, features, training=False):
        training = training and self.trainable
        seeds = [self.seed_generator] * self.num_groups if training else None
        state, _, kls = self.infer(features, seeds, training=training)
        self.add_loss(self._loss(mean_of(kls, axis=0), training))
        return state

    def compute_output_shape(self, features_shape):
        several = isinstance(features_shape[0], list | tuple)
        return tuple(features_shape[-1] if several else features_shape)

    def infer(self, features, seeds=None, *, training=False):
        """Walks down with latents from the posteriors.

        Args:
            features: as the input of the layer.
            seeds: one seed for each group, or None for the posterior means.
            training: bool, of the batch normalization.

        Returns:
            `(state, latents, kls)`: the last state, a tuple of float32 latents, and the
            divergences, float32 `(batch, groups)`, in nats.
        """
        if not isinstance(features, list | tuple):
            features = [features] * self.num_groups
        latents, kls = [], []

        def choose(index, state, mean, log_scale):
            seen = ops.cast(features[index], self.compute_dtype)
            both = ops.silu(ops.concatenate([seen, state], axis=-1))
            shift, log_factor = _moments(self.posteriors[index](both))
            kls.append(gaussian.residual_kl(shift, log_factor, log_scale))
            chosen = mean + shift
            if seeds is not None:
                scale = ops.exp(log_scale + log_factor)
                chosen = chosen + scale * gaussian.noise_like(chosen, seeds[index])
            latents.append(chosen)
            return chosen

        state = self._descend(choose, ops.shape(features[0])[0], training)
        return state, tuple(latents), ops.stack(kls, axis=1)

    def generate(self, latents):
        """The last state for a sequence of latents, one tensor for each group."""
        if len(latents) != self.num_groups:
            raise ValueError(
                f"expected latents of {self.num_groups} groups, received {len(latents)}"
            )
        return self._descend(
            lambda index, *_: latents[index], ops.shape(latents[0])[0], False
        )

    def sample(self, num_images, temperature, seeds):
        """The last state for latents from the priors.

        Args:
            num_images: int.
            temperature: float, what the standard deviation of each prior is times.
            seeds: one seed for each group.
        """

        def choose(index, state, mean, log_scale):
            noise = keras.random.normal(mean.shape, dtype="float32", seed=seeds[index])
            return mean + temperature * ops.exp(log_scale) * noise

        return self._descend(choose, num_images, False)

    def _descend(self, choose, batch, training):
        """The last state, where `choose` gives the latents of each group."""
        state = ops.cast(ops.convert_to_tensor(self.start), self.compute_dtype)
        state = ops.broadcast_to(state, (batch, *self.state_shapes[0]))
        for index in range(self.num_groups):
            if self.upsamplings[index] is not None:
                state = ops.repeat(ops.repeat(state, 2, axis=1), 2, axis=2)
                state = self.upsamplings[index](state)
            if index:
                mean, log_scale = _moments(self.priors[index](ops.silu(state)))
            else:
                shape = (batch, *self.state_shapes[0][:2], self.latent_dim)
                mean = log_scale = ops.zeros(shape, dtype="float32")
            latents = choose(index, state, mean, log_scale)
            latents = ops.cast(latents, self.compute_dtype)
            state = self.merges[index](ops.concatenate([state, latents], axis=-1))
            state = self.cells[index](state, training=training)
        return state

    def _loss(self, kls, training):
        """The loss of the mean divergences of the groups, `(groups,)`."""
        if not training or not self.warmup_steps:
            return self.beta * ops.sum(kls)
        step = ops.minimum(self.steps.value + 1, self.warmup_steps)
        self.steps.assign(step)
        progress = step / self.warmup_steps
        if self.kl_balancing:
            kls = kls * ops.where(progress < 1, self._balance(kls), 1.0)
        return self.beta * progress * ops.sum(kls)

    def _balance(self, kls):
        """gamma: the groups' shares of the divergence per latent, 1 on average."""
        sizes = [h * w * self.latent_dim for h, w, _ in self.state_shapes]
        per_latent = ops.stop_gradient(kls) / np.array(sizes, "float32")
        per_latent = sum_across_replicas(per_latent) / replica_position()[1]
        total = ops.maximum(ops.sum(per_latent), 1e-10)
        return self.num_groups * per_latent / total


def _moments(outputs):
    """Mean and log scale, float32, of a convolution's outputs, within the bound."""
    outputs = gaussian.soft_clamp(ops.cast(outputs, "float32"), _BOUND)
    return ops.split(outputs, 2, axis=-1)
