"""One training step, one sample and one evaluation of every named model.

    python -m benchmarks.scale [--systems=vqvae2_256,pixelsnail_top_32]

Each model runs at full size in its own process. Measured are core seconds, which do not
depend on other load, and the process's peak memory. If the model's own batch does not
fit, batches of 1 and 3 are measured and the memory is extrapolated linearly.
Multiply-adds are counted in the graph of the training step, with gradients and
penalties; docs/results/scale.md says how many GPU days follow. Small models take
seconds, those of the thesis many minutes: measure these one at a time.
"""

import statistics
import time

from benchmarks import measure

RESULTS = "scale"
BATCH = 32  # default of recipes
FEW = (1, 3)  # batches for models whose own does not fit
LARGE = 96  # pixels, or codes, of a side: from there on
FFHQ, CELEBA = 70_000, 202_599
SNAIL = (64, 50 * FFHQ // 64, "50 epochs of FFHQ; table 6.1 names no steps")
# Images of a step, steps, and who says so. GANs have those of table 6.3.
PROTOCOLS = {
    "vqvae_32": (32, 10_000, "10,000 steps of 32, Sonnet's example"),
    "vqvae_128": (128, 250_000, "250,000 steps of 128, van den Oord et al. 2017"),
    "vqvae2_256": (32, 50 * CELEBA // 32, "50 epochs of CelebA, thesis figure 4.2"),
    "vqvae2_256_public": (128, 560 * FFHQ // 128, "560 epochs of FFHQ, its code"),
    "vqvae2_three_tier_256": (32, 50 * FFHQ // 32, "50 epochs of FFHQ"),
    "pixelsnail_top_32": SNAIL,
    "pixelsnail_bottom_64": SNAIL,
}


def main(flags):
    """Measures each system in a process, writes the results and the page."""
    results = measure.read(RESULTS)
    rows = results.setdefault("rows", {})
    for name in flags.systems:
        worker = measure.Worker(make, name, flags.sampling)
        rows[name] = worker()
        worker.close()
        print(name, rows[name], flush=True)
        results["machine"] = measure.machine()
        measure.write(RESULTS, results)


def systems():
    """Names of all named models, autoencoders first."""
    from vqzoo import priors
    from vqzoo.training.kinds import autoencoder

    named = [name for name in priors.__all__ if name.islower()]
    return (*autoencoder.named_models(), *named)


def make(name, sampling=True):
    """The measurement of a system: a function without arguments that returns a dict."""
    import keras

    from vqzoo import models
    from vqzoo.training import devices

    keras.utils.set_random_seed(0)
    keras.config.set_dtype_policy(devices.resolve_precision("auto"))
    if hasattr(models, name):
        return lambda: _autoencoder(name)
    if name.startswith("progressive"):
        return lambda: _gan(name)
    return lambda: _prior(name, sampling)


def _autoencoder(name):
    import keras
    import numpy as np

    from vqzoo import measures, models

    before = measure.peak_bytes()
    model = getattr(models, name)()
    model.compile(keras.optimizers.Adam(3e-4), model.training_loss())
    own = PROTOCOLS.get(name, (BATCH,))[0]

    def step(batch):
        shape = (batch, *model.image_shape)
        images = np.random.default_rng(0).uniform(-0.5, 0.5, shape)
        images = images.astype("float32")
        return lambda: model.train_on_batch(images, images)

    row = _steps(step, own, model.image_shape[0] >= LARGE, before)
    images = np.zeros((2, *model.image_shape), "float32")
    codes = measures.in_batches(model.encode, images[:1])
    draw = model.sample if model.can_sample else lambda count, seed: model.decode(codes)
    return {
        **row,
        "kind": "autoencoder",
        "weights": model.count_params(),
        "multiply_adds": _counted(model, images[:1], images[:1]),
        "sample_seconds": _seconds(lambda: draw(1, seed=0)),
        "evaluation_seconds": _seconds(
            lambda: measures.held_out_metrics(model, images)
        ),
        "phases": _phases(name, own),
        "protocol": PROTOCOLS.get(name, ("", "", ""))[2],
    }


def _prior(name, sampling):
    import keras

    from vqzoo import measures, priors

    before = measure.peak_bytes()
    prior = getattr(priors, name)()
    prior.compile(keras.optimizers.Adam(3e-4), prior.training_loss())
    own = PROTOCOLS.get(name, (64,))[0]

    def step(batch):
        inputs, targets = prior.training_pair(*_codes(prior, batch))
        return lambda: prior.train_on_batch(inputs, targets)

    row = _steps(step, own, prior.grid_shape[0] >= LARGE // 4, before)
    arrays, tiers = _codes(prior, 1)
    *above, codes = (arrays[tier] for tier in tiers)

    def draw():
        return prior.sample(1, prior.condition(None, above), seed=0)

    return {
        **row,
        "kind": "prior",
        "weights": prior.count_params(),
        "multiply_adds": _counted(prior, *prior.training_pair(arrays, tiers)),
        "sample_seconds": _seconds(draw) if sampling else None,
        "evaluation_seconds": _seconds(
            lambda: measures.prior_figures(prior, codes, None, above)
        ),
        "phases": _phases(name, own),
        "protocol": PROTOCOLS.get(name, ("", "", ""))[2],
    }


def _gan(name):
    import keras
    import numpy as np
    import tensorflow as tf

    from vqzoo import measures, priors
    from vqzoo.recipes.progressive_gan_256_prior import RECIPE
    from vqzoo.training.gan_trainer import GANTrainer

    before = measure.peak_bytes()
    prior = getattr(priors, name)()
    prior.set_codebook(np.random.default_rng(0).normal(size=prior.codebook.shape))
    trainer = GANTrainer(
        prior, prior.make_critic("critic"), prior.from_config(prior.get_config())
    )
    trainer.compile(keras.optimizers.Adam(1e-4), keras.optimizers.Adam(4e-4))
    tier = name.split("_")[2]
    phases = []
    for scale in range(prior.num_scales):
        trainer.begin_scale(scale, 0)
        epochs, steps, batch = RECIPE.of_scale(tier, scale)
        inputs = prior.training_pair(*_codes(prior, 2))
        adds = _counted(trainer, inputs) // 2
        phases.append({"steps": steps * epochs, "batch": batch, "multiply_adds": adds})

    train = tf.function(trainer.train_step)

    def step(batch):
        inputs = prior.training_pair(*_codes(prior, batch))
        inputs = tf.nest.map_structure(tf.constant, inputs)
        return lambda: train(inputs)

    row = _steps(step, batch, True, before)
    arrays, tiers = _codes(prior, 4)
    *above, codes = (arrays[tier] for tier in tiers)
    condition = prior.condition(None, above)

    def evaluated():
        latents = prior.generate(4, condition, seed=0)
        real = np.asarray(prior.latents_of(codes))
        measures.sliced_wasserstein(latents.reshape(4, -1), real.reshape(4, -1))
        prior.requantization_error(latents)

    one = prior.condition(None, [grid[:1] for grid in above])
    return {
        **row,
        "kind": "GAN",
        "weights": prior.count_params() + trainer.critic.count_params(),
        "multiply_adds": phases[-1]["multiply_adds"],
        "sample_seconds": _seconds(lambda: prior.sample(1, one, seed=0)),
        "evaluation_seconds": _seconds(evaluated),
        "phases": phases,
        "protocol": "table 6.3",
    }


def _codes(prior, batch):
    """Random codes of a prior and of the tiers above it, and the tiers' names."""
    import numpy as np

    generator = np.random.default_rng(0)
    grids = [*prior.context, (prior.grid_shape, prior.num_embeddings)]
    names = [f"tier_{index}" for index in range(len(grids))]
    return {
        name: generator.integers(0, size, (batch, *shape)).astype("int32")
        for name, (shape, size) in zip(names, grids)
    }, names


def _phases(name, own):
    """Steps of a protocol; None means the multiply-adds of the row."""
    if name not in PROTOCOLS:
        return []
    _, steps, _ = PROTOCOLS[name]
    return [{"steps": steps, "batch": own, "multiply_adds": None}]


def _steps(step, own, is_large, before):
    """Seconds and memory of a step: measured, and extrapolated to its own batch."""
    peaks = {}
    for batch in FEW if is_large else (own,):
        run = step(batch)
        run()
        taken = statistics.median(
            _core_seconds(run) for _ in range(1 if is_large else 3)
        )
        peaks[batch] = (measure.peak_bytes() - before) / 2**30
    row = {"batch": own, "measured_batch": batch, "step_seconds": taken}
    if is_large:
        few, more = FEW
        each = max(peaks[more] - peaks[few], 0) / (more - few)
        row |= {"measured_gib": peaks[more], "gib_per_image": each}
        row["gib"] = peaks[few] + (own - few) * each
    else:
        row["gib"] = row["measured_gib"] = peaks[own]
    return row


def _core_seconds(function):
    """Core seconds of one call, summed over cores."""
    began = time.process_time()
    function()
    return time.process_time() - began


def _seconds(function):
    """Core seconds of a call, after one to compile if that took under half a minute."""
    taken = _core_seconds(function)
    return _core_seconds(function) if taken < 30 else taken


def _counted(model, *data):
    """Multiply-adds of a training step, or None if they are in a loop."""
    import tensorflow as tf

    from vqzoo.measures import cost
    from vqzoo.ops import in_one_block

    data = tf.nest.map_structure(tf.constant, data if len(data) > 1 else data[0])
    with in_one_block():
        step = tf.function(model.train_step).get_concrete_function(data)
    try:
        return cost.graph_multiply_adds(step.graph)
    except ValueError:
        return None


if __name__ == "__main__":
    measure.run(
        main,
        systems=(systems(), "measured", systems()),
        sampling=(True, "off: no prior draws a sample, which takes many minutes"),
    )
