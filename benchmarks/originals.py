"""Tokenizers of PyTorch packages, with random weights, beside their conversions.

    python -m benchmarks.originals

Each is saved in its own format, converted, and compared on images of two sizes, VAR on
one: codes must be equal wherever the distances of the two nearest codes differ by more
than 1e-5, pixels within 1e-4 in float32. Needs the packages of the extra `parity`;
takes a minute on two cores.
"""

import tempfile

import numpy as np

from benchmarks import measure
from benchmarks.original_packages import (
    Chameleon,
    Dalle,
    Diffusers,
    Janus,
    LlamaGen,
    Taming,
    Var,
    random_images,
)

MARGIN, PIXELS = 1e-5, 1e-4
PLAIN, ATTENTION = (
    {
        "down_block_types": ("DownEncoderBlock2D", f"{kind}DownEncoderBlock2D"),
        "up_block_types": (f"{kind}UpDecoderBlock2D", "UpDecoderBlock2D"),
    }
    for kind in ("", "Attn")
)


CASES = {
    "diffusers, latent diffusion": (Diffusers, PLAIN | {"latent_channels": 3}),
    "diffusers, attention, codes of 6": (
        Diffusers,
        ATTENTION | {"latent_channels": 4, "vq_embed_dim": 6},
    ),
    "diffusers, two layers": (
        Diffusers,
        PLAIN | {"layers_per_block": 2, "latent_channels": 4},
    ),
    "diffusers, no attention": (
        Diffusers,
        PLAIN | {"mid_block_add_attention": False, "latent_channels": 4},
    ),
    "diffusers, decoder looks codes up": (
        Diffusers,
        ATTENTION | {"lookup_from_codebook": True, "latent_channels": 4},
    ),
    "taming, attention": (Taming, {"attention": (16,)}),
    "taming, 4 blocks as IBQ": (Taming, {"num_res_blocks": 4}),
    "taming, 3 levels": (Taming, {"ch_mult": (1, 1, 2), "attention": (8,)}),
    "Janus": (Janus, {}),
    "Janus, 3 levels": (Janus, {"channel_multiplier": [1, 1, 2], "num_res_blocks": 2}),
    "Chameleon": (Chameleon, {"embed_dim": 8}),
    "LlamaGen": (LlamaGen, {"attention": (16,)}),
    "LlamaGen, 8 dimensions": (LlamaGen, {"embed_dim": 8}),
    "VAR": (
        Var,
        {"grids": (1, 2, 3, 5, 16), "embed_dim": 8, "attention": (16,)},
    ),
    "DALL-E": (Dalle, {}),
    "DALL-E, two blocks": (Dalle, {"n_blk_per_group": 2}),
}


def compare(name, folder):
    """How far the converted model is from the original.

    Args:
        name: str, of `CASES`.
        folder: path, for the checkpoint.

    Returns:
        dict: `family`; `codes`, the share of equal codes; `clear`, that share where the
        nearest code is clear; `codes_used`; and the greatest differences of `latents`
        and `pixels`, for images in [-0.5, 0.5].
    """
    import torch

    from vqzoo import convert

    make, options = CASES[name]
    torch.manual_seed(0)
    with torch.no_grad():
        original = make(folder, **options)
        converted = convert.convert(original.source)
        found = [_compare(original, converted.model, sides) for sides in original.sides]
    same, clear, used, latents, pixels = zip(*found)
    return {
        "family": converted.family,
        "codes": float(np.mean(same)),
        "clear": float(np.min(clear)),
        "codes_used": int(max(used)),
        "latents": float(max(latents)),
        "pixels": float(max(pixels)),
    }


def _compare(original, model, sides):
    import torch

    theirs, codes = original.encode(torch.from_numpy(original.images(sides)))
    images = random_images(sides)
    latents, ours = model.latents(images)[0], np.asarray(model.encode(images)[0])
    codes = codes.reshape(ours.shape)
    pixels = original.decode(codes).permute(0, 2, 3, 1).numpy()
    rebuilt = np.asarray(model.decode(codes.numpy().astype("int32")))
    same = ours == codes.numpy()
    return (
        same.mean(),
        same[_clear(model, np.asarray(latents))].mean(),
        len(np.unique(ours)),
        np.abs(np.asarray(latents) - theirs.numpy()).max(),
        np.abs(rebuilt - (pixels - original.offset) / original.scale).max(),
    )


def _clear(model, latents):
    """Where the two nearest codes differ by more than the margin."""
    quantizer = model.quantizers[0]
    if quantizer.layout == "scales":  # A code depends on those before it: take all.
        return ...
    if quantizer.normalize:
        latents = latents / np.linalg.norm(latents, axis=-1, keepdims=True)
    codebook = np.asarray(quantizer.codebooks[0])
    distances = np.linalg.norm(latents[..., None, :] - codebook, axis=-1)
    first, second = np.sort(distances, axis=-1)[..., :2].transpose(3, 0, 1, 2)
    return second - first > MARGIN


def main(flags):
    """Compares each and writes originals.json."""
    results = {"cases": {}, "machine": measure.machine()}
    for name in CASES:
        with tempfile.TemporaryDirectory() as folder:
            results["cases"][name] = compare(name, folder)
        print(name, results["cases"][name], flush=True)
    measure.write("originals", results)


if __name__ == "__main__":
    measure.run(main)
