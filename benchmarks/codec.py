"""The codec: lossless codes, file sizes against information, JPEG and WebP.

    python -m benchmarks.codec --model=export/vqvae2_noisy --data_dir=cifar10.tar.xz
        --image_size=32 --label=cifar10 [--images=1000] [--modes=raw,unigram,prior]

Takes test images of a folder or archive, cropped to squares. For each mode of the model
it checks that codes are decoded unchanged, and measures seconds and bytes, with and
without the header (about 26 bytes). Bytes are compared with fixed-length indices and,
with priors, with -log2 of the pipeline's likelihood. For the best mode it also compares
PSNR with JPEG and WebP: for each image the best quality that is no larger than our
file, once with all headers and once without any (JPEG's entropy-coded scan without
tables; WebP's VP8 chunk). If no quality is that small, the smallest file counts, and
the results say how often. `--nopeers` skips JPEG and WebP: they would reproduce images
that were JPEG files of this size without error. Results keep modes of earlier runs with
the same label and images.
"""

import io
import time

import keras
import numpy as np

from benchmarks import measure
from vqzoo import codec as codecs
from vqzoo import datasets, measures
from vqzoo.codec import CodecError, container
from vqzoo.codec.decisions import num_levels
from vqzoo.studies import codec_rows

RESULTS = "codec"
QUALITIES = (0, *range(1, 96, 2))
SHOWN_QUALITIES = (0, 5, 11, 25, 51, 75, 95)
BATCH = 64


def pictures_of(data_dir, image_size, count):
    """The first images of the test split: uint8 `(N, side, side, 3)`."""
    splits = datasets.load("folder", data_dir=data_dir, image_size=image_size)
    images, _ = splits.test.arrays()
    levels = np.rint((np.asarray(images[:count]) + 0.5) * 255).astype("uint8")
    return levels, splits.fingerprint


def measure_mode(codec, pictures, mode, tiers):
    """Figures of one mode on images, and their files.

    Returns:
        `(figures, files, rebuilt)`: a JSON dict, list of bytes, uint8 images.
    """
    files, rebuilt, identical = [], [], 0
    seconds = dict.fromkeys(("encode", "write", "read", "decode"), 0.0)

    def timed(what, function, *arguments, **options):
        began = time.perf_counter()
        result = function(*arguments, **options)
        seconds[what] += time.perf_counter() - began
        return result

    for start in range(0, len(pictures), BATCH):
        batch = list(pictures[start : start + BATCH])
        sizes = [picture.shape[:2] for picture in batch]
        grids = timed("encode", codec.encode, batch)
        made = timed("write", codec.files.write, grids, sizes, mode=mode, tiers=tiers)
        codes = timed("read", codec.files.read, made)
        identical += sum(_same(*pair) for pair in zip(codes, grids))
        rebuilt += timed("decode", codec.decode, codes, sizes)
        files += made
    indices = index_bytes(codec, files[0], grids[0])
    figures = {
        "identical": identical,
        "bytes": measure.spread(sizes_of(files)),
        "payload_bytes": float(np.mean([len(_payload(data)) for data in files])),
        "index_bytes": indices,
        "bits_per_pixel": 8 * sum(sizes_of(files)) / pictures[..., 0].size,
        "saving_over_indices": 1 - np.mean(sizes_of(files)) / indices,
        "seconds_an_image": {k: v / len(files) for k, v in seconds.items()},
    }
    return figures, files, np.stack(rebuilt)


def sizes_of(files):
    """Bytes of each file."""
    return [len(data) for data in files]


def index_bytes(codec, data, grids):
    """Bytes of the codes of an image as indices of fixed length."""
    kept = container.unpack(data).tiers or range(len(grids))
    layers = codec.model.quantizers
    bits = [grids[i].size * num_levels(layers[i].num_embeddings) for i in kept]
    return sum(bits) / 8


def _same(codes, expected):
    """Whether a file decodes to the codes that were encoded."""
    if isinstance(codes, CodecError):
        raise SystemExit(f"a file is not read: {codes}")
    pairs = [(a, b) for a, b in zip(codes, expected) if a is not None]
    return all(np.array_equal(a, b) for a, b in pairs)


def _payload(data):
    return container.unpack(data).payload


def information_bytes(codec, pictures, files):
    """-log2 of the likelihood of each image's codes under the priors, in bytes."""
    bytes_batches = []
    for start in range(0, len(files), BATCH):
        batch = files[start : start + BATCH]
        labels = [container.unpack(data).label for data in batch]
        grids = codec.encode(list(pictures[start : start + BATCH]))
        stacked = [np.stack(tier) for tier in zip(*grids)]
        label = None if labels[0] is None else np.array(labels)
        bytes_batches.append(-codec.pipeline.log_prob(stacked, label) / np.log(2) / 8)
    return np.concatenate(bytes_batches)


def psnr_of(pictures, rebuilt):
    """PSNR of each image, dB, on uint8 values."""
    difference = pictures.astype("float64") - rebuilt
    errors = np.square(difference).mean(axis=(1, 2, 3))
    return 10 * np.log10(255**2 / np.maximum(errors, 1e-6))


def peers(pictures):
    """Bytes, bytes without headers and PSNR of JPEG and WebP at each quality.

    Returns:
        dict of name to float `(3, qualities, N)`.
    """
    makers = {"jpeg": _jpeg, "webp": _webp}
    tables = {name: np.zeros((3, len(QUALITIES), len(pictures))) for name in makers}
    for name, make in makers.items():
        for row, quality in enumerate(QUALITIES):
            made = [make(picture, quality) for picture in pictures]
            tables[name][0, row] = [len(data) for data, _ in made]
            tables[name][1, row] = [bare for _, bare in made]
            rebuilt = np.stack([_opened(data) for data, _ in made])
            tables[name][2, row] = psnr_of(pictures, rebuilt)
    return tables


def _saved(picture, kind, **options):
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, kind, **options)
    return buffer.getvalue()


def _opened(data):
    from PIL import Image

    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("RGB"))


def _jpeg(picture, quality):
    """A JPEG file, and the bytes of its entropy-coded scan."""
    data = _saved(picture, "JPEG", quality=quality, optimize=True)
    place = 2
    while data[place + 1] != 0xDA:  # segments up to the start of the scan
        place += 2 + int.from_bytes(data[place + 2 : place + 4])
    scan = place + 2 + int.from_bytes(data[place + 2 : place + 4])
    return data, len(data) - scan - 2


def _webp(picture, quality):
    """A WebP file, and the bytes of its VP8 chunk."""
    data = _saved(picture, "WEBP", quality=quality, method=6)
    place = data.index(b"VP8 ")
    return data, int.from_bytes(data[place + 4 : place + 8], "little")


def beside(ours, bytes_of_ours, sizes, psnr):
    """PSNR at matched size: the best quality per image that is no larger.

    Args:
        ours: `(N,)`, our PSNR.
        bytes_of_ours: `(N,)`.
        sizes: `(qualities, N)`, bytes of the other.
        psnr: `(qualities, N)`.

    Returns:
        JSON dict; `larger` counts images whose smallest file is still larger.
    """
    fits = sizes <= bytes_of_ours
    best = np.where(fits, psnr, -np.inf).max(axis=0)
    smallest = psnr[sizes.argmin(axis=0), np.arange(sizes.shape[1])]
    theirs = np.where(fits.any(axis=0), best, smallest)
    return {
        "psnr": float(theirs.mean()),
        "gain_db": float((ours - theirs).mean()),
        "larger": int((~fits.any(axis=0)).sum()),
    }


def rate_distortion(pictures, files, rebuilt, others):
    """Our point and the curves of JPEG and WebP: a JSON dict."""
    ours = psnr_of(pictures, rebuilt)
    whole = np.array(sizes_of(files))
    bare = np.array([len(_payload(data)) for data in files])
    pixels = pictures[0, ..., 0].size
    rows = [QUALITIES.index(quality) for quality in SHOWN_QUALITIES]
    return {
        "psnr": float(ours.mean()),
        "psnr_of_mean_error": measures.reconstruction_error(
            pictures / np.float32(255) - np.float32(0.5),
            rebuilt / np.float32(255) - np.float32(0.5),
        )["psnr_of_mean_error"],
        "matched": {
            name: {
                "with headers": beside(ours, whole, table[0], table[2]),
                "without headers": beside(ours, bare, table[1], table[2]),
            }
            for name, table in others.items()
        },
        "curves": {
            name: [
                {
                    "quality": quality,
                    "bits_per_pixel": float(8 * table[0, row].mean() / pixels),
                    "without_headers": float(8 * table[1, row].mean() / pixels),
                    "psnr": float(table[2, row].mean()),
                }
                for quality, row in zip(SHOWN_QUALITIES, rows)
            ]
            for name, table in others.items()
        },
    }


def run(flags):
    """All figures of a model on a data set: a JSON dict."""
    codec = codecs.load(flags.model)
    pictures, fingerprint = pictures_of(flags.data_dir, flags.image_size, flags.images)
    results = {
        "images": len(pictures),
        "image_size": flags.image_size,
        "tiers": flags.tiers,
        "data_fingerprint": fingerprint,
        "modes": {},
    }
    for mode in (mode for mode in codec.modes if mode in flags.modes):
        figures, files, rebuilt = measure_mode(codec, pictures, mode, flags.tiers)
        if mode == "prior" and _is_one_tile(codec, pictures, flags.tiers):
            information = information_bytes(codec, pictures, files)
            sizes = np.array(sizes_of(files))
            figures["information_bytes"] = float(information.mean())
            figures["most_over_information"] = float((sizes - 1.01 * information).max())
        results["modes"][mode] = figures
        results["mode"] = mode
    peers_of = {} if not flags.peers else peers(pictures)
    results["rate_distortion"] = rate_distortion(pictures, files, rebuilt, peers_of)
    return results


def _is_one_tile(codec, pictures, tiers):
    """Whether the pipeline gives the likelihood of an image's codes."""
    return pictures.shape[1:] == codec.model.image_shape and tiers is None


def main(flags):
    """Measures, writes the results, prints the table."""
    keras.utils.set_random_seed(0)
    run_results = run(flags)
    results = measure.read(RESULTS) or {"runs": {}}
    _keep_other_modes(run_results, results["runs"].get(flags.label, {}))
    results["runs"][flags.label] = {**run_results, "machine": measure.machine()}
    measure.write(RESULTS, results)
    header, *rows = codec_rows.files(results)
    measure.print_table(header, rows)
    if "information_bytes" in run_results["modes"].get("prior", {}):
        figures = run_results["modes"]["prior"]
        print(
            f"prior: {figures['bytes']['median']:.0f} bytes for "
            f"{figures['information_bytes']:.1f} bytes of information; at most "
            f"{figures['most_over_information']:.1f} bytes above 1.01 of it; "
            f"{figures['saving_over_indices']:.1%} less than raw indices"
        )


def _keep_other_modes(results, earlier):
    """Keeps modes that an earlier run on the same images measured."""
    same = ("images", "image_size", "tiers", "data_fingerprint")
    if all(earlier.get(key) == results[key] for key in same):
        results["modes"] = {**earlier["modes"], **results["modes"]}


if __name__ == "__main__":
    measure.run(
        main,
        model=("", "folder of an artifact or of a prior's run"),
        data_dir=("", "folder or archive of images"),
        image_size=(0, "side of the crops"),
        label=("", "name of the run in the results"),
        images=(1000, "of the test split, at most"),
        modes=(container.MODES, "measured", container.MODES),
        tiers=((), "that are kept; empty: all that the decoder looks at"),
        peers=(True, "beside JPEG and WebP"),
    )
