"""All quantizers in one network: quality, usage, speed and memory beside each other.

    python -m benchmarks.quantizers --data_dir=cifar10.tar.xz [--sizes 64 1024]

Each row trains the same small VQ-VAE (f = 4, 64 hidden channels, 2 residual blocks of
16) from the same seed on the same batches for the same number of steps, with one
quantizer and one number of codes K, in a process of its own. What is in the results
already is not run again, so that the table can be made in pieces, also by several
processes with other rows: two of them, each on a core of its own (`taskset -c 0`), are
faster than one on two cores. About a minute a row of up to 1,024 codes, several where
65,536 are searched. `--noise 0 0.5 1 1.5` trains the quantizers whose codes have an
order with noise on their indices.

Bits are those of one latent: log2 K for each of its indices. Images a second are the
median over the steps after the first 20; memory is the peak of the process above what
it held before the model was made. `--speed` takes these two anew for the rows that
there are, on a machine that does nothing else. Usage and perplexity are those of a
codebook on all test images, the mean where a latent has several; heads that share one
count together. Ordering is the mean distance of codes with neighboring indices over
that of random pairs; the probe is linear, on the indices as numbers, where images have
classes. `--results` keeps other steps and other data in a file of their own.
"""

import argparse
import multiprocessing
import pathlib
import re
import statistics
import tempfile
import time

import numpy as np

from benchmarks import measure

BATCH_SIZE, LEARNING_RATE = 64, 1e-3
SIZES = (64, 1024, 16_384, 65_536)
QUANTIZERS = (
    "gradient",
    "batch_normalized",
    "ema",
    "cosine",
    "rotation",
    "stochastic",
    "low_dimensional",
    "sim_vq",
    "ibq",
    "fsq",
    "lfq",
    "binary_spherical",
    "latent",
    "soft",
    "gumbel",
    "multi_head",
    "residual",
    "grouped_residual",
    "residual_fsq",
)
# The soft ones hold N x K values with their gradients.
LARGEST = {"soft": 1024, "gumbel": 1024, "ibq": 16_384}
WITH_ORDER = ("ema", "residual", "fsq", "sim_vq")
WARM_UP_STEPS = 20


def main():
    """Trains what is missing, writes the results after each row, prints the table."""
    flags = _flags()
    rows = measure.Rows(flags.results, _settings(flags))
    with tempfile.TemporaryDirectory() as folder:
        for key, job in _jobs(flags).items():
            if (key in rows) != flags.speed:
                continue
            _cache(flags, pathlib.Path(folder))
            if flags.speed:
                row = rows.read()[key] | _in_a_process(speed_and_memory, job, folder)
            else:
                row = job | _in_a_process(train_and_measure, job, flags.steps, folder)
            rows.add(key, row)
            print(f"{key}: {row['psnr']:.2f} dB, {row['usage']:.1%}", flush=True)
    for make in (table, noise_table):
        measure.print_table(*make(rows.read()))


def _flags():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data_dir", required=True, help="folder or archive of images")
    parser.add_argument("--image_size", type=int, default=32)
    parser.add_argument("--quantizers", nargs="+", default=list(QUANTIZERS))
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--noise", type=float, nargs="+", default=[0.0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--steps", type=int, default=800)
    parser.add_argument(
        "--speed", action="store_true", help="only measure speed and memory anew"
    )
    parser.add_argument("--results", default="quantizers", help="name of the file")
    return parser.parse_args()


def _settings(flags):
    return {
        "data": pathlib.Path(flags.data_dir).name,
        "image_size": flags.image_size,
        "steps": flags.steps,
        "batch_size": BATCH_SIZE,
        "learning_rate": LEARNING_RATE,
    }


def _jobs(flags):
    """What to train, by key: quantizer, K, noise and seed."""
    jobs = {}
    for seed in flags.seeds:
        for noise in flags.noise:
            for name in flags.quantizers:
                for size in flags.sizes:
                    if (
                        noise
                        and name not in WITH_ORDER
                        or size > LARGEST.get(name, size)
                    ):
                        continue
                    key = f"{name} {size} noise {noise:g} seed {seed}"
                    jobs[key] = {
                        "quantizer": name,
                        "num_embeddings": size,
                        "noise": noise,
                        "seed": seed,
                    }
    return jobs


def _cache(flags, folder):
    """The images as arrays in files, so that each process need not decode them."""
    if (folder / "train.npy").exists():
        return
    from vqzoo import datasets

    splits = datasets.load(
        "folder", data_dir=flags.data_dir, image_size=flags.image_size
    )
    images, _ = splits.train.arrays()
    np.save(folder / "train.npy", np.round((images + 0.5) * 255).astype("uint8"))
    images, labels = splits.test.arrays()
    np.save(folder / "test.npy", images)
    np.save(folder / "labels.npy", labels)


def _in_a_process(function, *arguments):
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        return pool.apply(function, arguments)


def train_and_measure(job, steps, folder):
    """One row of the table.

    Args:
        job: dict of `quantizer`, `num_embeddings`, `noise` and `seed`.
        steps: int, of training.
        folder: path of the cached arrays.

    Returns:
        dict of figures.
    """
    test, labels = np.load(f"{folder}/test.npy"), np.load(f"{folder}/labels.npy")
    model, found = _trained(job, steps, folder)
    return _quality(model, test, labels) | found


def speed_and_memory(job, folder):
    """Those figures of a row that other processes disturb, after a few steps."""
    return _trained(job, 3 * WARM_UP_STEPS, folder)[1]


def _trained(job, steps, folder):
    import keras

    from vqzoo import training
    from vqzoo.training import devices, quantizers

    keras.utils.set_random_seed(job["seed"])
    keras.config.set_dtype_policy(devices.resolve_precision("auto"))
    images = np.load(f"{folder}/train.npy", mmap_mode="r")
    recipe = training.Recipe(
        model="vqvae_32",
        model_options=("num_channels=64", "residual_channels=16"),
        quantizer=job["quantizer"],
        num_embeddings=job["num_embeddings"],
        noise_stddev=(job["noise"],),
        sorted_codes=job["noise"] > 0 and job["quantizer"] in quantizers.SORTED,
        seed=job["seed"],
    )
    before = _peak_bytes()
    model = recipe.build_model(images.shape[1:])
    model.compile(keras.optimizers.Adam(LEARNING_RATE), "mse")
    seconds = _train(model, images, steps, job["seed"])
    return model, {
        "images_a_second": BATCH_SIZE / statistics.median(seconds),
        "peak_memory_mib": (_peak_bytes() - before) / 2**20,
    }


def _peak_bytes():
    """The most memory that this process has had; that of its parent does not count."""
    status = pathlib.Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s*(\d+)", status)[1]) * 1024


def _train(model, images, steps, seed):
    """Trains; returns the seconds of each step after the first few."""
    generator = np.random.default_rng(seed)
    seconds = []
    for step in range(steps):
        rows = np.sort(generator.integers(len(images), size=BATCH_SIZE))
        batch = images[rows].astype("float32") / 255 - 0.5
        began = time.perf_counter()
        model.train_on_batch(batch, batch)
        if step >= WARM_UP_STEPS:
            seconds.append(time.perf_counter() - began)
    return seconds


def _quality(model, test, labels):
    from vqzoo import measures

    (layer,) = model.quantizers
    (codes,) = measures.encode_all(model.encode, test)
    found = measures.reconstruction_error(
        test, measures.decode_all(model.decode, (codes,))
    )
    books = [np.asarray(book) for book in layer.codebooks]
    axes = layer.code_axes if len(books) > 1 else 0
    found |= measures.codebook_usage(codes, layer.num_embeddings, axes)
    indices = codes.size // (len(codes) * codes.shape[1] * codes.shape[2])
    orders = [measures.codebook_ordering(book) for book in books]
    found |= {
        "codes": layer.num_embeddings,
        "bits": indices * float(np.log2(layer.num_embeddings)),
        "ordering": float(np.mean(orders)),
    }
    if len(np.unique(labels)) > 1:
        found["probe_accuracy"] = measures.linear_probe(codes, labels)["accuracy"]
    return found


TYPICAL = 1024
QUALITY = {
    "PSNR": ("psnr", "{:.2f} dB"),
    "codes used": ("usage", "{:.1%}"),
    "ordering": ("ordering", "{:.2f}"),
    "probe": ("probe_accuracy", "{:.1%}"),
}
ONCE = {
    "perplexity": ("perplexity", "{:.0f}"),
    "bits": ("bits", "{:.0f}"),
    "ordering": QUALITY["ordering"],
    "probe": QUALITY["probe"],
    "images/s": ("images_a_second", "{:.0f}"),
    "memory": ("peak_memory_mib", "{:.0f} MiB"),
}


def table(rows):
    """Header and rows of text: each quantizer without noise, medians over the seeds.

    What stands once is that of `TYPICAL` codes.
    """
    groups = _grouped(rows.values())
    names = {name for name, _, noise in groups if not noise}
    lines = []
    for name in sorted(names):
        cells = [_cell(groups.get((name, size, 0.0), ())) for size in SIZES]
        typical = groups.get((name, TYPICAL, 0.0), ())
        once = [_text(typical, *column) for column in ONCE.values()]
        lines.append((f"`{name}`", *cells, *once))
    header = ("quantizer", *(f"K = {size:,}" for size in SIZES), *ONCE)
    return _filled(header, lines)


def _filled(header, lines):
    """Without the columns in which nothing was measured."""
    keep = [i for i in range(len(header)) if any(line[i] != "-" for line in lines)]
    return [header[i] for i in keep], [[line[i] for i in keep] for line in lines]


def noise_table(rows):
    """Header and rows of text: the quantizers that were trained with noise."""
    groups = _grouped(rows.values())
    names = {name for name, _, noise in groups if noise}
    lines = []
    for (name, size, noise), found in sorted(groups.items()):
        if name in names and size == TYPICAL:
            cells = [_text(found, *column) for column in QUALITY.values()]
            lines.append((f"`{name}`", f"{noise:g}", len(found), *cells))
    return ("quantizer", "sigma", "seeds", *QUALITY), lines


def _grouped(rows):
    """Lists of rows that differ in their seed alone."""
    groups = {}
    for row in rows:
        key = (row["quantizer"], row["num_embeddings"], row["noise"])
        groups.setdefault(key, []).append(row)
    return groups


def _cell(found):
    psnr, usage = (_text(found, *QUALITY[name]) for name in ("PSNR", "codes used"))
    return f"{psnr}, {usage}" if found else "-"


def _text(found, key, form):
    values = [row[key] for row in found if key in row]
    return form.format(statistics.median(values)) if values else "-"


if __name__ == "__main__":
    main()
