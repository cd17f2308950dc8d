"""Writes the golden files: small saved models, and what they gave when they were saved.

Run once for a new kind of file, with `python tests/golden/make.py` in the root of the
project. A file that exists is left as it is, for that is its use: it shows that what
was saved with an older version still loads and gives the same. Where the file format
has to change, the old files stay, and new ones are added under another name.

`NAME.keras` is the model, `NAME.inputs.npz` its images and `NAME.outputs.npz` its
reconstructions and codes.
"""

import pathlib
import sys
import zipfile

import keras
import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "helpers"))

import fresh_process

from vqzoo.layers import (
    NoisyAssignment,
    ResidualQuantizer,
    VectorQuantizer,
    VectorQuantizerEMA,
)
from vqzoo.models import VQGAN, VQVAE, VQVAE2, SequenceVQVAE

FOLDER = pathlib.Path(__file__).parent
TINY = {
    "image_shape": (8, 8, 3),
    "num_channels": 4,
    "residual_channels": 2,
    "num_residual_blocks": 1,
}


def vqvae_ema():
    return VQVAE(VectorQuantizerEMA(8, 3, decay=0.9, seed=1), stride=2, **TINY)


def vqvae_gradient():
    start = keras.initializers.RandomNormal(seed=2)
    quantizer = VectorQuantizer(8, 3, commitment_cost=0.5, codebook_init=start)
    return VQVAE(quantizer, stride=2, **TINY)


def vqvae2_noisy():
    tiers = [
        VectorQuantizerEMA(
            num_embeddings,
            embedding_dim,
            assignment=NoisyAssignment(0.7, boundary=boundary, seed=3),
            seed=4,
        )
        for num_embeddings, embedding_dim, boundary in ((6, 2, "clip"), (8, 3, "wrap"))
    ]
    return VQVAE2(tiers, bottom_stride=2, encoder_kernel_size=3, **TINY)


def vqgan_gradient():
    start = keras.initializers.RandomNormal(seed=2)
    return VQGAN(
        VectorQuantizer(8, 3, codebook_init=start),
        image_shape=(8, 8, 3),
        num_channels=4,
        channel_multipliers=(1, 2),
        num_residual_blocks=1,
        attention_levels=(1,),
        latent_channels=5,
        num_groups=2,
    )


def sequence_vqvae():
    model = SequenceVQVAE(
        ResidualQuantizer([VectorQuantizerEMA(8, 3, seed=i) for i in range(2)]),
        sequence_shape=(None, 3),
        stride=2,
        causal=True,
        num_channels=4,
        residual_channels=2,
        num_residual_blocks=2,
    )
    model.adapt(_items(4, 31, 3))
    return model


def _items(*shape):
    items = np.random.default_rng(0).uniform(-0.5, 0.5, shape)
    return items.astype("float32")


SHAPES = {sequence_vqvae: (4, 31, 3)}


def compress(path):
    """Packs the archive anew: what Keras wrote is mostly zeros between small arrays."""
    with zipfile.ZipFile(path) as archive:
        members = [(name, archive.read(name)) for name in archive.namelist()]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, content in members:
            archive.writestr(name, content)


def main():
    for make in (vqvae_ema, vqvae_gradient, vqvae2_noisy, vqgan_gradient, *SHAPES):
        path = FOLDER / f"{make.__name__}.keras"
        if path.exists():
            print(f"{path} exists: left as it is")
            continue
        keras.utils.set_random_seed(0)
        images = _items(*SHAPES.get(make, (4, 8, 8, 3)))
        model = make()
        for _ in range(3):
            model(images, training=True)  # places the codes and moves the averages
        model.save(path)
        compress(path)
        np.savez_compressed(path.with_suffix(".inputs.npz"), images=images)
        outputs = fresh_process.run_model(path, images)
        np.savez_compressed(path.with_suffix(".outputs.npz"), **outputs)


if __name__ == "__main__":
    main()
