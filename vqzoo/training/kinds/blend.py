"""A prior over blends of two sets of images: codes between them, then images."""

import dataclasses
import hashlib

import numpy as np

from vqzoo.registry import lazily
from vqzoo.runs.folder import Run
from vqzoo.training.kinds.prior import PriorRecipe
from vqzoo.training.settings import setting

measures = lazily("vqzoo.measures")
distances = lazily("vqzoo.measures.distances")
plots = lazily("vqzoo.plots")
splitting = lazily("vqzoo.datasets.splits")
tensorflow = lazily("tensorflow")
trained = lazily("vqzoo.trained")

SHOWN = 64
PARTS = (0.8, 0.1)  # of the blends for training and validation


@dataclasses.dataclass(frozen=True, kw_only=True)
class BlendRecipe(PriorRecipe):
    """The blends.

    A prior is fitted to codes between two classes of images.

    Raises: ValueError: on a value that cannot work, with the name of its flag.
    """

    parents: tuple[str, ...] = setting(
        ("bird", "horse"), "the two classes, by name, whose images are blended"
    )
    num_parents: int = setting(
        200, "images of each class: its whitest ones", at_least=10
    )
    num_blends: int = setting(
        8000, "pairs of parents, blended and encoded", at_least=10
    )
    blend_range: tuple[float, ...] = setting(
        (0.25, 0.75), "least and greatest share of the second parent"
    )
    num_samples: int = setting(256, "images that are drawn and measured", at_least=10)
    class_conditional: bool = setting(False, "off: blends have no class")

    def __post_init__(self):
        super().__post_init__()
        self.expect("parents", len(self.parents) == 2, "two classes")
        self.expect("class_conditional", not self.class_conditional, "off here")
        low_high = self.blend_range
        in_order = len(low_high) == 2 and 0 <= low_high[0] <= low_high[1] <= 1
        self.expect("blend_range", in_order, "two shares in [0, 1], in order")

    def run(self):
        """Blends parents, fits a prior to the blends' codes, draws and measures images.

        Returns:
            `pathlib.Path` of the run's folder, as that of the other priors; also
            parents.png, and figures of the samples beside those of the blends.

        Raises:
            RunError: if the run cannot go on, for a reason that its user can fix.
            Stopped: after SIGTERM or SIGINT, once the state is saved.
            ValueError: if a setting does not fit the data or the model.
        """
        run = Run(super().run())
        self.shrunk()._compare(run)
        return run.path

    def _compare(self, run):
        """Measures samples of the prior and blends beside their parents."""
        sampler = trained.load(run.path).pipeline
        model = sampler.model
        both = parents(self._splits(model), self.parents, self.num_parents)
        samples = sampler.sample(self.num_samples, seed=self.seed).images
        codes = measures.in_batches(
            self._encoder(model, both), np.arange(self.num_samples)
        )
        blends = measures.in_batches(model.decode, codes)
        metrics = run.metrics()
        metrics["samples"] = figures(samples, *both)
        metrics["blends"] = figures(blends, *both)
        shown = np.concatenate([images[: SHOWN // 2] for images in both])
        pictures = {
            "parents": plots.image_grid(shown, "Parents"),
            "blends": plots.image_grid(blends[:SHOWN], "Parents blended, decoded"),
            "samples": plots.image_grid(
                samples[:SHOWN], "Samples of the prior over the blends"
            ),
        }
        run.finish(metrics, pictures=pictures)
        for name in ("blends", "samples"):
            numbers = ", ".join(f"{k} {v:.3f}" for k, v in metrics[name].items())
            print(f"{name}: {numbers}")

    def extract(self, model):
        """The codes of the blends: `datasets.codes.CodeSplits`."""
        self.expect("flip", not self.flip, "False, as blends are not mirrored")
        splits = self._splits(model)
        both = parents(splits, self.parents, self.num_parents)
        bounds = np.cumsum([0, *PARTS, 1 - sum(PARTS)]) * self.num_blends
        bounds = bounds.round().astype(int)
        # What the blends depend on is a fingerprint of theirs. The order of its parts
        # is that of codes on disk.
        chosen = (self.parents, self.num_parents, self.num_blends)
        text = f"{splits.fingerprint} {chosen} {self.blend_range} {self.seed}"
        numbers = splitting.Splits(
            **{
                name: splitting.Split(size=int(end - start), load=_numbers_from(start))
                for name, start, end in zip(
                    ("train", "validation", "test"), bounds, bounds[1:]
                )
            },
            name="blends",
            image_shape=tuple(model.image_shape),
            class_names=(),
            fingerprint=hashlib.sha256(text.encode()).hexdigest(),
        )
        return self.codes_of(model, self._encoder(model, both), numbers)

    def _pairs(self):
        """Which parents are blended, and the share of the second."""
        generator = np.random.default_rng(self.seed)
        pairs = generator.integers(self.num_parents, size=(2, self.num_blends))
        return pairs, generator.uniform(*self.blend_range, self.num_blends)

    def _encoder(self, model, both):
        """The function from numbers of blends to their codes, top first."""
        latents = [measures.in_batches(model.latents, images) for images in both]
        pairs, shares = self._pairs()

        def encode(numbers):
            numbers = np.asarray(numbers)
            share = shares[numbers][:, None, None, None].astype("float32")
            return tuple(
                layer.encode(
                    (1 - share) * first[pairs[0][numbers]]
                    + share * second[pairs[1][numbers]]
                )
                for layer, first, second in zip(model.quantizers, *latents)
            )

        return encode

    def smoke_numbers(self):
        """The settings that a smoke run has other values of: a dict."""
        few = {"num_parents": 10, "num_blends": 40, "num_samples": 10}
        return super().smoke_numbers() | few


def whiteness(images):
    """How white the middle of images is: the mean of the darkest channel there.

    Args:
        images: float `(N, H, W, C)` in [-0.5, 0.5].

    Returns:
        Float `(N,)` in [0, 1]; 1 where the central half by half of the image is white.
    """
    height, width = images.shape[1:3]
    middle = images[
        :, height // 4 : height - height // 4, width // 4 : width - width // 4
    ]
    return np.mean(middle.min(axis=-1) + 0.5, axis=(1, 2))


def parents(splits, names, count):
    """The whitest training images of two classes: two arrays `(N, H, W, C)`.

    Args:
        splits: `Splits`.
        names: str, of the classes.
        count: int, N.

    Raises:
        ValueError: if the data has no such classes or too few images.
    """
    if set(names) - set(splits.class_names):
        raise ValueError(
            f"expected --parents to be of {splits.class_names}, received "
            f"{', '.join(names)}"
        )
    images, labels = splits.train.arrays()
    whitest = []
    for name in names:
        of_class = images[labels == splits.class_names.index(name)]
        if len(of_class) < count:
            raise ValueError(
                f"expected --num_parents of at most the {len(of_class)} images of "
                f"{name}, received {count}"
            )
        order = np.argsort(-whiteness(of_class), kind="stable")
        whitest.append(of_class[order[:count]])
    return whitest


def figures(images, first, second):
    """How images stand to two sets of parents: a dict of floats.

    Args:
        images: float `(N, H, W, C)`.
        first: float `(M, H, W, C)`, parents.
        second: float `(M, H, W, C)`, parents.

    Returns:
        dict: `white`, the share as white as nine in ten parents; `nearest_first` and
        `nearest_second`, root mean square distance to the nearest parent of each set;
        `nearer_first`, the share whose nearest parent is of the first set; and what
        `measures.variety` says of the images beside the parents.
    """
    both = np.concatenate([first, second])
    least = np.quantile(whiteness(both), 0.1)
    # A root mean square over the values of an image.
    scale = np.sqrt(images[0].size)
    nearest = [distances.nearest(images, known)[0] / scale for known in (first, second)]
    return {
        "white": float(np.mean(whiteness(images) >= least)),
        "nearest_first": float(nearest[0].mean()),
        "nearest_second": float(nearest[1].mean()),
        "nearer_first": float(np.mean(nearest[0] < nearest[1])),
        **measures.variety(images, both),
    }


def _numbers_from(start):
    def load(indices, seed):
        del seed
        return {"image": tensorflow.cast(indices, tensorflow.int64) + int(start)}

    return load
