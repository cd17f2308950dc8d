"""Semantic IDs of image features, beside residual k-means and its libraries.

100,000 vectors: what a classifier that is trained here sees of the 60,000 images of
CIFAR-10 and of 40,000 of them mirrored. Each part adds its figures to
results/semantic_ids.json, so that parts can run one by one:

    python -m benchmarks.semantic_ids --cifar10=PATH --parts=features,ours,peers

- `features`: trains the classifier and writes the vectors to --vectors.
- `ours`: the recipe `semantic_ids` with three seeds; `torch`: ResidualVQ of
  vector-quantize-pytorch between the same encoder and decoder, with the same start on
  main axes, steps, batches and data, and its k-means start and replaced codes.
- `peers`: residual k-means of faiss, its residual quantizer, and scikit-learn, on the
  vectors themselves, at the same 24 bits.
- `noise`: the noisy assignment of the last stage; `stability`: another seed, and 10 %
  new items from a warm start and from none; `options`: beams, reassigned last codes.
- `timings`: a training step, codes of 1,000,000 vectors and the start of a stage.

It needs faiss-cpu, torch and vector-quantize-pytorch for what is theirs.
"""

import dataclasses
import functools
import pathlib
import tempfile

import numpy as np

from benchmarks import measure

STAGES, CODES, SEEDS = 3, 256, (0, 1, 2)
BATCH, EPOCHS = 1024, 8
MILLION, DIM = 1_000_000, 64
PARTS = ("features", "ours", "torch", "peers", "noise", "stability", "options")
PARTS += ("timings",)


def main(flags):
    """Measures the parts and writes semantic_ids.json after each."""
    results = measure.read("semantic_ids")
    results["machine"] = measure.machine()
    for part in flags.parts:
        found = globals()[f"_{part}"](flags)
        results |= {part: found} if found else {}
        measure.write("semantic_ids", results)
        print(part, found, flush=True)


def _features(flags):
    from vqzoo import datasets
    from vqzoo.measures import judge

    splits = datasets.load("folder", data_dir=flags.cifar10, image_size=32)
    parts = [split.arrays() for split in (splits.train, splits.validation, splits.test)]
    images, labels = (np.concatenate(each) for each in zip(*parts))
    count = len(parts[0][0])
    small = {"filters": (32, 64), "steps": 600}
    classifier = judge.fit_classifier(images[:count], labels[:count], 10, **small)
    mirrored = images[: 100_000 - len(images), :, ::-1]
    vectors = [classifier.features(each) for each in (images, mirrored)]
    np.save(flags.vectors, np.concatenate(vectors).astype("float32"))
    accuracy = classifier.accuracy(parts[2][0], parts[2][1])
    return {"accuracy": accuracy, "shape": list(np.load(flags.vectors).shape)}


def _recipe(flags, runs_dir, **changes):
    from vqzoo.recipes.semantic_ids import RECIPE

    chosen = {
        "dataset": "arrays",
        "data_dir": flags.vectors,
        "runs_dir": runs_dir,
        "epochs": EPOCHS,
        "batch_size": BATCH,
        "tensorboard": False,
        "save_steps": 10_000,
    }
    return dataclasses.replace(RECIPE, **{**chosen, **changes})


@functools.cache
def _splits(path):
    from vqzoo.datasets.vectors import load_vectors

    return load_vectors("arrays", data_dir=path)


def _parts(flags):
    """Vectors of the training split and of the test split."""
    table = _splits(flags.vectors).table
    return [table.vectors[table.splits[split]] for split in ("train", "test")]


def _codes(model, vectors):
    from vqzoo.measures import identifiers, inference

    encoded = inference.in_batches(
        inference.compiled(model.encode), vectors, batch_size=4096
    )
    return identifiers.flat_codes(encoded)


def _said(codes, rebuilt, flags):
    """What is compared: IDs of all vectors, error of those of the test split."""
    from vqzoo.measures import identifiers

    splits = _splits(flags.vectors)
    vectors, test = splits.table.vectors, splits.table.splits["test"]
    variance = float(vectors.var(axis=0).mean())
    found = identifiers.id_metrics(codes, vectors, CODES)
    names = ("unique", "collisions_per_1000", "largest_group", "recall")
    return {
        **{name: found[name] for name in names},
        "least_usage": min(found[f"usage_{level + 1}"] for level in range(STAGES)),
        "least_entropy": min(found[f"entropy_{level + 1}"] for level in range(STAGES)),
        **identifiers.vector_error(vectors[test], rebuilt[test], variance),
    }


def _trained(flags, runs_dir, **changes):
    """The model of a run, the IDs of all vectors, what is said of them, seconds."""
    import vqzoo

    runs = []
    seconds = measure.seconds(
        lambda: runs.append(_recipe(flags, runs_dir, **changes).run())
    )
    model = vqzoo.load(runs[0]).model
    vectors = _splits(flags.vectors).table.vectors
    codes = _codes(model, vectors)
    rebuilt = np.asarray(model.decode(codes))
    said = {**_said(codes, rebuilt, flags), "seconds": round(seconds, 1)}
    return model, codes, said, str(runs[0])


def _ours(flags):
    with tempfile.TemporaryDirectory() as folder:
        return {
            str(seed): _trained(flags, folder, seed=seed)[2] for seed in flags.seeds
        }


def _noise(flags):
    """Of the noise of the last stage, what neighbors within its digit are found."""
    from vqzoo.measures import identifiers

    vectors = _splits(flags.vectors).table.vectors
    queries = np.random.default_rng(0).permutation(len(vectors))[:1000]
    neighbors = identifiers.nearest_items(vectors, queries)
    rows = {}
    with tempfile.TemporaryDirectory() as folder:
        for sigma in flags.sigmas:
            options = ("num_stages=3", f"stage_noise=(0.0,0.0,{sigma})")
            chosen = options if sigma else options[:1]
            _, codes, said, _ = _trained(flags, folder, quantizer_options=chosen)
            digits = identifiers.last_digit_recall(codes, queries, neighbors)
            rows[str(sigma)] = {**said, **digits}
    return rows


def _stability(flags):
    """Shares of the same items whose codes changed: of 1, 2, 3 codes."""
    from vqzoo import ids

    vectors = _splits(flags.vectors).table.vectors
    old = int(0.9 * len(vectors))
    with tempfile.TemporaryDirectory() as folder:
        before = pathlib.Path(folder, "before.npy")
        np.save(before, vectors[:old])
        _, first, _, run = _trained(flags, folder, data_dir=str(before))
        _, other, _, _ = _trained(flags, folder, data_dir=str(before), seed=1)
        _, again, fresh, _ = _trained(flags, folder)
        kept = {"start": run, "epochs": 2, "learning_rate": 1e-4}
        _, warm, said, _ = _trained(flags, folder, **kept)
    return {
        "another seed": ids.changed(first[:old], other[:old]),
        "10 % new items, anew": ids.changed(first[:old], again[:old]),
        "10 % new items, warm start": ids.changed(first[:old], warm[:old]),
        "of all items, anew": fresh,
        "of all items, warm start": said,
    }


def _options(flags):
    from vqzoo import ids
    from vqzoo.training.kinds.vectors import CostsOfLastCodes

    vectors = _splits(flags.vectors).table.vectors
    rows = {}
    with tempfile.TemporaryDirectory() as folder:
        model, codes, rows["nearest codes"], _ = _trained(flags, folder)
        for width in (4, 16):
            model.quantizer.beam_width = width
            found = _codes(model, vectors)
            rows[f"beam of {width}"] = _said(
                found, np.asarray(model.decode(found)), flags
            )
        model.quantizer.beam_width = 1
        costs = CostsOfLastCodes(model, vectors)
        found = ids.reassign(codes, costs, CODES, ids.distinct(vectors))
        rows["last codes reassigned"] = _said(
            found, np.asarray(model.decode(found)), flags
        )
        for name, option in (
            ("balanced last stage", "balanced=True"),
            ("shared codebook", "shared=True"),
        ):
            options = ("num_stages=3", option)
            rows[name] = _trained(flags, folder, quantizer_options=options)[2]
    return rows


def _peers(flags):
    """Residual k-means at the same bits: what comes back of the vectors themselves."""
    import faiss

    train, _ = _parts(flags)
    vectors = _splits(flags.vectors).table.vectors
    rows = {}
    for seed in flags.seeds:
        for name, beam in (("faiss, beam of 1", 1), ("faiss, beam of 5", 5)):
            quantizer = faiss.ResidualQuantizer(vectors.shape[1], STAGES, 8)
            quantizer.max_beam_size = beam
            quantizer.cp.seed = 1234 + seed
            quantizer.train(train)
            codes = quantizer.compute_codes(vectors)
            said = _said(codes.astype("int32"), quantizer.decode(codes), flags)
            rows.setdefault(name, {})[str(seed)] = said
        codes, rebuilt = _residual_k_means(train, vectors, seed)
        rows.setdefault("scikit-learn", {})[str(seed)] = _said(codes, rebuilt, flags)
    return rows


def _residual_k_means(train, vectors, seed):
    from sklearn.cluster import KMeans

    sample = np.random.default_rng(seed).permutation(len(train))[: 256 * CODES]
    rest, left, codes = train[sample], vectors, []
    for stage in range(STAGES):
        means = KMeans(CODES, n_init=1, max_iter=25, random_state=seed + stage)
        means.fit(rest)
        rest = rest - means.cluster_centers_[means.predict(rest)]
        found = means.predict(left)
        left = left - means.cluster_centers_[found]
        codes.append(found)
    return np.stack(codes, axis=1).astype("int32"), vectors - left


def _torch(flags):
    train, _ = _parts(flags)
    rows = {}
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "vectors.npz")
        np.savez(path, train=train, whole=_splits(flags.vectors).table.vectors)
        for seed in flags.seeds:
            # In a process of its own: beside TensorFlow's threads PyTorch's hang.
            worker = measure.Worker(make_torch_run, str(path), seed)
            codes, rebuilt, seconds = worker()
            worker.close()
            said = _said(codes, rebuilt, flags)
            rows[str(seed)] = {**said, "seconds": round(seconds, 1)}
    return rows


def make_torch_run(path, seed):
    """The training of ResidualVQ; it gives codes, rebuilt vectors and seconds."""
    import torch

    with np.load(path) as file:
        train, whole = file["train"], file["whole"]
    torch.manual_seed(seed)
    torch.set_num_threads(measure.machine()["cores"])
    mean = train.mean(axis=0)
    scale = np.sqrt(train.var(axis=0).mean())
    given = torch.tensor((train - mean) / scale)
    model = _torch_model(train.shape[1], (train - mean) / scale)
    optimizer = torch.optim.Adam(model["parameters"], lr=1e-3)
    steps = EPOCHS * (len(given) // BATCH)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    generator = np.random.default_rng(seed)

    def train_all():
        order = []
        for _ in range(steps):
            if len(order) < BATCH:
                order = generator.permutation(len(given))
            rows, order = order[:BATCH], order[BATCH:]
            model["step"](given[rows], optimizer)
            schedule.step()

    def run():
        seconds = measure.seconds(train_all)
        codes, rebuilt = model["encode"](torch.tensor((whole - mean) / scale))
        return codes, rebuilt * scale + mean, seconds

    return run


def _torch_model(width, sample):
    """The network of `VectorVQVAE` in PyTorch, from the main axes of the sample on."""
    import torch
    from torch import nn
    from vector_quantize_pytorch import ResidualVQ

    dim, hidden = 64, (512, 256, 128)

    def network(sizes):
        layers = []
        for one, other in zip(sizes, sizes[1:]):
            layers += [nn.Linear(one, other), nn.ReLU()]
        layers[-2].weight.data.mul_(0.01)
        return nn.Sequential(*layers[:-1])

    encoder = network((width, *hidden, dim))
    decoder = network((dim, *hidden[::-1], width))
    axes = nn.Linear(width, dim, bias=False), nn.Linear(dim, width)
    _, vectors = np.linalg.eigh(np.cov(sample[: 256 * CODES].T))
    kernel = np.zeros((width, dim), "float32")
    found = vectors[:, ::-1][:, :dim]
    kernel[:, : found.shape[1]] = found
    axes[0].weight.data = torch.tensor(kernel.T.copy())
    axes[1].weight.data = torch.tensor(kernel)
    axes[1].bias.data.zero_()
    quantizer = ResidualVQ(
        dim=dim,
        num_quantizers=STAGES,
        codebook_size=CODES,
        decay=0.99,
        kmeans_init=True,
        kmeans_iters=25,
        threshold_ema_dead_code=2,
        commitment_weight=0.25,
    )
    modules = nn.ModuleList([encoder, decoder, *axes, quantizer])

    def rebuild(rows):
        quantized, codes, losses = quantizer(axes[0](rows) + encoder(rows))
        return axes[1](quantized) + decoder(quantized), codes, losses

    def step(rows, optimizer):
        modules.train()
        rebuilt, _, losses = rebuild(rows)
        loss = nn.functional.mse_loss(rebuilt, rows) + losses.sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    def encode(rows):
        modules.eval()
        with torch.no_grad():
            parts = [rebuild(part) for part in rows.split(4096)]
        codes = np.concatenate([part[1].numpy() for part in parts])
        return codes.astype("int32"), np.concatenate([p[0].numpy() for p in parts])

    return {"step": step, "encode": encode, "parameters": modules.parameters()}


def make_step(name):
    """The timed training step of a contestant, as `measure.Worker` runs it."""
    vectors = _clustered(BATCH)
    if name == "torch":
        import torch

        torch.set_num_threads(measure.machine()["cores"])
        model, rows = _torch_model(DIM, vectors), torch.tensor(vectors)
        optimizer = torch.optim.Adam(model["parameters"], lr=1e-3)
        return _ten(lambda: model["step"](rows, optimizer))
    import keras
    import tensorflow as tf

    model = _our_model()
    model.adapt(_clustered(20_000))
    model.compile(keras.optimizers.Adam(1e-3), "mse")
    step = model.make_train_function()
    batches = iter(tf.data.Dataset.from_tensors((vectors, vectors)).repeat())
    return _ten(lambda: step(batches))


def _ten(step):
    def steps():
        for _ in range(10):
            step()

    timed = measure.repeated(steps)
    return lambda: timed() / 10


def _our_model():
    from vqzoo.recipes.semantic_ids import RECIPE

    return RECIPE.build_model((DIM,))


def _clustered(count, seed=0):
    """Vectors about 1,000 centers, in 64 dimensions of falling variance."""
    generator = np.random.default_rng(seed)
    spread = np.linspace(2, 0.2, DIM)
    centers = np.random.default_rng(9).normal(size=(1000, DIM)) * spread
    noise = 0.5 * generator.normal(size=(count, DIM)) * spread
    return (centers[generator.integers(1000, size=count)] + noise).astype("float32")


def make_encode(name):
    """The timed encoding of a million vectors by a contestant."""
    vectors, sample = _clustered(MILLION), _clustered(65_536, seed=1)
    if name.startswith("faiss"):
        import faiss

        faiss.omp_set_num_threads(measure.machine()["cores"])
        quantizer = faiss.ResidualQuantizer(DIM, STAGES, 8)
        quantizer.max_beam_size = int(name[-1])
        quantizer.train(sample)
        return lambda: measure.seconds(lambda: quantizer.compute_codes(vectors))
    model = _our_model()
    model.adapt(sample)
    from vqzoo.measures import inference

    parts = {"model": model.encode, "quantizer": model.quantizer.encode}
    encode = inference.compiled(parts[name])
    return lambda: measure.seconds(
        lambda: inference.in_batches(encode, vectors, batch_size=16_384)
    )


def make_start(name):
    """The timed start of a stage; the figure of a round is its seconds."""
    vectors = _clustered(MILLION)
    return lambda: measure.seconds(lambda: _start_of(name, vectors))


def _start_of(name, vectors):
    if name == "vqzoo":
        from vqzoo.quantizers.k_means import cluster

        return cluster(vectors, CODES)[0]
    from sklearn.cluster import MiniBatchKMeans

    means = MiniBatchKMeans(CODES, n_init=1, random_state=0).fit(vectors)
    return means.cluster_centers_


def _timings(flags):
    rounds = flags.rounds
    rows = {}
    for name, maker, contestants in (
        ("training step", make_step, ("vqzoo", "torch")),
        ("start of a stage", make_start, ("vqzoo", "sklearn")),
        ("codes of 1,000,000", make_encode, ("model", "quantizer", "faiss1", "faiss5")),
    ):
        makers = {each: (maker, each) for each in contestants}
        taken = measure.take_turns_in_workers(makers, rounds)
        rows[name] = {each: measure.spread(values) for each, values in taken.items()}
        first, *others = contestants
        rows[name]["over ours"] = {
            other: measure.ratio(taken[other], taken[first]) for other in others
        }
    vectors = _clustered(MILLION)
    for name in ("vqzoo", "sklearn"):
        centers = _start_of(name, vectors)
        rows["start of a stage"][f"{name} error"] = _inertia(vectors, centers)
    return rows


def _inertia(vectors, centers):
    """Mean squared distance to the nearest center, over the variance."""
    from sklearn.metrics import pairwise_distances_argmin_min

    _, distances = pairwise_distances_argmin_min(
        vectors[:100_000], centers, metric="sqeuclidean"
    )
    variance = vectors.var(axis=0).sum()
    return float(distances.mean() / variance)


if __name__ == "__main__":
    measure.run(
        main,
        cifar10=("../shared/data/cifar10_jpeg.tar.xz", "archive of the images"),
        vectors=("cifar10_features.npy", "file of the vectors"),
        parts=(PARTS, "what is measured"),
        seeds=(SEEDS, "of the trainings"),
        sigmas=((0.0, 0.5, 1.0, 2.0), "of the noise of the last stage"),
        rounds=(3, "of the timings"),
    )
