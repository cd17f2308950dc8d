"""Named protocols: all that decides a Frechet distance beside the images themselves.

Numbers of one model by two tools are as far apart as those of two models. A protocol
fixes what they depend on, its record stands beside the numbers, and numbers whose
records differ are not compared.
"""

import dataclasses
import hashlib
import pathlib
import types

from vqzoo.registry import lazily

images = lazily("vqzoo.images")

# What of a measurement's section `sets` is compared, by parts of the names.
COMPARED = ("fd_", "fid", "precision", "recall")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Protocol:
    """What a name fixes.

    Args:
        num_images: int, test images.
        num_samples: int, images drawn from priors.
        num_reference: int, images of the reference split.
        inception_resize: str, of `inception.RESIZES`: the filter to 299 x 299.
        resize: str, what `--resize` does with images of other sizes; `"crop"`: the
            short side is brought to the model's, and the center is cropped.
        resize_filter: str, by which it does so.
        reference: str, the split that sets are compared with.
    """

    num_images: int
    num_samples: int
    num_reference: int
    inception_resize: str
    resize: str = "crop"
    resize_filter: str = "lanczos"
    reference: str = "train"


PROTOCOLS = {
    f"{tool}_{count // 1000}k": Protocol(
        num_images=min(count, 10_000),
        num_samples=count,
        num_reference=count,
        inception_resize=resize,
    )
    for tool, resize in (
        ("pytorch_fid", "half_pixel"),
        ("tensorflow_fid", "legacy"),
        ("clean_fid", "clean"),
    )
    for count in (1000, 10_000, 50_000)
}
_FREE = {"resize": "crop", "num_images": 0, "num_samples": 0, "quick": False}


def applied(values):
    """Flags as their protocol fixes them.

    Args:
        values: flags with `protocol`, a name or empty, and those that it decides:
            `resize`, `num_images`, `num_samples`, `quick`.

    Returns:
        The same, or a namespace with other values.

    Raises:
        ValueError: if a flag that the protocol decides was given another value.
    """
    if not values.protocol:
        return values
    protocol = PROTOCOLS[values.protocol]
    fixed = {
        "resize": protocol.resize,
        "num_images": protocol.num_images,
        "num_samples": protocol.num_samples,
        "quick": False,
    }
    for name, value in fixed.items():
        given = getattr(values, name)
        if given not in (_FREE[name], value):
            raise ValueError(
                f"expected --{name}={value} with --protocol={values.protocol}, which "
                f"fixes it, received {given}: leave the flag out"
            )
    return types.SimpleNamespace(**{**vars(values), **fixed})


def check_enough(name, splits):
    """Raises ValueError if the data has fewer images than a protocol says."""
    if not name:
        return
    protocol = PROTOCOLS[name]
    for split, count in (("test", "num_images"), ("train", "num_reference")):
        least, found = getattr(protocol, count), getattr(splits, split).size
        if found < least:
            raise ValueError(
                f"expected at least {least:,} {split} images for --protocol={name}, "
                f"received {found:,}: another protocol of {', '.join(PROTOCOLS)}, or "
                "more data"
            )


def record(name, subject, network_hashes):
    """What stands beside the numbers: a JSON dict.

    Args:
        name: str, of `PROTOCOLS`.
        subject: `Subject` that was measured.
        network_hashes: dict of hashes by the name of a feature network.
    """
    return {
        "name": name,
        **dataclasses.asdict(PROTOCOLS[name]),
        "image_shape": list(subject.model.item_shape),
        "data": subject.data.fingerprint,
        "features": dict(network_hashes),
    }


def hash_of_network(network):
    """sha256 of the weights of a Keras model, 16 hexadecimal digits."""
    digest = hashlib.sha256()
    for weight in network.weights:
        digest.update(images.to_numpy(weight.value).tobytes())
    return digest.hexdigest()[:16]


def hash_of_file(path):
    """sha256 of a file, or of the files of a folder: 16 hexadecimal digits."""
    path, digest = pathlib.Path(path), hashlib.sha256()
    files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else []
    for each in files or [path]:
        digest.update(each.read_bytes())
    return digest.hexdigest()[:16]


def side_by_side(ours, theirs):
    """Rows of two evaluations' numbers: `(name, ours, theirs)`.

    Args:
        ours: dict with `protocol`, a record, and `metrics`, as in metrics.json.
        theirs: the same of another evaluation.

    Raises:
        ValueError: if one has no protocol, or their records differ, with where.
    """
    first, second = (each.get("protocol") for each in (ours, theirs))
    if not first or not second:
        raise ValueError(
            "expected two evaluations with a --protocol, received "
            f"{[each and each['name'] for each in (first, second)]}"
        )
    differ = [key for key in {**first, **second} if first.get(key) != second.get(key)]
    if differ:
        told = "; ".join(f"{k}: {first.get(k)} and {second.get(k)}" for k in differ)
        raise ValueError(f"expected numbers of one protocol, received {told}")
    ours, theirs = (each["metrics"].get("sets", {}) for each in (ours, theirs))
    return [
        (name, value, theirs[name])
        for name, value in ours.items()
        if name in theirs and any(part in name for part in COMPARED)
    ]
