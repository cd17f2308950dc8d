"""One step of a GAN: the critic, then the generator, then its average."""

import keras
from keras import ops

from vqzoo.losses.gradients import value_and_gradient
from vqzoo.priors.gan import scales
from vqzoo.training import minimizing


class GANTrainer(keras.Model):
    """Holds a generator, its critic and the generator's moving average, and fits them.

    A step moves the critic once, then the generator once. `scale` says which grid is
    trained; within a scale it fades in over the first `fade_steps` steps. Beside the
    terms of the losses a step says how many of its pairs of a real and a drawn map the
    critic ranks rightly (0.5: it cannot tell them apart), and the gates of attention.

    Args:
        generator: a GAN prior, such as `ProgressiveGAN`.
        critic: its opponent, such as `ProgressiveCritic`.
        average: a copy of `generator`; holds the moving average of its weights.
        loss: `"wgan_gp"`, or `"non_saturating"` cross-entropy without a penalty.
        gradient_penalty: float, weight of (|gradient| - 1)^2 at mixed latents.
        drift: float, weight of the mean square of the scores of real latents.
        average_decay: float in [0, 1).
        seed: int, of the noise.
    Input shape: dict of `codes` `(batch, height, width)` and the condition's arrays.
    Source: Gulrajani et al. 2017, arXiv 1704.00028; Karras et al. 2018, arXiv
        1710.10196; Goodfellow et al. 2014, arXiv 1406.2661.
    """

    def __init__(
        self,
        generator,
        critic,
        average,
        *,
        loss="wgan_gp",
        gradient_penalty=10.0,
        drift=1e-3,
        average_decay=0.999,
        seed=0,
    ):
        super().__init__(name=f"{generator.name}_trainer")
        self.generator = generator
        self.critic = critic
        self.average = average
        self.loss_name = loss
        self.gradient_penalty = gradient_penalty
        self.drift = drift
        self.average_decay = average_decay
        self.noise_seed = keras.random.SeedGenerator(seed)
        self.step = self.add_weight(
            name="step", shape=(), dtype="int", initializer="zeros", trainable=False
        )
        self.scale = 0
        self.fade_steps = 0
        self.critic_optimizer = None
        average.set_weights(generator.get_weights())
        self.built = True

    def compile(self, optimizer, critic_optimizer):
        """Takes the optimizers of generator and critic, and builds them."""
        # TensorFlow's XLA gives other numbers, and older runs go on.
        compiles = keras.backend.backend() == "jax"
        super().compile(optimizer=optimizer, jit_compile=compiles)
        self.critic_optimizer = critic_optimizer
        optimizer.build(self.generator.trainable_variables)
        critic_optimizer.build(self.critic.trainable_variables)

    @property
    def non_trainable_variables(self):
        """As of any model, and those of the critic's optimizer: what a step changes."""
        optimizer = self.critic_optimizer
        return super().non_trainable_variables + (
            optimizer.variables if optimizer else []
        )

    def begin_scale(self, scale, fade_steps):
        """Goes on with a scale, which fades in over so many steps of it."""
        self.scale = scale
        self.fade_steps = fade_steps
        self.step.assign(0)
        self.train_function = None  # Its graph is of the scale before.

    def fade(self):
        """How far the scale is in: float32 in [0, 1]."""
        if not self.fade_steps:
            return ops.ones(())
        share = ops.cast(self.step.value, "float32") / self.fade_steps
        return ops.minimum(share, 1.0)

    def train_step(self, *state_and_data):
        """Moves critic, generator and average; returns the terms of the losses.

        Keras's trainer on JAX gives state and data and takes logs and state; the others
        give data.
        """
        if keras.backend.backend() != "jax":
            return self._step(*state_and_data)
        groups = (
            self.trainable_variables,
            self.non_trainable_variables,
            self.optimizer.variables,
            self.metrics_variables,
        )
        return minimizing.stateless(self._step, groups, *state_and_data)

    def _step(self, data):
        inputs = dict(data)
        codes = inputs.pop("codes")
        batch = ops.shape(codes)[0]
        fade = self.fade()
        num_scales = self.generator.num_scales
        latents = self.generator.latents_of(codes)
        real = scales.real_at(latents, num_scales, self.scale, fade)
        fake = self._fake(inputs, fade, batch)

        def critic_loss():
            logs, beside = self._critic_terms(real, fake, inputs, fade)
            return sum(logs.values()), (logs, beside)

        def generator_loss():
            fake = self._fake(inputs, fade, batch)
            return self._generator_loss(self._score(fake, inputs, fade)), ()

        _, (logs, beside) = self._move(critic_loss, self.critic, self.critic_optimizer)
        loss, _ = self._move(generator_loss, self.generator, self.optimizer)
        self._average()
        self.step.assign_add(1)
        return {"loss": loss, **logs, "fade": fade, **beside, **self._gates()}

    def _move(self, function, network, optimizer):
        weights = network.trainable_variables
        return minimizing.minimize(function, weights, optimizer, self)

    def _fake(self, inputs, fade, batch):
        shape = (batch, self.generator.noise_dim)
        noise = keras.random.normal(shape, seed=self.noise_seed)
        inputs = {"noise": noise, **inputs}
        return self.generator.generator(
            inputs, scale=self.scale, fade=fade, training=True
        )

    def _score(self, latents, inputs, fade):
        inputs = {"latents": latents, **inputs}
        return self.critic.critic(inputs, scale=self.scale, fade=fade)

    def _gates(self):
        """How far self-attention counts: mean size of its scales, which begin at 0."""
        gates = {
            "generator_gate": self.generator.generator.gates,
            "critic_gate": self.critic.critic.gates,
        }
        sizes = {k: [ops.abs(gate.value) for gate in v] for k, v in gates.items()}
        return {
            name: ops.stop_gradient(sum(some) / len(some))
            for name, some in sizes.items()
            if some
        }

    def _critic_terms(self, real, fake, inputs, fade):
        """The terms of the critic's loss, and its accuracy, which is none."""
        of_real = self._score(real, inputs, fade)
        of_fake = self._score(fake, inputs, fade)
        # Wasserstein scores have no threshold, but an order.
        above = ops.mean(ops.cast(of_real > ops.transpose(of_fake), "float32"))
        beside = {"critic_accuracy": above}
        if self.loss_name == "non_saturating":
            return {
                "critic_real": ops.mean(ops.softplus(-of_real)),
                "critic_fake": ops.mean(ops.softplus(of_fake)),
            }, beside
        return {
            "critic_distance": ops.mean(of_fake) - ops.mean(of_real),
            "critic_penalty": self.gradient_penalty
            * self._penalty(real, fake, inputs, fade),
            "critic_drift": self.drift * ops.mean(ops.square(of_real)),
        }, beside

    def _penalty(self, real, fake, inputs, fade):
        shape = (ops.shape(real)[0], 1, 1, 1)
        share = keras.random.uniform(shape, seed=self.noise_seed)

        def total(mixed):
            return ops.sum(self._score(mixed, inputs, fade)), ()

        _, _, gradient = value_and_gradient(
            total, real + share * (fake - real), differentiable=True
        )
        square = ops.sum(ops.square(gradient), axis=(1, 2, 3))
        return ops.mean(ops.square(ops.sqrt(square + 1e-12) - 1))

    def _generator_loss(self, score):
        if self.loss_name == "non_saturating":
            return ops.mean(ops.softplus(-score))
        return -ops.mean(score)

    def _average(self):
        pairs = zip(self.average.weights, self.generator.weights)
        for average, weight in pairs:
            change = (1 - self.average_decay) * (weight.value - average.value)
            average.assign_add(change)
