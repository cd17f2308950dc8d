"""The training of priors on codes, on `compile` and `fit`."""

import dataclasses
import inspect

import numpy as np

from vqzoo import registry
from vqzoo.registry import lazily
from vqzoo.training.kinds import tiers
from vqzoo.training.kinds.tiers import TierRecipe
from vqzoo.training.settings import OptimizerSettings, StepSettings, setting

devices = lazily("vqzoo.training.devices")
fitting = lazily("vqzoo.training.fitting")
keras = lazily("keras")
measures = lazily("vqzoo.measures")

PRIORS = registry.names("priors")
MAX_VALIDATION_GRIDS = 2048
SMOKE_GRIDS = 16


@dataclasses.dataclass(frozen=True, kw_only=True)
class PriorRecipe(TierRecipe, StepSettings, OptimizerSettings):
    """The priors.

    Raises: ValueError: on a value that cannot work, with the name of its flag.
    """

    kind, package = "prior", "priors"

    prior: str = setting(
        "pixelsnail", f"of each tier; one of {', '.join(PRIORS)}", choices=PRIORS
    )

    @property
    def takes_values(self):
        return self._takes("num_values")

    def _takes(self, argument):
        made = registry.find(self.package, self.prior)
        return argument in inspect.signature(made).parameters

    def _check_data(self, codes, strategy):
        self.steps_per_epoch(codes.train, strategy)

    def _fit(self, model, codes, tier, run, strategy):
        names = tiers.tiers_down_to(codes, tier)
        limit = SMOKE_GRIDS if self.smoke else MAX_VALIDATION_GRIDS
        validation = tiers.held_out(codes, "validation", limit)

        def measure(prior):
            figures = _figures(prior, names, validation)
            loss = figures.get("nats_per_place", figures["bits_per_code"] * np.log(2))
            return {"loss": loss, **figures}

        steps = self.steps_per_epoch(codes.train, strategy)
        layer = model.quantizers[model.tier_names.index(tier)]
        sizes = self.sizes_of(codes, tier)
        if self._takes("grids"):
            sizes["grids"] = layer.scales.grids
        with devices.scope(strategy):
            prior = self.build_prior(tier, **sizes)
            optimizer = self.make_optimizer(steps * self.epochs)
            prior.compile(optimizer, loss=prior.training_loss())
        some = tiers.held_out(codes, "train", limit)
        prior.adapt_to(some, names, layer)
        arrays = {name: array[:1] for name, array in some.items()}
        devices.build(prior, prior.training_pair(arrays, names), strategy)
        count = f"{prior.count_params():,} weights"
        fitting.say(f"{prior.name}: {count}; steps per epoch: {steps}")
        run.restore(prior)

        def batches(step):
            stored = fitting.endless(codes.train, self.batch_size, self.seed, step)
            # The number of a step seeds what is random in it, so that a run that goes
            # on sees what it would have seen.
            return stored.enumerate(start=step).map(
                lambda number, batch: prior.training_pair(
                    batch, names, (self.seed, number)
                )
            )

        fitting.fit(
            prior,
            batches,
            run,
            epochs=self.epochs,
            steps=steps,
            measure=measure,
            **self.operation(),
        )

    def _measured(self, prior, codes, tier):
        test = tiers.held_out(codes, "test", SMOKE_GRIDS if self.smoke else None)
        train = codes.arrays("train")[tier]
        size = codes.num_embeddings[tier]
        own = codes.arrays("test")[tier][: len(test[tier])]
        return {
            **_figures(prior, tiers.tiers_down_to(codes, tier), test),
            "unigram_bits_per_code": measures.unigram_bits(train, own, size),
            "raw_bits_per_code": float(np.log2(size)),
            "codes": int(np.prod(codes.tier_shapes[tier])),
            "weights": prior.count_params(),
        }


def _figures(prior, tiers, arrays):
    """What the last of these tiers needs under its prior."""
    *above, grids = (arrays[name] for name in tiers)
    return measures.prior_figures(prior, grids, arrays.get("label"), above)
