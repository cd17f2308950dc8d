"""Tokenizers of PyTorch packages, with random weights."""

import contextlib
import io
import pathlib

import numpy as np

SMALL = {"ch": 32, "ch_mult": (1, 2), "num_res_blocks": 1, "in_channels": 3}


class Original:
    """A tokenizer of a package. Images are in its own range, channels first.

    Args:
        folder: path where it saves itself.
    Attributes:
        sides: sides of the images on which it is compared.
        source: argument of `convert`.
        scale, offset: its images are scale * ours + offset.
    """

    sides = (32, 32), (48, 64)
    scale, offset = 2, 0

    def shake(self, module):
        """Randomizes weights that start at 0 or 1."""
        import torch

        generator = torch.Generator().manual_seed(0)
        for parameter in module.parameters():
            parameter.requires_grad_(False)
            if parameter.ndim == 1:
                parameter += 0.1 * torch.randn(parameter.shape, generator=generator)
        return module.eval()

    def place_codes(self, codebook):
        """Moves codes onto latents of random images, so that many are used."""
        import torch

        latents, _ = self.encode(torch.from_numpy(self.images((64, 64)).copy()))
        rows = latents.reshape(-1, latents.shape[-1])
        generator = torch.Generator().manual_seed(1)
        chosen = torch.randint(len(rows), (len(codebook),), generator=generator)
        noise = torch.randn(codebook.shape, generator=generator)
        codebook.copy_(rows[chosen] + 0.1 * rows.std() * noise)

    def images(self, sides):
        """Random images in its own format."""
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

    def __init__(self, folder, embed_dim=4, attention=(), kernel_size=1, **config):
        import torch
        from taming.modules.diffusionmodules.model import Decoder
        from taming.modules.vqvae.quantize import VectorQuantizer2

        resolution = {"resolution": 32, "attn_resolutions": attention, "out_ch": 3}
        sizes = {**SMALL, "z_channels": 8, "double_z": False, **resolution, **config}
        with contextlib.redirect_stdout(io.StringIO()):
            decoder = Decoder(**sizes)
        between = sizes["z_channels"], embed_dim
        kernel = {"kernel_size": kernel_size, "padding": kernel_size // 2}
        self.model = torch.nn.ModuleDict(
            {
                "encoder": self.encoder(sizes, embed_dim),
                "decoder": decoder,
                "quantize": VectorQuantizer2(64, embed_dim, 0.25),
                "quant_conv": torch.nn.Conv2d(*between, **kernel),
                "post_quant_conv": torch.nn.Conv2d(*between[::-1], **kernel),
            }
        )
        self.shake(self.model)
        self.place_codes(self.model["quantize"].embedding.weight)
        state = {"loss.logvar": torch.zeros(()), **self.model.state_dict()}
        self.source = pathlib.Path(folder) / f"model{self.suffix}"
        self.source.parent.mkdir(exist_ok=True, parents=True)
        torch.save({"state_dict": self.renamed(state), "global_step": 3}, self.source)

    def encoder(self, sizes, embed_dim):
        """The encoder to convert."""
        from taming.modules.diffusionmodules.model import Encoder

        return Encoder(**sizes)

    def renamed(self, state):
        """The tensors by their names in the file."""
        return state

    def encode(self, images):
        latents = self.model["quant_conv"](self.model["encoder"](images))
        return latents.permute(0, 2, 3, 1), self.model["quantize"](latents)[2][2]

    def decode(self, codes):
        book = self.model["quantize"]
        vectors = book.get_codebook_entry(codes.flatten(), (*codes.shape, book.e_dim))
        return self.model["decoder"](self.model["post_quant_conv"](vectors))


class Chameleon(Taming):
    """The encoder of `transformers.ChameleonVQVAE` with taming's decoder.

    transformers has no decoder for it; Meta's checkpoint has both.
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
    """LlamaGen: taming's network with other names, and latents and codes of length 1.

    Its repository is no package: its differences from taming are written here.
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


class Var(Taming):
    """VAR: taming's network, its attention in fused tensors, codes of many scales.

    Its repository is no package: its differences from taming are written here.
    """

    suffix = ".pth"
    sides = ((32, 32),)

    def __init__(self, folder, grids, **config):
        import json

        import torch

        self.grids = grids
        generator = torch.Generator().manual_seed(2)
        dim = config["embed_dim"]
        self.kernels = 0.1 * torch.randn((4, dim, dim, 3, 3), generator=generator)
        self.offsets = 0.1 * torch.randn((4, dim), generator=generator)
        super().__init__(folder, kernel_size=3, **config)
        described = {"v_patch_nums": grids, "resolution": 32}
        self.source.with_name("config.json").write_text(json.dumps(described))

    def _spread(self, codes, index, side):
        import torch

        vectors = self.model["quantize"].embedding(codes).permute(0, 3, 1, 2)
        if index < len(self.grids) - 1:
            vectors = torch.nn.functional.interpolate(
                vectors, size=(side, side), mode="bicubic"
            )
        ticks = np.linspace(1 / 12, 11 / 12, 4)
        which = np.argmin(np.abs(ticks - index / (len(self.grids) - 1)))
        kernel, offset = self.kernels[which], self.offsets[which]
        convolved = torch.nn.functional.conv2d(vectors, kernel, offset, padding=1)
        return 0.5 * vectors + 0.5 * convolved

    def encode(self, images):
        import torch

        latents = self.model["quant_conv"](self.model["encoder"](images))
        side = latents.shape[-1]
        rest, found = latents.clone(), []
        for index, grid in enumerate((*self.grids[:-1], side)):
            means = rest
            if grid != side:
                means = torch.nn.functional.interpolate(
                    rest, size=(grid, grid), mode="area"
                )
            rows = means.permute(0, 2, 3, 1)
            book = self.model["quantize"].embedding.weight
            codes = torch.cdist(rows.flatten(0, 2), book).argmin(-1)
            codes = codes.reshape(rows.shape[:3])
            found.append(codes.flatten(1))
            rest = rest - self._spread(codes, index, side)
        return latents.permute(0, 2, 3, 1), torch.cat(found, dim=1)[:, None]

    def decode(self, codes):
        places = [grid**2 for grid in self.grids]
        parts = codes[:, 0].split(places, dim=1)
        total = sum(
            self._spread(part.reshape(-1, grid, grid), index, self.grids[-1])
            for index, (part, grid) in enumerate(zip(parts, self.grids))
        )
        return self.model["decoder"](self.model["post_quant_conv"](total))

    def renamed(self, state):
        import torch

        renamed = {"quantize.ema_vocab_hit_SV": torch.zeros(len(self.grids), 64)}
        for index in range(4):
            module = f"quantize.quant_resi.qresi_ls.{index}"
            renamed[f"{module}.weight"] = self.kernels[index]
            renamed[f"{module}.bias"] = self.offsets[index]
        for name, tensor in state.items():
            module, _, leaf = name.rpartition(".")
            if module.endswith(".q"):
                parts = [state[f"{module[:-2]}.{part}.{leaf}"] for part in "qkv"]
                renamed[f"{module[:-2]}.qkv.{leaf}"] = torch.cat(parts)
            elif not module.endswith((".k", ".v")) and module != "loss":
                renamed[name] = tensor
        return renamed


class Dalle(Original):
    """Encoder and decoder of `dall_e`, their tensors in one file of safetensors.

    The decoder's means are compared before the package clips them.
    """

    scale, offset = 1, 0.5

    def __init__(self, folder, **config):
        import dall_e
        import torch
        from safetensors.torch import save_file

        sizes = {"n_hid": 64, "n_blk_per_group": 1, "vocab_size": 512, **config}
        names = {"encoder": dall_e.Encoder, "decoder": dall_e.Decoder}
        self.model = torch.nn.ModuleDict(
            {k: make(**sizes) for k, make in names.items()}
        )
        self.shake(self.model)
        # Otherwise one code would be the likeliest everywhere.
        logits, _ = self.encode(torch.from_numpy(self.images((64, 64)).copy()))
        self.model["encoder"].blocks.output.conv.b -= logits.mean(dim=(0, 1, 2))
        self.source = pathlib.Path(folder) / "dalle.safetensors"
        self.source.parent.mkdir(exist_ok=True, parents=True)
        save_file(self.model.state_dict(), self.source)

    def encode(self, images):
        import dall_e

        logits = self.model["encoder"](dall_e.map_pixels(images))
        return logits.permute(0, 2, 3, 1), logits.argmax(axis=1)

    def decode(self, codes):
        import torch

        size = self.model["encoder"].vocab_size
        one_hot = torch.nn.functional.one_hot(codes, size).permute(0, 3, 1, 2)
        means = torch.sigmoid(self.model["decoder"](one_hot.float())[:, :3])
        return (means - 0.1) / 0.8
