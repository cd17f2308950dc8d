"""The settings of a prior's training run."""

import dataclasses
import inspect

from vqzoo import registry
from vqzoo.registry import parse_options
from vqzoo.training import prior_loop
from vqzoo.training.settings import Settings, setting

PRIORS = registry.names("priors")


@dataclasses.dataclass(frozen=True, kw_only=True)
class TierSettings(Settings):
    """What the runs of all priors have: a model whose codes are learned, tier by tier.

    Abstract: `PriorRecipe` and `GANRecipe` add which priors, and how they are fitted.

    Raises: ValueError: on a value that cannot work, with the name of its flag.
    """

    model: str = setting(
        "export/vqvae2_noisy/model.keras", "the trained model whose codes are learned"
    )
    tiers: tuple[str, ...] = setting(
        (), "only these tiers; no images can be drawn then; empty: all"
    )
    prior_options: tuple[str, ...] = setting(
        (),
        "arguments of the priors, name=value for all tiers or tier.name=value for one, "
        "for example num_channels=64,bottom.num_heads=0",
    )
    class_conditional: bool = setting(
        True, "condition on the class, where the data has classes"
    )
    codes_dir: str = setting(
        "", "where the codes of the data are kept; empty: a folder in --runs_dir"
    )

    def __post_init__(self):
        super().__post_init__()
        self.expect("model", self.model.endswith(".keras"), "a .keras file")
        self.options_of("")

    def check_tiers(self, tier_names):
        """Raises ValueError if a setting names a tier that the model does not have."""
        known = set(self.tiers) <= set(tier_names)
        self.expect("tiers", known, f"of {tuple(tier_names)}")
        for option in self.prior_options:
            tier, dot, _ = option.partition("=")[0].rpartition(".")
            self.expect(
                "prior_options", not dot or tier in tier_names, f"of tiers {tier_names}"
            )

    def options_of(self, tier):
        """The arguments that the prior of a tier gets: a dict."""
        options = {}
        for option in self.prior_options:
            left, _, value = option.partition("=")
            of_tier, dot, name = left.rpartition(".")
            if not dot or of_tier == tier:
                options |= parse_options([f"{name}={value}"])
        return options

    def make(self, function, what, tier, *arguments, **options):
        """What a function makes of arguments and options.

        Raises:
            ValueError: if it cannot be made, with the name of the flag.
        """
        try:
            return function(*arguments, **options)
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"{what} cannot be made for the {tier} tier with "
                f"--prior_options={','.join(self.prior_options)}: {error}"
            ) from error


@dataclasses.dataclass(frozen=True, kw_only=True)
class PriorRecipe(TierSettings):
    """Everything that decides the run of the priors of a model; each field is a flag.

    Raises: ValueError: on a value that cannot work, with the name of its flag.
    """

    prior: str = setting("pixelsnail", f"of each tier; one of {', '.join(PRIORS)}")

    def __post_init__(self):
        super().__post_init__()
        self.expect("prior", self.prior in PRIORS, f"one of {PRIORS}")

    def run(self):
        """Runs the recipe; returns the folder, as `prior_loop.run`."""
        return prior_loop.run(self)

    def shrunk(self):
        """The recipe with the numbers of a smoke run, where `smoke` is set."""
        if not self.smoke:
            return self
        return dataclasses.replace(
            self,
            epochs=min(self.epochs, 2),
            max_steps_per_epoch=min(self.max_steps_per_epoch or 3, 3),
            batch_size=min(self.batch_size, 4),
            save_steps=2,
        )

    def build_prior(self, tier, grid_shape, num_embeddings, num_classes, context):
        """The prior of a tier with new weights.

        Args:
            tier: str, its name.
            grid_shape: `(height, width)` of its codes.
            num_embeddings: int, K.
            num_classes: int, 0 for none.
            context: sequence of `(grid shape, number of codes)` of the tiers above.

        Raises:
            ValueError: if it cannot be made so, with the name of the flag.
        """
        prior = registry.find("priors", self.prior)
        options = self.options_of(tier)
        if "seed" in inspect.signature(prior).parameters:
            options.setdefault("seed", self.seed)
        if self.smoke:
            options |= prior.smoke_options
        return self.make(
            prior,
            f"--prior={self.prior}",
            tier,
            grid_shape,
            num_embeddings,
            num_classes=num_classes,
            context=context,
            name=f"{tier}_prior",
            **options,
        )
