"""Draws the picture of the front page from the artifacts: python docs/front.py."""

import pathlib

import keras
import numpy as np
from PIL import Image

import vqzoo  # noqa: F401 registers the models
from vqzoo import plots
from vqzoo.app import pictures
from vqzoo.app.uploads import to_shape
from vqzoo.datasets import photos

ROOT = pathlib.Path(__file__).parents[1]
SIDE = 96
NAMES = ("astronaut", "cat", "flower")


def larger(name):
    """An artifact's model, whose layers are convolutions, for images of SIDE pixels."""
    model = keras.saving.load_model(ROOT / "export" / name / "model.keras")
    config = model.get_config() | {"image_shape": (SIDE, SIDE, 3)}
    copy = type(model).from_config(config)
    copy.set_weights(model.get_weights())
    return copy


def moved(codes, step, num_codes=512):
    """Every index moved by a step; at the ends it turns back."""
    codes = np.asarray(codes) + step
    return np.where(codes >= num_codes, 2 * (num_codes - 1) - codes, codes)


def maps(codes):
    """Grids of codes as gray images of SIDE pixels, in [-0.5, 0.5]."""
    factor = SIDE // codes.shape[1]
    gray = np.asarray(codes).repeat(factor, 1).repeat(factor, 2) / 511 - 0.5
    return gray[..., None].repeat(3, -1)


def main():
    """Writes docs/pictures/front.png."""
    found = photos.photographs()
    names = [name for name in NAMES if name in found]
    images = np.stack([to_shape(found[name], (SIDE, SIDE, 3)) for name in names])
    noisy, plain = larger("vqvae2_noisy"), larger("vqvae2")
    top, bottom = noisy.encode(images)
    plain_codes = plain.encode(images)
    columns = {
        "image": images,
        f"top codes\n{top.shape[1]} x {top.shape[2]}": maps(top),
        f"bottom codes\n{bottom.shape[1]} x {bottom.shape[2]}": maps(bottom),
        "decoded": noisy.decode((top, bottom)),
        "+ 1: ordered\ncodes": noisy.decode((top, moved(bottom, 1))),
        "+ 1: plain\ncodes": plain.decode((plain_codes[0], moved(plain_codes[1], 1))),
    }
    rows = {
        "" + " " * i: np.stack([np.asarray(c)[i] for c in columns.values()])
        for i in range(len(images))
    }
    figure = plots.strips(rows, column_labels=list(columns))
    figure.set_dpi(130)
    path = ROOT / "docs" / "pictures" / "front.png"
    picture = Image.fromarray(pictures.to_pixels(figure))
    picture.quantize(128).save(path, optimize=True)
    print(path, picture.size, path.stat().st_size)


if __name__ == "__main__":
    main()
