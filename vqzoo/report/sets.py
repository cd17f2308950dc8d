"""The section on how alike sets of images are: reconstructions, samples, real ones."""

import numpy as np

from vqzoo.measures import frechet, pyramid
from vqzoo.report.document import Skipped

TEXT = (
    "Distances of sets of images to real ones, each beside its floor: what other real "
    "images in equal number have. FD is the Frechet distance in the features of the "
    "network that its name says, never FID, whose network is another. Precision is "
    "the share of a set that lies among real images, recall the share of real images "
    "that lie among the set. SWD is the sliced Wasserstein distance of patches of "
    "each level of a Laplacian pyramid, times 1000."
)


def fill(subject, section):
    """Rows for reconstructions and samples, and floors of both."""
    images, features = subject.images, subject.test_features
    rows = {
        "floor": ("real test images (floor of the next)", images, features),
        "reconstructions": (
            "reconstructions of them",
            subject.rebuilt,
            subject.rebuilt_features,
        ),
    }
    with section.attempt("samples"):
        count = _equal_number(subject)
        rows["samples_floor"] = (
            "real test images, as many as samples (floor of the next)",
            images[:count],
            features[:count],
        )
        samples = subject.samples.images[:count]
        rows["samples"] = "samples", samples, subject.sample_features[:count]
    table, columns = [], ()
    for key, (title, *of_set) in subject.progress(rows.items(), "sets"):
        with section.attempt(key):
            found = _compare(subject, *of_set)
            section.add(found, f"{key}_")
            table.append((title, len(of_set[0]), *found.values()))
            columns = found
    name, sizes = subject.features_name, subject.sizes
    paired = frechet.frechet_distance(features, subject.rebuilt_features)
    section.add({f"paired_reconstructions_fd_{name}": paired})
    if table:
        section.table(
            f"Compared with {len(subject.train_images):,} real training images",
            ("set", "images", *map(_words, columns)),
            table,
            f"Precision and recall are of at most {sizes.compared:,} images of each "
            f"set, SWD of {sizes.some:,}. The test images and their own "
            f"reconstructions are {paired:.4g} apart in FD-{name}.",
        )
    with section.attempt("FID"):
        _inception(subject, section)


def _equal_number(subject):
    """How many samples are compared: no more than the real images of their floor."""
    return min(len(subject.samples.images), len(subject.images))


def _compare(subject, images, features):
    """Figures of a set beside the training images."""
    known, count = subject.train_features, subject.sizes.compared
    name = f"fd_{subject.features_name}"
    found = {name: frechet.frechet_distance(known, features)}
    found |= frechet.precision_recall(known[:count], features[:count])
    if min(images.shape[1:3]) >= pyramid.SMALLEST:
        some = subject.sizes.some
        found |= pyramid.laplacian_sliced_wasserstein(
            subject.train_images[:some], np.clip(images[:some], -0.5, 0.5)
        )
    return found


def _words(measure):
    return measure.replace("fd_", "FD-").replace("swd_", "SWD ")


def _inception(subject, section):
    features = subject.options.get("inception")
    if features is None:
        raise Skipped(
            "it takes the weights of its network: --inception=PATH, a saved model from "
            "images of 299 x 299 in [-1, 1] to 2,048 features"
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
        count = _equal_number(subject)
        drawn = features(np.clip(subject.samples.images[:count], -0.5, 0.5))
        rows["samples_floor"] = (
            "real test images, as many as samples, training images (floor of the next)",
            test[:count],
            train,
        )
        rows["samples"] = "samples, training images", drawn, train
    table = []
    for key, (title, first, second) in rows.items():
        distance = frechet.frechet_distance(first, second)
        section.add({f"{key}_fid": distance})
        table.append((title, len(first), len(second), distance))
    section.table(
        "FID, by the network that was given",
        ("the two sets", "images of the first", "of the second", "FID"),
        table,
        "FID falls with the number of images; published ones are of 10,000 to 50,000.",
    )
