"""Seconds of a batch of samples: cached, from the whole network, and by `predict`.

    python -m benchmarks.sampling [--cases=gated_8,pixelsnail_32,maskgit_8,scales_16]

Weights are random, as speed does not depend on them. Contestants take turns in one
process. The loop with `predict` calls the network once for each code and draws in
NumPy, as the keras.io example does. About 15 minutes on two cores, most of it for the
whole network of `gated_16`.
"""

import keras
import numpy as np

from benchmarks import measure
from vqzoo.priors import (
    GatedPixelCNN,
    MaskGIT,
    NextScaleTransformer,
    RotaryTransformer,
    gated_pixelcnn_8,
    pixelsnail_top_32,
    progressive_gan_top_32,
)
from vqzoo.studies import speed

RESULTS = "sampling"


def gated_8():
    """12 layers x 64 channels over 8 x 8 codes, batch 64: three ways."""
    prior = gated_pixelcnn_8()
    return {
        "cached": _seconds_of(prior, 64),
        "whole": _seconds_of(prior, 64, cached=False),
        "predict": _timed(lambda: predict_loop(prior, 64)),
    }


def gated_16():
    """12 layers x 128 channels over 16 x 16 codes, batch 64: two ways."""
    prior = GatedPixelCNN((16, 16), 512, num_layers=12, num_channels=128)
    return {
        "cached": _seconds_of(prior, 64),
        "whole": _seconds_of(prior, 64, cached=False),
    }


def pixelsnail_32():
    """The top priors of tables 6.1 and 6.3 over 32 x 32 codes: one image, and 16."""
    prior = pixelsnail_top_32()
    return {
        "batch 1": _seconds_of(prior, 1),
        "batch 16": _seconds_of(prior, 16),
        "gan": _seconds_of(progressive_gan_top_32(), 1),
    }


def maskgit_8():
    """MaskGIT of 12 steps beside the cached gated PixelCNN, 8 x 8 codes, batch 64."""
    masked = MaskGIT((8, 8), 512, num_layers=4, num_channels=160, num_heads=4)
    return {
        "maskgit": _seconds_of(masked, 64, num_steps=12),
        "cached": _seconds_of(gated_pixelcnn_8(), 64),
    }


def scales_16():
    """Ten scales up to 16 x 16, beside raster order with an equal network."""
    sizes = {"num_layers": 6, "num_channels": 192, "num_heads": 6}
    grids = (1, 2, 3, 4, 5, 6, 8, 10, 13, 16)
    few = (1, 2, 4, 8, 16)
    return {
        "raster": _seconds_of(RotaryTransformer((16, 16), 512, **sizes), 64),
        "scales": _seconds_of(
            NextScaleTransformer((1, 680), 512, grids=grids, **sizes), 64
        ),
        "five scales": _seconds_of(
            NextScaleTransformer((1, 341), 512, grids=few, **sizes), 64
        ),
    }


CASES = {
    "gated_8": gated_8,
    "gated_16": gated_16,
    "pixelsnail_32": pixelsnail_32,
    "maskgit_8": maskgit_8,
    "scales_16": scales_16,
}


def _seconds_of(prior, batch, **options):
    """A function that measures the seconds of `batch` samples, equal each time."""
    return _timed(lambda: prior.sample(batch, seed=0, **options))


def _timed(draw):
    return lambda: measure.seconds(draw)


def predict_loop(prior, batch):
    """Samples as the keras.io example draws them: `predict` of the grid for each code.

    Args:
        prior: an autoregressive prior without conditions.
        batch: int.

    Returns:
        int32 numpy `(batch, height, width)`.
    """
    generator = np.random.default_rng(0)
    codes = np.zeros((batch, *prior.grid_shape), "int32")
    for row, column in np.ndindex(prior.grid_shape):
        logits = prior.predict(codes, verbose=0)[:, row, column]
        noise = generator.gumbel(size=logits.shape)
        codes[:, row, column] = np.argmax(logits + noise, axis=-1)
    return codes


def main(flags):
    """Runs the cases, writes each when it is done, prints them."""
    results = measure.read(RESULTS) or {"cases": {}}
    for name in flags.cases:
        keras.utils.set_random_seed(0)
        rounds = 1 if name == "gated_16" else flags.rounds
        taken = measure.take_turns(CASES[name](), rounds)
        case = {"seconds": {k: measure.spread(v) for k, v in taken.items()}}
        case["ratios"] = {
            f"{slow} / {fast}": measure.ratio(taken[slow], taken[fast])
            for of_case, slow, fast, _ in speed.RATIOS
            if of_case == name
        }
        case["machine"] = measure.machine()
        results["cases"][name] = case
        measure.write(RESULTS, results)
        for contestant, spread in case["seconds"].items():
            print(f"{name}, {contestant}: {spread['median']:.3f} s", flush=True)
        for pair, spread in case["ratios"].items():
            print(f"{name}, {pair}: {spread['median']:.1f}x", flush=True)


if __name__ == "__main__":
    cases = tuple(CASES)
    measure.run(
        main,
        cases=(cases, "measured", cases),
        rounds=(3, "rounds of each case; of gated_16 always one"),
    )
