"""The tokenizers that packages of PyTorch define, with random weights, and converted.

    python -m benchmarks.originals

Each is saved in its own format, converted, and given images of two sizes: codes have to
be the same wherever the two nearest codes differ by more than 1e-5 in distance, pixels
within 1e-4 in float32. Needs the packages of the extra `parity`; a minute on two cores.
"""

import contextlib
import io
import pathlib
import tempfile

import numpy as np

from benchmarks import measure

SIDES = ((32, 32), (48, 64))
MARGIN, PIXELS = 1e-5, 1e-4
SMALL = {"ch": 32, "ch_mult": (1, 2), "num_res_blocks": 1, "in_channels": 3}
PLAIN, ATTENTION = (
    {
        "down_block_types": ("DownEncoderBlock2D", f"{kind}DownEncoderBlock2D"),
        "up_block_types": (f"{kind}UpDecoderBlock2D", "UpDecoderBlock2D"),
    }
    for kind in ("", "Attn")
)


class Original:
    """A tokenizer of a package. Images are in its own range, channels first.

    Args:
        folder: path where it saves itself.
    Attributes:
        source: what `convert` is given.
        scale, offset: its images are scale * ours + offset.
    """

    scale, offset = 2, 0

    def shake(self, module):
        """Gives weights that start at 0 or 1 others too; nothing learns."""
        import torch

        generator = torch.Generator().manual_seed(0)
        for parameter in module.parameters():
            parameter.requires_grad_(False)
            if parameter.ndim == 1:
                parameter += 0.1 * torch.randn(parameter.shape, generator=generator)
        return module.eval()

    def place_codes(self, codebook):
        """Puts codes where latents of random images are, so that many are used."""
        import torch

        latents, _ = self.encode(torch.from_numpy(self.images((64, 64)).copy()))
        rows = latents.reshape(-1, latents.shape[-1])
        generator = torch.Generator().manual_seed(1)
        chosen = torch.randint(len(rows), (len(codebook),), generator=generator)
        noise = torch.randn(codebook.shape, generator=generator)
        codebook.copy_(rows[chosen] + 0.1 * rows.std() * noise)

    def images(self, sides):
        """Random images as it takes them."""
        drawn = random_images(sides)
        return self.scale * drawn.transpose(0, 3, 1, 2) + np.float32(self.offset)


def random_images(sides):
    """Images in [-0.5, 0.5], float32 `(2, *sides, 3)`."""
    generator = np.random.default_rng(sum(sides))
    return generator.uniform(-0.5, 0.5, (2, *sides, 3)).astype("float32")


class Diffusers(Original):
    """`diffusers.VQModel`, saved by its `save_pretrained`."""

    def __init__(self, folder, **config):
        import diffusers

        sizes = {"block_out_channels": (16, 32), "norm_num_groups": 8, **config}
        self.model = self.shake(diffusers.VQModel(num_vq_embeddings=64, **sizes))
        self.place_codes(self.model.quantize.embedding.weight)
        self.model.save_pretrained(folder)
        self.source = folder

    def encode(self, images):
        latents = self.model.encode(images).latents
        codes = self.model.quantize(latents)[2][2]
        return latents.permute(0, 2, 3, 1), codes

    def decode(self, codes):
        shape = (*codes.shape, self.model.quantize.vq_embed_dim)
        given, flat = {"force_not_quantize": True}, codes.flatten()
        if self.model.config.lookup_from_codebook:
            return self.model.decode(flat, shape=shape, **given).sample
        vectors = self.model.quantize.get_codebook_entry(flat, shape)
        return self.model.decode(vectors, **given).sample


class Janus(Original):
    """`transformers.JanusVQVAE`, saved by its `save_pretrained`."""

    def __init__(self, folder, **config):
        import transformers

        sizes = {
            "base_channels": 32,
            "channel_multiplier": [1, 2],
            "num_res_blocks": 1,
            "latent_channels": 8,
            "embed_dim": 4,
            "num_embeddings": 64,
            **config,
        }
        config = transformers.JanusVQVAEConfig(**sizes)
        self.model = self.shake(transformers.JanusVQVAE(config))
        self.place_codes(self.model.quantize.embedding.weight)
        self.model.save_pretrained(folder)
        self.source = folder

    def encode(self, images):
        latents = self.model.quant_conv(self.model.encoder(images))
        return latents.permute(0, 2, 3, 1), self.model.quantize(latents)[2]

    def decode(self, codes):
        self.model.quantize.quant_state_dims = codes.shape[1:]
        return self.model.decode(codes.flatten(1))


class Taming(Original):
    """Encoder, quantizer and decoder of taming-transformers, saved as by Lightning."""

    suffix = ".ckpt"

    def __init__(self, folder, embed_dim=4, attention=(), **config):
        import torch
        from taming.modules.diffusionmodules.model import Decoder
        from taming.modules.vqvae.quantize import VectorQuantizer2

        resolution = {"resolution": 32, "attn_resolutions": attention, "out_ch": 3}
        sizes = {**SMALL, "z_channels": 8, "double_z": False, **resolution, **config}
        with contextlib.redirect_stdout(io.StringIO()):
            decoder = Decoder(**sizes)
        between = sizes["z_channels"], embed_dim
        self.model = torch.nn.ModuleDict(
            {
                "encoder": self.encoder(sizes, embed_dim),
                "decoder": decoder,
                "quantize": VectorQuantizer2(64, embed_dim, 0.25),
                "quant_conv": torch.nn.Conv2d(*between, 1),
                "post_quant_conv": torch.nn.Conv2d(*between[::-1], 1),
            }
        )
        self.shake(self.model)
        self.place_codes(self.model["quantize"].embedding.weight)
        state = {"loss.logvar": torch.zeros(()), **self.model.state_dict()}
        self.source = pathlib.Path(folder) / f"model{self.suffix}"
        self.source.parent.mkdir(exist_ok=True, parents=True)
        torch.save({"state_dict": self.renamed(state), "global_step": 3}, self.source)

    def encoder(self, sizes, embed_dim):
        """The encoder that is converted."""
        from taming.modules.diffusionmodules.model import Encoder

        return Encoder(**sizes)

    def renamed(self, state):
        """The tensors by the names that they are saved with."""
        return state

    def encode(self, images):
        latents = self.model["quant_conv"](self.model["encoder"](images))
        return latents.permute(0, 2, 3, 1), self.model["quantize"](latents)[2][2]

    def decode(self, codes):
        book = self.model["quantize"]
        vectors = book.get_codebook_entry(codes.flatten(), (*codes.shape, book.e_dim))
        return self.model["decoder"](self.model["post_quant_conv"](vectors))


class Chameleon(Taming):
    """The encoder of `transformers.ChameleonVQVAE` with the decoder of taming.

    transformers has no decoder of it; the checkpoint that Meta published has both.
    """

    def encoder(self, sizes, embed_dim):
        import transformers

        config = transformers.ChameleonVQVAEConfig(
            base_channels=sizes["ch"],
            channel_multiplier=list(sizes["ch_mult"]),
            num_res_blocks=sizes["num_res_blocks"],
            latent_channels=sizes["z_channels"],
            embed_dim=embed_dim,
            num_embeddings=64,
        )
        self.whole = transformers.ChameleonVQVAE(config)
        return self.whole.encoder

    def encode(self, images):
        # Codes by the quantizer of transformers, with the codebook that is saved.
        latents = self.model["quant_conv"](self.model["encoder"](images))
        self.whole.quantize.embedding.weight.data = self.model[
            "quantize"
        ].embedding.weight
        return latents.permute(0, 2, 3, 1), self.whole.quantize(latents)[2]


class LlamaGen(Taming):
    """LlamaGen: the network of taming by other names, latents and codes of length 1.

    Its repository is no package: what it has beside taming's network is written here.
    """

    suffix = ".pt"

    def encode(self, images):
        import torch

        latents = self.model["quant_conv"](self.model["encoder"](images))
        rows = torch.nn.functional.normalize(latents.permute(0, 2, 3, 1), dim=-1)
        codebook = torch.nn.functional.normalize(self._codebook(), dim=-1)
        distances = torch.cdist(rows.flatten(0, 2), codebook)
        return latents.permute(0, 2, 3, 1), distances.argmin(-1)

    def decode(self, codes):
        import torch

        vectors = torch.nn.functional.normalize(self._codebook()[codes], dim=-1)
        hidden = self.model["post_quant_conv"](vectors.permute(0, 3, 1, 2))
        return self.model["decoder"](hidden)

    def _codebook(self):
        return self.model["quantize"].embedding.weight

    def renamed(self, state):
        import re

        import torch

        last = len(SMALL["ch_mult"]) - 1
        renamed = {"quantize.codebook_used": torch.zeros(65536)}
        for name, tensor in state.items():
            name = re.sub(r"encoder\.down\.(\d+)", r"encoder.conv_blocks.\1", name)
            name = re.sub(
                r"decoder\.up\.(\d+)",
                lambda found: f"decoder.conv_blocks.{last - int(found[1])}",
                name,
            )
            name = name.replace(".block.", ".res.").replace("mid.block_1", "mid.0")
            name = name.replace("mid.attn_1", "mid.1").replace("mid.block_2", "mid.2")
            if not name.startswith("loss."):
                renamed[name] = tensor
        return renamed


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
}


def compare(name, folder):
    """How far the converted model is from the original.

    Args:
        name: str, of `CASES`.
        folder: path, for the checkpoint.

    Returns:
        dict: `family`, `codes`, the share of equal ones, `clear`, the same of those
        with a clear nearest code, `codes_used`, and the greatest differences `latents`
        and `pixels`, images in [-0.5, 0.5].
    """
    import torch

    from vqzoo import convert

    make, options = CASES[name]
    torch.manual_seed(0)
    with torch.no_grad():
        original = make(folder, **options)
        converted = convert.convert(original.source)
        found = [_compare(original, converted.model, sides) for sides in SIDES]
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
