"""Other libraries on the items of `benchmarks.semantic_ids`.

Residual k-means of faiss, with and without a beam, and of scikit-learn, on the vectors;
and ResidualVQ of vector-quantize-pytorch between the encoder and decoder of
`VectorVQVAE`, with the same start on main axes, steps, batches and data, but its own
k-means start and replacement of codes.
"""

import pathlib
import tempfile

import numpy as np

from benchmarks import measure
from benchmarks import semantic_id_items as items

SAMPLE = 256  # vectors per code that k-means is fitted to
# Training replaces codes with fewer vectors in a batch.
THRESHOLDS = {"codes below half of the mean": 0.5, "codes below a tenth": 0.1}


def measure_k_means(flags):
    """Residual k-means at the same bits: a dict of rows by seed."""
    import faiss

    codes = items.sizes(flags).codes
    table = items.splits(items.path_of(flags)).table
    vectors, train = table.vectors, table.vectors[table.splits["train"]]
    rows = {}
    for seed in flags.seeds:
        for name, beam in (("faiss, beam of 1", 1), ("faiss, beam of 5", 5)):
            quantizer = faiss.ResidualQuantizer(
                vectors.shape[1], items.STAGES, int(np.log2(codes))
            )
            quantizer.max_beam_size = beam
            quantizer.cp.seed = 1234 + seed
            quantizer.train(train)
            packed = quantizer.compute_codes(vectors)
            rebuilt = quantizer.decode(packed)
            found = _unpacked(packed, codes)
            rows.setdefault(name, {})[str(seed)] = items.said(found, rebuilt, flags)
        found, rebuilt = _of_scikit_learn(train, vectors, codes, seed)
        found = items.said(found, rebuilt, flags)
        rows.setdefault("scikit-learn", {})[str(seed)] = found
    return rows


def _unpacked(packed, codes):
    """Codes from faiss's bit strings, the first code in the lowest bits."""
    width = int(np.log2(codes))
    bits = np.unpackbits(packed, axis=1, bitorder="little")
    bits = bits[:, : width * items.STAGES].reshape(len(packed), items.STAGES, width)
    return (bits * 2 ** np.arange(width)).sum(axis=-1).astype("int32")


def _of_scikit_learn(train, vectors, codes, seed):
    from sklearn.cluster import KMeans

    sample = np.random.default_rng(seed).permutation(len(train))[: SAMPLE * codes]
    rest, left, found = train[sample], vectors, []
    for stage in range(items.STAGES):
        means = KMeans(codes, n_init=1, max_iter=25, random_state=seed + stage)
        means.fit(rest)
        rest = rest - means.cluster_centers_[means.predict(rest)]
        chosen = means.predict(left)
        left = left - means.cluster_centers_[chosen]
        found.append(chosen)
    return np.stack(found, axis=1).astype("int32"), vectors - left


def measure_torch(flags):
    """ResidualVQ in the same autoencoder: a dict of rows by seed."""
    table = items.splits(items.path_of(flags)).table
    vectors = table.vectors
    rows = {}
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "vectors.npz")
        np.savez(path, train=vectors[table.splits["train"]], whole=vectors)
        for seed in flags.seeds:
            for name, share in THRESHOLDS.items():
                # In its own process, as PyTorch hangs beside TensorFlow's threads.
                arguments = str(path), seed, share, items.sizes(flags)
                worker = measure.Worker(make_run, *arguments)
                codes, rebuilt, seconds = worker()
                worker.close()
                found = items.said(codes, rebuilt, flags)
                found["seconds"] = round(seconds, 1)
                rows.setdefault(name, {})[str(seed)] = found
    return rows


def make_run(path, seed, threshold, sizes):
    """The training of ResidualVQ; it gives codes, rebuilt vectors and seconds."""
    import torch

    with np.load(path) as file:
        train, whole = file["train"], file["whole"]
    torch.manual_seed(seed)
    torch.set_num_threads(measure.machine()["cores"])
    mean = train.mean(axis=0)
    scale = np.sqrt(train.var(axis=0).mean())
    given = torch.tensor((train - mean) / scale)
    model = make_model((train - mean) / scale, sizes, threshold)
    optimizer = torch.optim.Adam(model["parameters"], lr=1e-3)
    steps = sizes.epochs * (len(given) // sizes.batch)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    generator = np.random.default_rng(seed)

    def train_all():
        order = []
        for _ in range(steps):
            if len(order) < sizes.batch:
                order = generator.permutation(len(given))
            rows, order = order[: sizes.batch], order[sizes.batch :]
            model["step"](given[rows], optimizer)
            schedule.step()

    def run():
        seconds = measure.seconds(train_all)
        codes, rebuilt = model["encode"](torch.tensor((whole - mean) / scale))
        return codes, rebuilt * scale + mean, seconds

    return run


def make_model(sample, sizes, threshold=0.1):
    """The network of `VectorVQVAE` in PyTorch, started at the main axes of a sample.

    Args:
        sample: float32 `(N, D)`, of mean 0 and variance 1.
        sizes: `semantic_id_items.Sizes`.
        threshold: float, the share of the mean use below which codes are replaced.
    """
    import torch
    from torch import nn
    from vector_quantize_pytorch import ResidualVQ

    width, dim, hidden = sample.shape[1], 64, (512, 256, 128)

    def network(widths):
        layers = []
        for one, other in zip(widths, widths[1:]):
            layers += [nn.Linear(one, other), nn.ReLU()]
        layers[-2].weight.data.mul_(0.01)
        return nn.Sequential(*layers[:-1])

    encoder = network((width, *hidden, dim))
    decoder = network((dim, *hidden[::-1], width))
    axes = nn.Linear(width, dim, bias=False), nn.Linear(dim, width)
    _, vectors = np.linalg.eigh(np.cov(sample[: SAMPLE * sizes.codes].T))
    kernel = np.zeros((width, dim), "float32")
    found = vectors[:, ::-1][:, :dim]
    kernel[:, : found.shape[1]] = found
    axes[0].weight.data = torch.tensor(kernel.T.copy())
    axes[1].weight.data = torch.tensor(kernel)
    axes[1].bias.data.zero_()
    quantizer = ResidualVQ(
        dim=dim,
        num_quantizers=items.STAGES,
        codebook_size=sizes.codes,
        decay=0.99,
        kmeans_init=True,
        kmeans_iters=25,
        threshold_ema_dead_code=threshold * sizes.batch / sizes.codes,
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

    parts = {"parameters": modules.parameters(), "quantizer": quantizer}
    return {"step": step, "encode": encode, **parts}
