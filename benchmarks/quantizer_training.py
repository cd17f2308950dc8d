"""Speed and memory of training with each quantizer in one network.

    python -m benchmarks.quantizer_training [--quantizers=ema,fsq] [--sizes=64,1024]

The network of the recipe `quantizer_study`, which measures quality, on random images of
32 x 32 in batches of 64; each quantizer and number of codes K has its own process.
Images per second are the median over steps after the first 20; memory is the peak of
the process minus its memory before the model was made. Rows replace those of earlier
runs. A row of up to 1,024 codes takes half a minute on one core.
"""

import dataclasses
import statistics

from benchmarks import measure
from vqzoo.recipes.quantizer_study import MOST, RECIPE

RESULTS = "quantizer_training"
WARM_UP_STEPS = 20
HEADER = ("quantizer", "K", "images/s", "memory")


def main(flags):
    """Measures each row in a process, writes the results, prints the table."""
    results = measure.read(RESULTS)
    rows = results.setdefault("rows", {})
    for name in flags.quantizers:
        for size in (size for size in flags.sizes if size <= MOST[name]):
            worker = measure.Worker(make, name, size)
            rows[f"{name} {size}"] = {"quantizer": name, "codes": size, **worker()}
            worker.close()
            measure.write(RESULTS, {**results, "machine": measure.machine()})
    measure.print_table(HEADER, map(cells, rows.values()))


def make(name, size):
    """The measurement of a row: a function without arguments that returns a dict."""
    import keras

    from benchmarks import fitting
    from vqzoo.training import devices

    keras.utils.set_random_seed(0)
    keras.config.set_dtype_policy(devices.resolve_precision("auto"))
    split = fitting.random_split(RECIPE.image_size)
    batches = fitting.pairs(split, RECIPE.batch_size).take(3 * WARM_UP_STEPS)

    def measured():
        before = measure.peak_bytes()
        row = RECIPE.parsed()[0]
        recipe = RECIPE.run_of(row, seed=0, runs_dir="runs")
        recipe = dataclasses.replace(recipe, quantizer=name, num_embeddings=size)
        model = recipe.build_model((RECIPE.image_size, RECIPE.image_size, 3))
        model.compile(keras.optimizers.Adam(RECIPE.learning_rate), "mse")
        taken = [
            measure.seconds(lambda batch=batch: model.train_on_batch(*batch))
            for batch in batches
        ]
        seconds = statistics.median(taken[WARM_UP_STEPS:])
        return {
            "images_a_second": RECIPE.batch_size / seconds,
            "peak_memory_mib": (measure.peak_bytes() - before) / 2**20,
        }

    return measured


def cells(row):
    """A row of text."""
    speed, memory = row["images_a_second"], row["peak_memory_mib"]
    return f"`{row['quantizer']}`", row["codes"], f"{speed:.0f}", f"{memory:.0f} MiB"


if __name__ == "__main__":
    measure.run(
        main,
        quantizers=(tuple(MOST), "measured", tuple(MOST)),
        sizes=((64, 1024), "numbers of codes, K"),
    )
