"""The training of a prior on grids of codes that are in memory, within another run."""

from vqzoo.registry import lazily

devices = lazily("vqzoo.training.devices")
fitting = lazily("vqzoo.training.fitting")
keras = lazily("keras")
np = lazily("numpy")
splitting = lazily("vqzoo.datasets.splits")
tf = lazily("tensorflow")


def fit(recipe, run, make, grids, measure, *, epochs, strategy=None):
    """Fits a prior, or continues a fit.

    Args:
        recipe: a recipe with settings of steps, optimizer and run.
        run: `Run`, open.
        make: function to a new prior.
        grids: int32 `(N, height, width)`, -1 where there is no code.
        measure: function from the prior to a dict of floats, with `loss`.
        epochs: int.
        strategy: distribution strategy, or None.

    Returns:
        The prior of the best epoch.
    """
    split = splitting.Split(size=len(grids), load=_loader(grids), item="codes")
    steps = recipe.steps_per_epoch(split, strategy)
    keras.utils.set_random_seed(recipe.seed)
    with devices.scope(strategy):
        prior = make()
        optimizer = recipe.make_optimizer(steps * epochs)
        prior.compile(optimizer, loss=prior.training_loss())
    devices.build(prior, (grids[:1], grids[:1]), strategy)
    run.restore(prior)
    count = f"{prior.count_params():,} weights"
    fitting.say(f"{prior.name}: {count}; steps per epoch: {steps}")
    fitting.fit(
        prior,
        lambda step: fitting.endless(split, recipe.batch_size, recipe.seed, step).map(
            lambda batch: (batch["codes"], batch["codes"])
        ),
        run,
        epochs=epochs,
        steps=steps,
        measure=measure,
        **recipe.operation(),
    )
    return keras.saving.load_model(run.best_path, compile=False)


def bits(prior, grids, rows=slice(None)):
    """Bits of all codes of some rows of grids, in the mean over the grids: a float."""
    log_p = prior.log_probs(grids)[:, rows]
    return float(-log_p.sum(axis=(1, 2)).mean() / np.log(2))


def _loader(grids):
    tensor = tf.constant(grids)

    def load(indices, seed):
        return {"codes": tf.gather(tensor, indices)}

    return load
