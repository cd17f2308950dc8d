"""How alike sets of images are: reconstructions, samples, real ones.

A Frechet distance depends on the network as much as on the images, and on how many
there are. It is called by the name of its network, `FD-<name>`, never FID, and stands
beside its floor: the distance of two sets of real images of the same sizes.
"""

import numpy as np

from vqzoo import registry
from vqzoo.datasets.splits import spread
from vqzoo.losses import make_perceptual
from vqzoo.measures import distances, inference
from vqzoo.measures.findings import Skipped

ORDER = 11
TITLE = "Sets of images"
TEXT = (
    "Distances between sets of images and real images. The floor of each is the "
    "distance of as many other real images. FD is the Frechet distance in the "
    "features of the network in its name; it is not FID, which uses another "
    "network. Precision is the share of a set that lies among real images, "
    "recall the share of real images that lie among the set. SWD is the sliced "
    "Wasserstein distance of patches at each level of a Laplacian pyramid, "
    "times 1000."
)
GLANCE = {
    "samples_fd_resnet": "FD-resnet of samples",
    "samples_floor_fd_resnet": "its floor: as many real images",
}

SURE = 0.9  # what the judge gives a class that an image plainly shows
NEIGHBORS = 3  # of a vector, within whose distance others are among its like


def frechet_distance(first, second):
    """Frechet distance of the Gaussians of two sets of features.

    Args:
        first: float `(N, D)`, N of at least 2.
        second: float `(M, D)`, M of at least 2.

    Returns:
        float, in squared units of the features; 0 for equal means and covariances.

    Raises:
        ValueError: if a set has fewer than 2 vectors or the lengths differ.

    Source: Heusel et al. 2017, arXiv 1706.08500, equation 6. Differs: the trace of the
        root of the product is taken from symmetric matrices, which is exact and stays
        real where features are constant or fewer than their length.
    """
    first, second = (np.asarray(vectors, "float64") for vectors in (first, second))
    distances.check_sets(first, second, least=2)
    means = [vectors.mean(axis=0) for vectors in (first, second)]
    covariances = [
        np.cov(vectors, rowvar=False).reshape(vectors.shape[1], -1)
        for vectors in (first, second)
    ]
    values, axes = np.linalg.eigh(covariances[0])
    root = (axes * np.sqrt(np.maximum(values, 0))) @ axes.T
    values = np.linalg.eigvalsh(root @ covariances[1] @ root)
    cross = np.sum(np.sqrt(np.maximum(values, 0)))
    distance = np.sum((means[0] - means[1]) ** 2)
    distance += np.trace(covariances[0]) + np.trace(covariances[1]) - 2 * cross
    return float(max(distance, 0.0))


def precision_recall(real, generated, neighbors=NEIGHBORS):
    """Share of generated features among real ones, and of real among generated ones.

    A vector is among others if it is no further from one of them than that one's k-th
    neighbor.

    Args:
        real: float `(N, D)`.
        generated: float `(M, D)`.
        neighbors: int, k; both sets have more vectors.

    Returns:
        dict: `precision` and `recall`, each in [0, 1].

    Raises:
        ValueError: if a set has too few vectors.

    Source: Kynkaanniemi et al. 2019, arXiv 1904.06991, equations 1 to 3.
    """
    if min(len(real), len(generated)) <= neighbors:
        raise ValueError(
            f"expected more than {neighbors} vectors in each set, received "
            f"{len(real)} and {len(generated)}"
        )
    return {
        "precision": _share_within(generated, real, neighbors),
        "recall": _share_within(real, generated, neighbors),
    }


def _share_within(queries, known, neighbors):
    from sklearn.metrics import pairwise_distances_chunked
    from sklearn.neighbors import NearestNeighbors

    known, queries = (np.asarray(vectors, "float32") for vectors in (known, queries))
    search = NearestNeighbors(n_neighbors=neighbors, algorithm="brute").fit(known)
    radii = search.kneighbors()[0][:, -1]  # a vector is no neighbor of its own
    inside = [
        (rows <= radii).any(axis=1)
        for rows in pairwise_distances_chunked(queries, known)
    ]
    return float(np.concatenate(inside).mean())


def variety(samples, known):
    """How different samples are, compared with known data: a dict of floats.

    Args:
        samples: float `(N, ...)`, N of at least 2.
        known: float `(M, ...)`, M of at least 2, such as real images or parents.

    Returns:
        dict: `diversity`, the mean distance of pairs over that of the known, which does
        not see repeats; `nearest_other`, the mean distance to the nearest other one
        over that of as many known, 0 where each has a copy; and `recall`, the share of
        the known that lie among as many samples, which takes more than `NEIGHBORS`.
    """
    count = min(len(samples), len(known))
    some = [each[spread(len(each), count)] for each in (samples, known)]
    apart, apart_known = map(distances.nearest_other, some)
    figures = {
        "diversity": distances.diversity(samples) / distances.diversity(known),
        "nearest_other": apart / apart_known,
    }
    if count > NEIGHBORS:
        flat, flat_known = (each.reshape(count, -1) for each in some)
        figures["recall"] = precision_recall(flat_known, flat)["recall"]
    return figures


@registry.named("sets")
def measure(subject, section):
    """Rows for reconstructions and samples, and floors of both."""
    images, features = subject.images, subject.test_features
    rows = {
        "floor": ("real test images (floor of the next row)", images, features),
        "reconstructions": (
            "their reconstructions",
            subject.rebuilt,
            subject.rebuilt_features,
        ),
    }
    with section.attempt("samples"):
        samples = _equally_many(subject)
        rows["samples_floor"] = (
            "real test images, as many as samples (floor of the next row)",
            images[: len(samples)],
            features[: len(samples)],
        )
        rows["samples"] = "samples", samples, subject.sample_features[: len(samples)]
    table, columns = [], ()
    for key, (title, *images_and_features) in subject.progress(rows.items(), "sets"):
        with section.attempt(key):
            columns = _compare(subject, *images_and_features)
            section.add(columns, f"{key}_")
            table.append((title, len(images_and_features[0]), *columns.values()))
    name, sizes = subject.features_name, subject.sizes
    paired = frechet_distance(features, subject.rebuilt_features)
    section.add({f"paired_reconstructions_fd_{name}": paired})
    if subject.has_judge:
        distance = make_perceptual(subject.judge.network)
        seen = inference.in_batches(distance, images, subject.rebuilt, batch_size=250)
        section.add({f"reconstructions_perceptual_{name}": float(seen.mean())})
    if table:
        words = [n.replace("fd_", "FD-").replace("swd_", "SWD ") for n in columns]
        section.table(
            f"Compared with {len(subject.train_images):,} real training images",
            ("set", "images", *words),
            table,
            f"Precision and recall use at most {sizes.compared:,} images of each set, "
            f"SWD uses {sizes.some:,}. FD-{name} between the test images and their "
            f"reconstructions is {paired:.4g}.{_protocol(subject)}",
        )
    with section.attempt("classes of the images"):
        _classes(subject, section)
    with section.attempt("FID"):
        _inception(subject, section)


def _equally_many(subject):
    """Samples, clipped, no more than the real images of their floor."""
    return np.clip(subject.samples.images[: len(subject.images)], -0.5, 0.5)


def _compare(subject, images, features):
    """Figures of a set beside the training images."""
    return {**compare_features(subject, features), **_wasserstein(subject, images)}


def compare_features(subject, features):
    """FD, precision and recall of a set beside the training images: dict of floats."""
    known, count = subject.train_features, subject.sizes.compared
    return {
        f"fd_{subject.features_name}": frechet_distance(known, features),
        **precision_recall(known[:count], features[:count]),
    }


def _wasserstein(subject, images):
    if min(images.shape[1:3]) < distances.SMALLEST:
        return {}
    some = subject.sizes.some
    return distances.laplacian_sliced_wasserstein(
        subject.train_images[:some], images[:some]
    )


def _classes(subject, section):
    """How often the judge names the class that images were made for."""
    subject.need_labels()
    if len(subject.data.class_names) < 2:
        raise Skipped(f"the data set {subject.data.name} has one class")
    rows = {
        "floor": (subject.images, subject.labels),
        "reconstructions": (subject.rebuilt, subject.labels),
    }
    with section.attempt("classes of the samples"):
        samples = _equally_many(subject)
        if subject.samples.labels is None:
            raise Skipped("the samples have no classes")
        rows["samples"] = samples, subject.samples.labels[: len(samples)]
    table = []
    for key, (images, labels) in rows.items():
        right = subject.judge.accuracy(images, labels)
        sure = float(np.mean(subject.judge.confidence(images) > SURE))
        section.add({f"{key}_of_the_class": right, f"{key}_named_surely": sure})
        table.append((key, right, sure))
    section.table(
        "What the judge, which knows real images alone, says of each set",
        ("set", "share put into its class", f"share named with over {SURE:g}"),
        table,
    )


def _inception(subject, section):
    features = subject.options.get("inception")
    if features is None:
        raise Skipped(
            "it takes the weights of its network: --inception=PATH, pytorch-fid's file "
            "or a saved model from images of 299 x 299 in [-1, 1] to 2,048 features"
        )
    train, test = features(subject.train_images), features(subject.images)
    rows = {
        "floor": ("real test images, training images (floor)", test, train),
        "reconstructions": (
            "test images, their reconstructions",
            test,
            features(subject.rebuilt),
        ),
    }
    with section.attempt("FID of samples"):
        # A protocol says how many samples; real test images may be fewer.
        whole = subject.options.get("protocol")
        samples = subject.samples.images if whole else _equally_many(subject)
        samples = np.clip(samples, -0.5, 0.5)
        rows["samples_floor"] = (
            "real test images, as many as samples, training images (floor of the next)",
            test[: len(samples)],
            train,
        )
        rows["samples"] = "samples, training images", features(samples), train
    table = []
    for key, (title, first, second) in rows.items():
        distance = frechet_distance(first, second)
        section.add({f"{key}_fid": distance})
        table.append((title, len(first), len(second), distance))
    section.table(
        "FID, by the network of --inception",
        ("the two sets", "images of the first", "of the second", "FID"),
        table,
        "FID falls with the number of images; published values use 10,000 to 50,000."
        + _protocol(subject),
    )


def _protocol(subject):
    """The name of the protocol that numbers are of, in words."""
    name = subject.options.get("protocol")
    return f" Protocol: {name}." if name else ""
