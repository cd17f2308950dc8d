"""Seconds of semantic IDs: a training step, encoding a million vectors, a start."""

import numpy as np

from benchmarks import measure, semantic_id_peers
from benchmarks import semantic_id_items as items

DIM = 64


def measure_timings(flags):
    """Paired rounds of all contestants, each in its own process: a dict."""
    sizes, rows = items.sizes(flags), {}
    for name, maker, contestants in (
        ("training step", make_step, ("vqzoo", "torch")),
        ("training step of the stages", make_stages, ("vqzoo", "torch")),
        ("start of a stage", make_start, ("vqzoo", "scikit-learn")),
        ("codes", make_encode, ("quantizer", "model", "faiss, beam of 1")),
    ):
        makers = {each: (maker, each, sizes) for each in contestants}
        taken = measure.take_turns_in_workers(makers, flags.rounds)
        rows[name] = {each: measure.spread(values) for each, values in taken.items()}
        first, *others = contestants
        rows[name]["over ours"] = {
            other: measure.ratio(taken[other], taken[first]) for other in others
        }
    vectors = _clustered(sizes.timed)
    for name in ("vqzoo", "scikit-learn"):
        centers = _start_of(name, vectors, sizes)
        rows["start of a stage"][f"{name} error"] = _error(vectors, centers)
    return rows


def make_step(name, sizes):
    """The timed training step of a contestant, as `measure.Worker` runs it."""
    vectors = _clustered(sizes.batch)
    if name == "torch":
        import torch

        torch.set_num_threads(measure.machine()["cores"])
        model = semantic_id_peers.make_model(vectors, sizes)
        rows = torch.tensor(vectors)
        optimizer = torch.optim.Adam(model["parameters"], lr=1e-3)
        return _ten(lambda: model["step"](rows, optimizer))
    import keras
    import tensorflow as tf

    model = _our_model(sizes)
    model.adapt(_clustered(20_000))
    model.compile(keras.optimizers.Adam(1e-3), "mse")
    model.make_train_function()
    batches = iter(tf.data.Dataset.from_tensors((vectors, vectors)).repeat())
    return _ten(lambda: model.train_function(batches))


def make_stages(name, sizes):
    """The timed training call of only the stages, without a gradient."""
    latents = _clustered(sizes.batch)
    if name == "torch":
        import torch

        torch.set_num_threads(measure.machine()["cores"])
        quantizer = semantic_id_peers.make_model(latents, sizes)["quantizer"].train()
        rows = torch.tensor(latents)
        return _ten(lambda: quantizer(rows))
    import tensorflow as tf

    quantizer = _our_model(sizes).quantizer
    quantizer.start_from(_clustered(20_000))
    rows = tf.constant(latents)
    step = tf.function(lambda: quantizer(rows, training=True))
    return _ten(lambda: step().numpy())


def _ten(step):
    def steps():
        for _ in range(10):
            step()

    timed = measure.repeated(steps)
    return lambda: timed() / 10


def _our_model(sizes):
    import dataclasses

    from vqzoo.recipes.semantic_ids import RECIPE

    recipe = dataclasses.replace(RECIPE, num_embeddings=sizes.codes)
    return recipe.build_model((DIM,))


def _clustered(count, seed=0):
    """Vectors around 1,000 centers, in 64 dimensions of decreasing variance."""
    generator = np.random.default_rng(seed)
    spread = np.linspace(2, 0.2, DIM)
    centers = np.random.default_rng(9).normal(size=(1000, DIM)) * spread
    noise = 0.5 * generator.normal(size=(count, DIM)) * spread
    return (centers[generator.integers(1000, size=count)] + noise).astype("float32")


def make_encode(name, sizes):
    """The timed encoding of the vectors by a contestant."""
    vectors, sample = _clustered(sizes.timed), _clustered(65_536, seed=1)
    if name.startswith("faiss"):
        import faiss

        faiss.omp_set_num_threads(measure.machine()["cores"])
        quantizer = faiss.ResidualQuantizer(
            DIM, items.STAGES, int(np.log2(sizes.codes))
        )
        quantizer.max_beam_size = int(name[-1])
        quantizer.train(sample)
        return lambda: measure.seconds(lambda: quantizer.compute_codes(vectors))
    model = _our_model(sizes)
    model.adapt(sample)
    from vqzoo.measures import inference

    parts = {"model": model.encode, "quantizer": model.quantizer.encode}
    encode = inference.compiled(parts[name])
    return lambda: measure.seconds(
        lambda: inference.in_batches(encode, vectors, batch_size=16_384)
    )


def make_start(name, sizes):
    """The timed start of a stage, in seconds."""
    vectors = _clustered(sizes.timed)
    return lambda: measure.seconds(lambda: _start_of(name, vectors, sizes))


def _start_of(name, vectors, sizes):
    if name == "vqzoo":
        from vqzoo.quantizers.k_means import cluster

        return cluster(vectors, sizes.codes)[0]
    from sklearn.cluster import MiniBatchKMeans

    means = MiniBatchKMeans(sizes.codes, n_init=1, random_state=0).fit(vectors)
    return means.cluster_centers_


def _error(vectors, centers):
    """Mean squared distance to the nearest center, over the variance."""
    from sklearn.metrics import pairwise_distances_argmin_min

    _, distances = pairwise_distances_argmin_min(
        vectors[:100_000], centers, metric="sqeuclidean"
    )
    return float(distances.mean() / vectors.var(axis=0).sum())
