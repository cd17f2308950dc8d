"""The README's picture of what noise does: indices are moved, and decoded.

    python -m benchmarks.moved_indices --data_dir=cifar10.tar.xz

Images of the test split, and what the plain and the noisy VQ-VAE-2 of `export/` make of
them after the index of every place of the bottom tier was moved by 1, up or down; and
what the plain one makes of that once its codes are sorted along the main axis of their
codebook, which the noisy ones are already. The results hold the PSNR to the images
before, of 200 images.
"""

import argparse
import pathlib

import keras
import numpy as np

from benchmarks import measure
from vqzoo import datasets, measures, plots
from vqzoo.measures.brittleness import perturb
from vqzoo.ops import main_axis_order
from vqzoo.runs import files

EXPORT = pathlib.Path(__file__).parents[1] / "export"
MODELS = {"plain": "vqvae2", "noisy": "vqvae2_noisy"}
RESULTS = "moved_indices"
COUNT, SHOWN = 200, 10
WIDTH = 9  # inches


def main():
    """Draws the picture, and writes it and the figures into the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data_dir", required=True, help="folder or archive of images")
    flags = parser.parse_args()
    splits = datasets.load("folder", data_dir=flags.data_dir, image_size=32)
    images = np.asarray(next(iter(splits.test.batches(COUNT, seed=0)))["image"])
    rows, psnr = {"images": images[:SHOWN]}, {}
    for name, artifact in MODELS.items():
        model = keras.saving.load_model(EXPORT / artifact / "model.keras")
        top, bottom = measures.encode_all(model.encode, images)
        codebook = np.asarray(model.quantizers[1].codebooks[0])
        orders = {name: np.arange(len(codebook))}
        if name == "plain":
            orders["plain, sorted"] = np.asarray(main_axis_order(codebook))
        decoded = measures.decode_all(model.decode, (top, bottom))
        decoded = np.clip(decoded, -0.5, 0.5)
        rows[name] = decoded[:SHOWN]
        for words, order in orders.items():
            moved = perturb(np.argsort(order)[bottom], len(order), 1.0, 1)
            changed = measures.decode_all(model.decode, (top, order[moved]))
            changed = np.clip(changed, -0.5, 0.5)
            found = measures.reconstruction_error(decoded, changed)
            psnr[words] = found["psnr"]
            rows[f"{words}:\nmoved"] = changed[:SHOWN]
    measure.write(RESULTS, {"images": COUNT, "psnr": psnr})
    path = measure.RESULTS / f"{RESULTS}.png"
    files.save_figure(plots.strips(rows, width=WIDTH), path)
    print(f"{path.name}: {psnr}")


if __name__ == "__main__":
    main()
