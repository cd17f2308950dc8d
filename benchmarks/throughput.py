"""Training speed of `fit` in steady state, in float32 and in mixed_bfloat16.

`vqvae_32` at batches of 256 and 32, and the VQ-VAE-2 of 1,388,867 weights on 64 x 64
images at batches of 32. Random uint8 images in memory go through the library's tf.data
pipeline; model, optimizer, loss and metrics are those of the training loop. Contestants
take turns in one process; the start of `fit` does not count.

    python -m benchmarks.throughput

About 5 minutes on two cores; `--rounds=2` for a first look. The pipeline is also
measured alone, to show that steps do not wait for it, and the product of two large
matrices, to show what share of the machine's arithmetic a step reaches: a step counts
as three forward passes.
"""

import keras
import tensorflow as tf

from benchmarks import fitting, measure

PRECISIONS = ("float32", "mixed_bfloat16")
# Name of a case: model, side of the images, batch size, steps that count in a round.
CASES = {
    "vqvae_32_batch_256": ("vqvae_32", 32, 256, 8),
    "vqvae_32_batch_32": ("vqvae_32", 32, 32, 40),
    "vqvae2_64_batch_32": ("vqvae2_64", 64, 32, 12),
}
MATRIX_SIDE = 2048


def main(flags):
    """Measures every case in every precision and writes throughput.json."""
    machine = measure.machine()
    splits = {side: fitting.random_split(side) for side in (32, 64)}
    contestants = {}
    for case in flags.cases:
        contestants.update(_contestants(case, splits))
    for precision in PRECISIONS:
        contestants[f"matrix {precision}"] = _matrix_product(precision)
    taken = measure.take_turns(contestants, flags.rounds)
    cases = {case: _summary(case, taken) for case in flags.cases}
    results = {**measure.read("throughput").get("cases", {}), **cases}
    measure.write("throughput", {"cases": results, "machine": machine})
    _print(cases)


def _contestants(case, splits):
    name, side, batch_size, steps = CASES[case]
    batches = fitting.pairs(splits[side], batch_size)
    contestants = {
        f"{case} {precision}": fitting.fit_clock(
            fitting.compiled(name, precision), batches, steps
        )
        for precision in PRECISIONS
    }
    contestants[f"{case} pipeline"] = fitting.loop_clock(next, batches, 4 * steps)
    return contestants


def _matrix_product(precision):
    dtype = keras.DTypePolicy(precision).compute_dtype
    matrix = tf.cast(tf.random.normal((MATRIX_SIDE, MATRIX_SIDE)), dtype)
    product = tf.function(lambda: tf.matmul(matrix, matrix))
    return lambda: measure.seconds(product)


def _forward_operations(name):
    """Multiplications and additions of a model for one image, counted by TensorFlow."""
    model = getattr(fitting.models, name)()
    images = tf.TensorSpec((1, *model.image_shape))
    graph = (
        tf.function(lambda images: model(images)).get_concrete_function(images).graph
    )
    profiler = tf.compat.v1.profiler
    options = profiler.ProfileOptionBuilder.float_operation() | {"output": "none"}
    return profiler.profile(graph, options=options).total_float_ops


def _summary(case, taken):
    name, _, batch_size, _ = CASES[case]
    float32, bfloat16, pipeline = (
        taken[f"{case} {what}"] for what in (*PRECISIONS, "pipeline")
    )
    # A step in matrix products.
    products = 3 * batch_size * _forward_operations(name) / (2 * MATRIX_SIDE**3)
    return {
        "model": name,
        "batch_size": batch_size,
        "step_seconds": {
            "float32": measure.spread(float32),
            "mixed_bfloat16": measure.spread(bfloat16),
            "pipeline": measure.spread(pipeline),
        },
        "images_per_second": {
            "float32": measure.spread([batch_size / s for s in float32]),
            "mixed_bfloat16": measure.spread([batch_size / s for s in bfloat16]),
        },
        "bfloat16_times_faster": measure.ratio(float32, bfloat16),
        "share_of_matrix_product": {
            precision: measure.ratio(
                [products * matrix for matrix in taken[f"matrix {precision}"]],
                taken[f"{case} {precision}"],
            )
            for precision in PRECISIONS
        },
        "pipeline_times_faster": measure.ratio(bfloat16, pipeline),
    }


def _print(cases):
    rows = [
        (
            case,
            precision,
            f"{result['step_seconds'][precision]['median'] * 1e3:.1f}",
            f"{result['images_per_second'][precision]['median']:.0f}",
            f"{result['share_of_matrix_product'][precision]['median']:.0%}",
            f"{result['pipeline_times_faster']['median']:.0f}x",
        )
        for case, result in cases.items()
        for precision in PRECISIONS
    ]
    measure.print_table(
        ("case", "precision", "ms", "images/s", "of matrix product", "pipeline"), rows
    )


if __name__ == "__main__":
    cases = tuple(CASES)
    measure.run(
        main, rounds=(11, "rounds that count"), cases=(cases, "measured", cases)
    )
