"""The training of GAN priors on codes, scale after scale."""

import dataclasses
import math

import numpy as np

from vqzoo import registry
from vqzoo.registry import lazily, parse_options
from vqzoo.runs import files
from vqzoo.training.kinds import tiers
from vqzoo.training.kinds.tiers import TierRecipe
from vqzoo.training.settings import setting

callbacks = lazily("vqzoo.training.callbacks")
fitting = lazily("vqzoo.training.fitting")
keras = lazily("keras")
measures = lazily("vqzoo.measures")
ops = lazily("vqzoo.ops")
plots = lazily("vqzoo.plots")
training = lazily("vqzoo.training.gan_trainer")

LOSSES = ("wgan_gp", "non_saturating")
SPACES = ("vectors", "indices", "sorted_indices")
GANS = registry.names("priors.gan")
MAX_MAPS = 512  # generated and real maps that are compared after an epoch
SMOKE_MAPS = 8
WATCHED = {
    "critic_accuracy": "pairs that the critic ranks rightly",
    "generator_gate": "gate of attention, generator",
    "critic_gate": "gate of attention, critic",
}
_EXAMPLE = "TIER=(NUMBER,...), 1 or more each, for example bottom=(2000,4000)"


@dataclasses.dataclass(frozen=True, kw_only=True)
class GANRecipe(TierRecipe):
    """The GANs.

    Raises: ValueError: on a value that cannot work, with the name of its flag.
    """

    kind, package = "gan", "priors.gan"

    gan: str = setting(
        "progressive", f"of each tier; one of {', '.join(GANS)}", choices=GANS
    )
    gan_loss: str = setting("wgan_gp", f"one of {', '.join(LOSSES)}", choices=LOSSES)
    gan_space: str = setting(
        "vectors",
        "what a map holds: code vectors, or one channel of indices that are "
        "rounded to codes, unsorted or sorted along the codebook's main "
        "axis",
        choices=SPACES,
    )
    scale_steps: tuple[int, ...] = setting(
        (1000, 2000, 2000, 4000), "steps of each scale; the last one for all further"
    )
    tier_scale_steps: tuple[str, ...] = setting(
        (),
        "--scale_steps of single tiers, for example "
        "bottom=(2000,4000,20000); tiers may differ in their number of "
        "scales",
    )
    scale_batch_sizes: tuple[int, ...] = setting(
        (64,),
        "images per step at each scale; the last number is for all further scales",
    )
    tier_scale_batch_sizes: tuple[str, ...] = setting(
        (), "--scale_batch_sizes of single tiers, for example bottom=(64,64,16)"
    )
    measure_steps: int = setting(
        1000, "steps between two rows of history.csv", at_least=1
    )
    fade_share: float = setting(0.2, "share of a scale's steps over which it fades in")
    learning_rate: float = setting(3e-4, "learning rate of the generator's Adam")
    critic_learning_rate: float = setting(4e-4, "learning rate of the critic's Adam")
    gradient_penalty: float = setting(
        10.0, "lambda, weight of the gradient penalty", at_least=0
    )
    drift: float = setting(1e-3, "weight of the mean square of real scores", at_least=0)
    average_decay: float = setting(0.999, "decay of the generator's moving average")
    divergence_limit: float = setting(1e4, "a loss term above this stops the run")

    def __post_init__(self):
        super().__post_init__()
        for name in ("scale_steps", "scale_batch_sizes"):
            value = getattr(self, name)
            self.expect(name, value and min(value) >= 1, "1 or more each")
            for numbers in self._of_tiers(name).values():
                is_tuple = isinstance(numbers, tuple) and len(numbers) > 0
                good = is_tuple and all(isinstance(n, int) and n >= 1 for n in numbers)
                self.expect(f"tier_{name}", good, _EXAMPLE)
        for name in ("gradient_penalty", "drift"):
            used = self.gan_loss == "wgan_gp"
            self.expect_unused(name, used, "gan_loss", "wgan_gp")
        for name in ("learning_rate", "critic_learning_rate", "divergence_limit"):
            self.expect(name, getattr(self, name) > 0, "above 0")
        self.expect("fade_share", 0 <= self.fade_share <= 1, "in [0, 1]")
        self.expect("average_decay", 0 <= self.average_decay < 1, "in [0, 1)")

    def check_used(self):
        """Raises ValueError if a setting was made that the GAN ignores."""
        # What grows says its scales once its grid is known; others have one.
        grows = [g for g in GANS if registry.find("priors.gan", g).num_scales != 1]
        users = ", ".join(grows)
        self.expect_unused("fade_share", self.gan in grows, "gan", users)

    def _check_data(self, codes, strategy):
        if strategy is not None:
            raise files.RunError("GAN priors train on one device: --strategy=none")

    def _fit(self, model, codes, tier, run, strategy):
        trainer = self._trainer(model, codes, tier)
        fitting.say(
            f"{trainer.generator.name}: {trainer.generator.count_params():,} "
            f"weights, critic {trainer.critic.count_params():,}"
        )
        arrays = self._held_out(codes, "validation")

        def measure(trainer):
            prior = trainer.average
            if trainer.scale < prior.num_scales - 1:
                return {"loss": math.inf}  # Nothing to compare before the last scale.
            figures = self._figures(prior, codes, tier, arrays)
            return {"loss": figures["sliced_wasserstein"], **figures}

        for scale in range(trainer.generator.num_scales):
            part = run.part(f"scale_{scale}")
            self._fit_scale(codes, tier, trainer, scale, part, measure)
        run.save_model(trainer.average, "best")

    def _measured(self, prior, codes, tier):
        return self._figures(prior, codes, tier, self._held_out(codes, "test"))

    def _pictures(self, run):
        curves = training_curves({"": run})
        return {"critic": plots.panels(curves, "step")} if curves else {}

    def _trainer(self, model, codes, tier):
        layer = model.quantizers[list(codes.tier_shapes).index(tier)]
        codebook = _codebook(layer, self.gan_space)
        sizes = self.sizes_of(codes, tier)
        generator = self.build_prior(tier, **sizes, embedding_dim=codebook.shape[1])
        critic = generator.make_critic(f"{tier}_critic")
        average = generator.from_config(generator.get_config())
        generator.set_codebook(codebook)
        trainer = training.GANTrainer(
            generator,
            critic,
            average,
            loss=self.gan_loss,
            gradient_penalty=self.gradient_penalty,
            drift=self.drift,
            average_decay=self.average_decay,
            seed=self.seed,
        )
        trainer.compile(
            keras.optimizers.Adam(self.learning_rate, beta_1=0.0, beta_2=0.99),
            keras.optimizers.Adam(self.critic_learning_rate, beta_1=0.0, beta_2=0.99),
        )
        return trainer

    def _fit_scale(self, codes, tier, trainer, scale, run, measure):
        """Fits one scale, or the rest of it; one that is done is only restored."""
        epochs, steps, batch_size = self.of_scale(tier, scale)
        total = steps * epochs
        trainer.begin_scale(scale, int(self.fade_share * total) if scale else 0)
        run.further_optimizers = (trainer.critic_optimizer,)
        run.restore(trainer)
        if run.header["step"] >= total:
            return
        grid = " x ".join(str(n) for n in trainer.generator.generator.grids[scale])
        fitting.say(f"{tier}, {grid}: step {run.header['step']:,} of {total:,}")
        names = tiers.tiers_down_to(codes, tier)

        def batches(step):
            size = min(batch_size, codes.train.size)
            return fitting.endless(codes.train, size, self.seed + scale, step).map(
                lambda batch: trainer.generator.training_pair(batch, names)
            )

        fitting.fit(
            trainer,
            batches,
            run,
            epochs=epochs,
            steps=steps,
            measure=measure,
            watchers=[callbacks.Divergence(self.divergence_limit)],
            delivered=trainer.average,
            averaged=False,
            **self.operation(),
        )

    def _held_out(self, codes, split):
        return tiers.held_out(codes, split, SMOKE_MAPS if self.smoke else MAX_MAPS)

    def _figures(self, prior, codes, tier, arrays):
        """How what a generator draws stands to held-out codes: a dict of floats."""
        *above, _ = tiers.tiers_down_to(codes, tier)
        condition = prior.condition(
            arrays.get("label"), [arrays[name] for name in above]
        )
        latents = prior.generate(len(arrays[tier]), condition, seed=0)
        drawn = np.asarray(prior.codes_of(latents))
        real = np.asarray(prior.latents_of(arrays[tier]))
        usage = np.bincount(drawn.ravel(), minlength=codes.num_embeddings[tier])
        return {
            "sliced_wasserstein": measures.sliced_wasserstein(
                latents.reshape(len(latents), -1), real.reshape(len(real), -1)
            ),
            "requantization": prior.requantization_error(latents),
            **measures.variety(latents, real),
            "codes_used": float((usage > 0).mean()),
        }

    def smoke_numbers(self):
        """The settings that a smoke run has other values of: a dict."""
        return {
            **super().smoke_numbers(),
            "scale_steps": (4,),
            "tier_scale_steps": (),
            "tier_scale_batch_sizes": (),
            "scale_batch_sizes": (4,),
            "save_steps": min(self.save_steps, 2),
        }

    def check_tiers(self, tier_names):
        """Raises ValueError if a setting names an unknown tier, or is of no tier."""
        super().check_tiers(tier_names)
        for name in ("scale_steps", "scale_batch_sizes"):
            own, fitted = set(self._of_tiers(name)), set(self.tiers or tier_names)
            known = f"of tiers {tuple(tier_names)}"
            self.expect(f"tier_{name}", own <= set(tier_names), known)
            users = "tiers that have none of their own"
            self.expect_unused(name, fitted - own, f"tier_{name}", users)

    def of_scale(self, tier, scale):
        """`(epochs, steps of an epoch, images of a step)` of a scale of a tier."""
        steps, size = (
            numbers[min(scale, len(numbers) - 1)]
            for name in ("scale_steps", "scale_batch_sizes")
            for numbers in [self._of_tiers(name).get(tier, getattr(self, name))]
        )
        epochs = -(-steps // self.measure_steps)
        return epochs, steps // epochs, size

    def _of_tiers(self, name):
        """What a setting of scales is of single tiers: a dict of tuples."""
        try:
            return parse_options(getattr(self, f"tier_{name}"))
        except ValueError:
            self.expect(f"tier_{name}", False, _EXAMPLE)


def training_curves(runs):
    """The critic's accuracy and the gates of attention over the steps of all scales.

    Args:
        runs: dict from a name to the `Run` of GANs.

    Returns:
        dict as `plots.panels` takes, a line for each tier of each run.
    """
    groups = {}
    for name, run in runs.items():
        steps = {}
        for part in run.parts():
            tier, rows = part.path.parent.name, part.history()
            before = steps.get(tier, 0)
            for key, label in WATCHED.items():
                points = [(before + r["step"], r[key]) for r in rows if key in r]
                lines = groups.setdefault(label, {}) if points else {}
                x, y = lines.setdefault(f"{name} {tier}".strip(), ([], []))
                x += [int(step) for step, _ in points]
                y += [value for _, value in points]
            steps[tier] = before + int(rows[-1]["step"]) if rows else before
    return groups


def _codebook(layer, space):
    """What a GAN draws instead of each code, float `(K, D)`; D is 1 for indices.

    Args:
        layer: the quantizer.
        space: str, one of `SPACES`.
    """
    codebook = np.asarray(layer.codebooks[0])
    if space == "vectors":
        return codebook
    places = np.arange(len(codebook))
    if space == "sorted_indices":
        # The order says which code comes at a place; its order, at which place a code.
        places = np.argsort(np.asarray(ops.main_axis_order(codebook)))
    return places[:, None].astype("float32")
