"""The training of GAN priors: codes of a data set, then a GAN of each tier."""

import math

import keras
import numpy as np

from vqzoo import measures
from vqzoo.runs import files
from vqzoo.training import callbacks, fitting, prior_loop
from vqzoo.training.gan_trainer import GANTrainer

MAX_MAPS = 512  # generated and real maps that are compared after an epoch
SMOKE_MAPS = 8


def run(recipe):
    """Extracts codes, trains a GAN for each tier and leaves a folder with all of it.

    Args:
        recipe: `GANRecipe`.

    Returns:
        `pathlib.Path` of the run's folder, as that of the other priors.

    Raises:
        RunError: if the run cannot go on, for a reason that its user can mend, or the
            GAN diverges.
        Stopped: after SIGTERM or SIGINT, once the state is saved.
        ValueError: if a setting does not fit the data or the model.
    """
    if keras.backend.backend() != "tensorflow":
        raise files.RunError("GAN priors train on TensorFlow: KERAS_BACKEND=tensorflow")
    return prior_loop.run_tiers(recipe.shrunk(), _train_tier, prior_loop.extract)


def _train_tier(recipe, model, codes, tier, run, strategy):
    """Trains the GAN of a tier, or the rest of it, or nothing if it is done."""
    if strategy is not None:
        raise files.RunError("GAN priors train on one device: --strategy=none")
    keras.utils.set_random_seed(recipe.seed)
    if not run.is_finished:
        trainer = _build(recipe, model, codes, tier)
        fitting.say(
            f"{trainer.generator.name}: {trainer.generator.count_params():,} weights, "
            f"critic {trainer.critic.count_params():,}"
        )
        measure = _measure_of(recipe, codes, tier, "validation")
        for scale in range(trainer.generator.num_scales):
            _train_scale(recipe, codes, tier, trainer, scale, run, measure)
        run.save_model(trainer.artifact, "best")
        figures = _measure_of(recipe, codes, tier, "test")(trainer)
        del figures["loss"]
        run.finish({"test": figures})
    prior = keras.saving.load_model(run.best_path, compile=False)
    return prior, run.metrics()["test"]


def _build(recipe, model, codes, tier):
    layer = model.quantizers[list(codes.tier_shapes).index(tier)]
    generator, critic, average = recipe.build(
        tier,
        codebook=np.asarray(layer.codebooks[0]),
        **prior_loop.sizes_of(recipe, codes, tier),
    )
    trainer = GANTrainer(
        generator,
        critic,
        average,
        loss=recipe.gan_loss,
        gradient_penalty=recipe.gradient_penalty,
        drift=recipe.drift,
        average_decay=recipe.average_decay,
        seed=recipe.seed,
    )
    trainer.compile(
        keras.optimizers.Adam(recipe.learning_rate, beta_1=0.0, beta_2=0.99),
        keras.optimizers.Adam(recipe.critic_learning_rate, beta_1=0.0, beta_2=0.99),
    )
    return trainer


def _train_scale(recipe, codes, tier, trainer, scale, run, measure):
    """Trains one scale, or the rest of it; a scale that is done is only restored."""
    recipe, steps = recipe.of_scale(tier, scale)
    run = run.part(f"scale_{scale}")
    total = steps * recipe.epochs
    trainer.begin_scale(scale, int(recipe.fade_share * total) if scale else 0)
    run.restore(trainer)
    if run.header["step"] >= total:
        return
    grid = " x ".join(str(n) for n in trainer.generator.generator.grids[scale])
    fitting.say(f"{tier}, {grid}: step {run.header['step']:,} of {total:,}")
    tiers = prior_loop.tiers_down_to(codes, tier)

    def batches(step):
        stored = codes.train.batches(
            min(recipe.batch_size, codes.train.size),
            seed=recipe.seed + scale,
            epochs=None,
            start_step=step,
            drop_remainder=True,
        )
        return stored.map(lambda batch: trainer.generator.training_pair(batch, tiers))

    fitting.fit(
        trainer,
        batches,
        run,
        epochs=recipe.epochs,
        steps=steps,
        measure=measure,
        watchers=[callbacks.Divergence(recipe.divergence_limit)],
        averaged=False,
        **recipe.operation(),
    )


def _measure_of(recipe, codes, tier, split):
    """The function that metrics a trainer's average generator on held-out codes."""
    limit = SMOKE_MAPS if recipe.smoke else MAX_MAPS
    arrays = prior_loop.held_out(codes, split, limit)
    size = codes.num_embeddings[tier]

    def measure(trainer):
        prior = trainer.average
        if trainer.scale < prior.num_scales - 1:
            return {"loss": math.inf}  # Nothing to compare before the last scale.
        *above, _ = prior_loop.tiers_down_to(codes, tier)
        condition = prior.condition(
            arrays.get("label"), [arrays[name] for name in above]
        )
        latents = prior.generate(len(arrays[tier]), condition, seed=0)
        drawn = np.asarray(prior.codes_of(latents))
        real = np.asarray(prior.latents_of(arrays[tier]))
        distance = measures.sliced_wasserstein(
            latents.reshape(len(latents), -1), real.reshape(len(real), -1)
        )
        usage = np.bincount(drawn.ravel(), minlength=size)
        return {
            "loss": distance,
            "sliced_wasserstein": distance,
            "requantization": prior.requantization_error(latents),
            "diversity": measures.diversity(latents) / measures.diversity(real),
            "codes_used": float((usage > 0).mean()),
        }

    return measure
