"""The settings of a GAN prior's training run."""

import dataclasses

from vqzoo import registry
from vqzoo.registry import parse_options
from vqzoo.training import gan_loop
from vqzoo.training.prior_recipe import TierSettings
from vqzoo.training.settings import setting

LOSSES = ("wgan_gp", "non_saturating")
GANS = registry.names("priors.gan")
STEPS_A_MEASUREMENT = 1000


@dataclasses.dataclass(frozen=True, kw_only=True)
class GANRecipe(TierSettings):
    """Everything that decides the run of the GAN priors of a model; each a flag.

    Raises: ValueError: on a value that cannot work, with the name of its flag.
    """

    gan: str = setting("progressive", f"of each tier; one of {', '.join(GANS)}")
    gan_loss: str = setting("wgan_gp", f"one of {', '.join(LOSSES)}")
    scale_steps: tuple[int, ...] = setting(
        (1000, 2000, 2000, 4000), "steps of each scale; the last one for all further"
    )
    tier_scale_steps: tuple[str, ...] = setting(
        (),
        "--scale_steps of single tiers, which may have other numbers of scales, for "
        "example bottom=(2000,4000,20000)",
    )
    scale_batch_sizes: tuple[int, ...] = setting(
        (64,), "images of a step at each scale; the last one for all further"
    )
    fade_share: float = setting(0.2, "part of a scale's steps in which it fades in")
    critic_learning_rate: float = setting(4e-4, "of the critic's Adam")
    gradient_penalty: float = setting(10.0, "lambda, weight of the gradient penalty")
    drift: float = setting(1e-3, "weight of the mean square of real scores")
    average_decay: float = setting(0.999, "of the generator's moving average")
    divergence_limit: float = setting(1e4, "a loss term beyond it stops the run")

    def __post_init__(self):
        super().__post_init__()
        self.expect("gan", self.gan in GANS, f"one of {GANS}")
        self.expect("gan_loss", self.gan_loss in LOSSES, f"one of {LOSSES}")
        for name in ("scale_steps", "scale_batch_sizes"):
            value = getattr(self, name)
            self.expect(name, value and min(value) >= 1, "1 or more each")
        text = "TIER=(STEPS,...), 1 or more each, for example bottom=(2000,4000)"
        try:
            of_tiers = parse_options(self.tier_scale_steps).values()
        except ValueError:
            of_tiers = [None]
        for steps in of_tiers:
            is_tuple = isinstance(steps, tuple) and len(steps) > 0
            good = is_tuple and all(isinstance(n, int) and n >= 1 for n in steps)
            self.expect("tier_scale_steps", good, text)
        for name in ("gradient_penalty", "drift"):
            self.expect(name, getattr(self, name) >= 0, "0 or more")
        for name in ("critic_learning_rate", "divergence_limit"):
            self.expect(name, getattr(self, name) > 0, "above 0")
        self.expect("fade_share", 0 <= self.fade_share <= 1, "in [0, 1]")
        self.expect("average_decay", 0 <= self.average_decay < 1, "in [0, 1)")

    def run(self):
        """Runs the recipe; returns the folder, as `gan_loop.run`."""
        return gan_loop.run(self)

    def shrunk(self):
        """The recipe with the numbers of a smoke run, where `smoke` is set."""
        if not self.smoke:
            return self
        return dataclasses.replace(
            self,
            batch_size=4,
            scale_steps=(4,),
            tier_scale_steps=(),
            scale_batch_sizes=(4,),
            save_steps=min(self.save_steps, 2),
        )

    def check_tiers(self, tier_names):
        """Raises ValueError if a setting names a tier that the model does not have."""
        super().check_tiers(tier_names)
        known = set(parse_options(self.tier_scale_steps)) <= set(tier_names)
        self.expect("tier_scale_steps", known, f"of tiers {tuple(tier_names)}")

    def of_scale(self, tier, scale):
        """`(recipe, steps)`: what `fit` does at a scale, and steps of its epochs."""
        of_tier = parse_options(self.tier_scale_steps)
        of_scales = of_tier.get(tier, self.scale_steps)
        steps = of_scales[min(scale, len(of_scales) - 1)]
        sizes = self.scale_batch_sizes
        epochs = -(-steps // STEPS_A_MEASUREMENT)
        recipe = dataclasses.replace(
            self, epochs=epochs, batch_size=sizes[min(scale, len(sizes) - 1)]
        )
        return recipe, steps // epochs

    def build(self, tier, grid_shape, num_embeddings, codebook, num_classes, context):
        """Generator, critic and a copy of the generator, of a tier.

        Args:
            tier: str, its name.
            grid_shape: `(height, width)` of its codes.
            num_embeddings: int, K.
            codebook: float `(K, D)`.
            num_classes: int, 0 for none.
            context: sequence of `(grid shape, number of codes)` of the tiers above.

        Raises:
            ValueError: if they cannot be made so, with the name of the flag.
        """
        gan = registry.find("priors.gan", self.gan)
        options = self.options_of(tier)
        if self.smoke:
            options |= gan.smoke_options
        generator = self.make(
            gan,
            f"--gan={self.gan}",
            tier,
            grid_shape,
            num_embeddings,
            codebook.shape[1],
            num_classes=num_classes,
            context=context,
            name=f"{tier}_prior",
            **options,
        )
        critic = generator.make_critic(f"{tier}_critic")
        average = gan.from_config(generator.get_config())
        generator.set_codebook(codebook)
        return generator, critic, average
