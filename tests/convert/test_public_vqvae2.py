"""The public VQ-VAE-2: its network written out in PyTorch, saved, and converted."""

import numpy as np
import pytest

from tests.helpers.case import random_images
from vqzoo import convert

torch = pytest.importorskip("torch")
nn = torch.nn


class Residual(nn.Module):
    def __init__(self, channels, hidden):
        super().__init__()
        wide = nn.Conv2d(channels, hidden, 3, padding=1)
        point = nn.Conv2d(hidden, channels, 1)
        self.conv = nn.Sequential(nn.ReLU(), wide, nn.ReLU(), point)

    def forward(self, inputs):
        return inputs + self.conv(inputs)


class Blocks(nn.Module):
    def __init__(self, *layers):
        super().__init__()
        self.blocks = nn.Sequential(*layers)

    def forward(self, inputs):
        return self.blocks(inputs)


class Codebook(nn.Module):
    def __init__(self, dim, count):
        super().__init__()
        for name, value in (
            ("embed", 0.1 * torch.randn(dim, count)),
            ("cluster_size", torch.rand(count)),
            ("embed_avg", torch.randn(dim, count)),
        ):
            self.register_buffer(name, value)

    def forward(self, latents):
        rows = latents.permute(0, 2, 3, 1)
        codes = torch.cdist(rows.flatten(0, 2), self.embed.T).argmin(1)
        codes = codes.reshape(rows.shape[:3])
        return self.embed.T[codes].permute(0, 3, 1, 2), codes


class Public(nn.Module):
    def __init__(self, channels=16, hidden=4, dim=6, count=32):
        super().__init__()

        def conv(inputs, outputs, size=4):
            stride = 2 if size == 4 else 1
            return nn.Conv2d(inputs, outputs, size, stride, padding=1)

        def up(inputs, outputs):
            return nn.ConvTranspose2d(inputs, outputs, 4, 2, padding=1)

        def residual():
            return Residual(channels, hidden), Residual(channels, hidden), nn.ReLU()

        half, relu = channels // 2, nn.ReLU()
        first, second = conv(3, half), conv(half, channels)
        last = conv(channels, channels, 3)
        self.enc_b = Blocks(first, relu, second, relu, last, *residual())
        halved = conv(channels, half), relu, conv(half, channels, 3)
        self.enc_t = Blocks(*halved, *residual())
        self.quantize_conv_t = nn.Conv2d(channels, dim, 1)
        self.quantize_t = Codebook(dim, count)
        self.dec_t = Blocks(conv(dim, channels, 3), *residual(), up(channels, dim))
        self.quantize_conv_b = nn.Conv2d(dim + channels, dim, 1)
        self.quantize_b = Codebook(dim, count)
        self.upsample_t = up(dim, dim)
        ups = up(channels, half), relu, up(half, 3)
        self.dec = Blocks(conv(2 * dim, channels, 3), *residual(), *ups)

    def forward(self, images):
        bottom = self.enc_b(images)
        top, codes_t = self.quantize_t(self.quantize_conv_t(self.enc_t(bottom)))
        bottom = torch.cat([self.dec_t(top), bottom], 1)
        bottom, codes_b = self.quantize_b(self.quantize_conv_b(bottom))
        both = torch.cat([self.upsample_t(top), bottom], 1)
        return codes_t, codes_b, self.dec(both)


def test_the_public_network_has_the_same_codes_and_pixels_here(tmp_path):
    torch.manual_seed(0)
    public = Public().eval()
    state = {f"module.{name}": value for name, value in public.state_dict().items()}
    torch.save(state, tmp_path / "vqvae_560.pt")
    found = convert.convert(tmp_path / "vqvae_560.pt", image_size=32)
    assert (found.family, found.left_out) == ("vqvae2", [])
    images = random_images(2, 32, 48, 3)
    with torch.no_grad():
        *codes, pixels = public(torch.from_numpy(2 * images).permute(0, 3, 1, 2))
    for ours, theirs in zip(found.model.encode(images), codes):
        assert len(np.unique(theirs)) > 2
        np.testing.assert_array_equal(np.asarray(ours), theirs.numpy())
    rebuilt = np.asarray(found.model.decode([c.numpy() for c in codes]))
    expected = pixels.permute(0, 2, 3, 1).numpy() / 2
    np.testing.assert_allclose(rebuilt, expected, atol=1e-5)
    counts = np.asarray(found.model.quantizers[0].ema_counts)
    np.testing.assert_array_equal(counts, public.quantize_t.cluster_size.numpy())
