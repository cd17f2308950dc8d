"""The straightforward way in PyTorch: a Dataset of files, a DataLoader, an encoder.

The network is the encoder of `vqvae2_32`, layer by layer, with random weights. For each
line of input, `python -m benchmarks.encode_peer FOLDER float32|bfloat16` prints the
wall and processor seconds that all files took.
"""

import os
import pathlib
import subprocess
import sys
import tarfile
import time

import numpy as np

BATCH, WORKERS = 128, 2


def extract(shards, folder):
    """Image files as a PyTorch `Dataset`."""
    if not folder.exists():
        for path in shards:
            with tarfile.open(path) as archive:
                images = [m for m in archive if m.name.endswith(".jpg")]
                archive.extractall(folder, members=images, filter="data")


class Peer:
    """The loop in an interpreter with PyTorch; a call returns seconds.

    Args:
        python: path of the interpreter.
        folder: path of the files.
        kind: "float32" or "bfloat16".
    """

    def __init__(self, python, folder, kind):
        command = [python, "-m", "benchmarks.encode_peer", str(folder), kind]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self._process = subprocess.Popen(command, **pipes)

    def __call__(self):
        self._process.stdin.write("go\n")
        self._process.stdin.flush()
        wall, processor = map(float, self._process.stdout.readline().split())
        return {"wall": wall, "processor": processor}

    def close(self):
        """Ends the process."""
        self._process.stdin.close()
        self._process.wait()


def network():
    """The encoder of `vqvae2_32`: images to codes of two tiers."""
    import torch
    from torch import nn
    from torch.nn import functional

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.wide = nn.Conv2d(128, 32, 3, padding=1)
            self.point = nn.Conv2d(32, 128, 1)

        def forward(self, x):
            hidden = functional.relu(self.wide(functional.relu(x)))
            return x + self.point(hidden)

    def stack(channels):
        first = nn.Conv2d(channels, 128, 3, padding=1)
        return nn.Sequential(first, Block(), Block(), nn.ReLU())

    def half(channels):
        return nn.Sequential(
            nn.Conv2d(channels, 64, 4, stride=2, padding=1), nn.ReLU(), stack(64)
        )

    class Encoder(nn.Module):
        def __init__(self):
            super().__init__()
            self.bottom, self.top = half(3), half(128)
            self.to_top = nn.Conv2d(128, 64, 1)
            up = nn.ConvTranspose2d(128, 64, 4, stride=2, padding=1)
            self.decoder = nn.Sequential(stack(64), up)
            self.to_bottom = nn.Conv2d(192, 64, 1)
            self.codes = nn.ParameterList(torch.randn(512, 64) for _ in range(2))

        def nearest(self, latents, codes):
            rows = latents.permute(0, 2, 3, 1).reshape(-1, 64).float()
            chosen = torch.cdist(rows, codes).argmin(1)
            return chosen.reshape(latents.shape[0], *latents.shape[2:])

        def forward(self, images):
            features = self.bottom(images)
            top = self.nearest(self.to_top(self.top(features)), self.codes[0])
            quantized = self.codes[0][top].permute(0, 3, 1, 2)
            joined = torch.cat([self.decoder(quantized), features], 1)
            return top, self.nearest(self.to_bottom(joined), self.codes[1])

    return Encoder().eval()


def serve(folder, kind):
    """Prints seconds for each line of input."""
    import torch
    from PIL import Image

    class Files(torch.utils.data.Dataset):
        paths = sorted(pathlib.Path(folder).glob("*.jpg"))

        def __len__(self):
            return len(self.paths)

        def __getitem__(self, index):
            pixels = np.array(Image.open(self.paths[index]).convert("RGB"))
            return torch.from_numpy(pixels).permute(2, 0, 1).float() / 255 - 0.5

    model = network()
    loader = torch.utils.data.DataLoader(Files(), BATCH, num_workers=WORKERS)
    for _ in sys.stdin:
        began, tops, bottoms = (time.perf_counter(), processor()), [], []
        with (
            torch.inference_mode(),
            torch.autocast("cpu", torch.bfloat16, enabled=kind == "bfloat16"),
        ):
            for images in loader:
                top, bottom = model(images)
                tops.append(top.to(torch.int16).numpy())
                bottoms.append(bottom.to(torch.int16).numpy())
        target = pathlib.Path(folder).with_suffix(f".{kind}.npz")
        np.savez(target, top=np.concatenate(tops), bottom=np.concatenate(bottoms))
        print(time.perf_counter() - began[0], processor() - began[1], flush=True)


def processor():
    """Processor seconds of this process and of its finished workers."""
    return sum(os.times()[:4])


if __name__ == "__main__":
    serve(*sys.argv[1:])
