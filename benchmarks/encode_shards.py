"""The collection for the benchmarks of encoding: CIFAR-10 as JPEG in tar shards."""

import io
import random
import tarfile

SHARD = 5000  # images


def make_shards(data, folder, count=50_000):
    """Tar shards of the training images in a random order; and files for PyTorch."""
    folder.mkdir(parents=True, exist_ok=True)
    if not list(folder.glob("*.tar")):
        with tarfile.open(data) as archive:
            members = [m for m in archive if m.isreg() and m.name.startswith("train/")]
            files = [(m.name, archive.extractfile(m).read()) for m in members]
        random.Random(0).shuffle(files)
        classes = sorted({name.split("/")[1] for name, _ in files})
        for first in range(0, min(count, len(files)), SHARD):
            path = folder / f"train-{first // SHARD:03d}.tar"
            with tarfile.open(path, "w") as archive:
                for name, content in files[first : first + SHARD]:
                    _, label, number = name.split("/")
                    key = f"{label}_{number.removesuffix('.jpg')}"
                    for kind, part in (
                        ("jpg", content),
                        ("cls", str(classes.index(label)).encode()),
                    ):
                        info = tarfile.TarInfo(f"{key}.{kind}")
                        info.size = len(part)
                        archive.addfile(info, io_of(part))
    return sorted(map(str, folder.glob("train-*.tar")))


def io_of(content):
    """A file object of some bytes."""
    return io.BytesIO(content)
