"""The items of `benchmarks.semantic_ids`, and figures of their IDs."""

import dataclasses
import functools
import pathlib
import re

import numpy as np

STAGES = 3


@dataclasses.dataclass(frozen=True)
class Sizes:
    """Sizes of the benchmark."""

    items: int = 100_000
    codes: int = 256
    batch: int = 1024
    epochs: int = 8
    classifier_steps: int = 600
    words: int = 30_000
    timed: int = 1_000_000


QUICK = Sizes(
    items=3000,
    codes=16,
    batch=256,
    epochs=1,
    classifier_steps=3,
    words=2000,
    timed=20_000,
)


def sizes(flags):
    """The sizes that the flags select."""
    return QUICK if flags.quick else Sizes()


def path_of(flags):
    """The file of the vectors."""
    return str(pathlib.Path(flags.folder, f"{flags.items}.npy"))


def write_images(flags):
    """Writes features of images and mirrored images, by a classifier trained here."""
    from vqzoo import datasets
    from vqzoo.measures import judge

    chosen = sizes(flags)
    splits = datasets.load("folder", data_dir=flags.cifar10, image_size=32)
    parts = [split.arrays() for split in (splits.train, splits.validation, splits.test)]
    images, labels = (np.concatenate(each) for each in zip(*parts))
    count, least = len(parts[0][0]), min(len(images), chosen.items)
    classifier = judge.fit_classifier(
        images[:count], labels[:count], 10, steps=chosen.classifier_steps
    )
    mirrored = images[: chosen.items - least, :, ::-1]
    seen = [
        classifier.features(part) for part in (images[:least], mirrored) if len(part)
    ]
    shape = _save(flags, np.concatenate(seen))
    test = (part[: chosen.items] for part in parts[2])
    return {"accuracy": classifier.accuracy(*test), "shape": shape}


def write_texts(flags):
    """Writes TF-IDF of docstrings of installed packages, on its main axes."""
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer

    chosen = sizes(flags)
    texts = _docstrings(chosen.items)
    terms = TfidfVectorizer(
        max_features=chosen.words, stop_words="english", sublinear_tf=True
    ).fit_transform(texts)
    axes = TruncatedSVD(128, n_iter=2, random_state=0)
    vectors = axes.fit_transform(terms)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors = vectors[lengths[:, 0] > 0] / lengths[lengths[:, 0] > 0]
    kept = float(axes.explained_variance_ratio_.sum())
    return {"shape": _save(flags, vectors), "variance kept": kept}


def _docstrings(count):
    import sklearn

    found = {}
    site = pathlib.Path(sklearn.__file__).parent.parent
    for path in sorted(site.rglob("*.py")):
        source = path.read_text(encoding="utf-8", errors="ignore")
        for text in re.findall(r'"""(.{40,4000}?)"""', source, re.DOTALL):
            found.setdefault(" ".join(text.split()))
        if len(found) >= count:
            break
    return list(found)[:count]


def _save(flags, vectors):
    pathlib.Path(flags.folder).mkdir(parents=True, exist_ok=True)
    np.save(path_of(flags), vectors.astype("float32"))
    return list(vectors.shape)


@functools.cache
def splits(path):
    """The vectors of a file in their splits."""
    from vqzoo.datasets.vectors import load_vectors

    return load_vectors("arrays", data_dir=path)


def all_vectors(flags):
    """Float32 `(N, D)`."""
    return splits(path_of(flags)).table.vectors


def said(codes, rebuilt, flags):
    """The figures: IDs of all vectors, and the error on the test split."""
    from vqzoo.measures import identifiers

    table = splits(path_of(flags)).table
    vectors, test = table.vectors, table.splits["test"]
    variance = float(vectors.var(axis=0).mean())
    found = identifiers.id_metrics(codes, vectors, sizes(flags).codes)
    names = ("unique", "collisions_per_1000", "largest_group", "recall", "duplicates")
    stages = range(1, STAGES + 1)
    return {
        **{name: found[name] for name in names},
        "least_usage": min(found[f"usage_{stage}"] for stage in stages),
        "least_entropy": min(found[f"entropy_{stage}"] for stage in stages),
        **identifiers.vector_error(vectors[test], rebuilt[test], variance),
    }
