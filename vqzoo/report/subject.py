"""What is evaluated: a model, perhaps its priors, and images it has not seen."""

import dataclasses
import functools

import numpy as np

from vqzoo import measures
from vqzoo.measures import classifier, inference
from vqzoo.priors import pipeline
from vqzoo.report.document import Skipped

MOST_BYTES = 400e6  # of training images in memory


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sizes:
    """How much is measured; `quick` is a first look.

    Args:
        images: int, test images of what takes all of them.
        train_images: int, training images that are encoded.
        some: int, test images of what decodes several times, and of all rates: those
            of codes, of priors and of image formats are of the same images.
        few: int, test images of what decodes many times.
        pairs: int, pairs of images that are interpolated.
        points: int, images on the map of neighbors.
        compared: int, features whose neighbors are compared, of each set.
        judge_images: int, training images that the judge learns from.
        judge_steps: int, of the classifier that judges images.
        retrain_steps: int, of each classifier of the classification accuracy score.
        samples: int, images drawn from priors.
        factor_images: int, images with known factors that metrics are tested on; they
            learn from twice as many.
    """

    images: int = 10_000
    train_images: int = 10_000
    some: int = 1000
    few: int = 200
    pairs: int = 64
    points: int = 1500
    compared: int = 4000
    judge_images: int = 30_000
    judge_steps: int = 400
    retrain_steps: int = 2000
    samples: int = 1000
    factor_images: int = 5000


QUICK = Sizes(
    images=1000,
    train_images=1000,
    some=128,
    few=32,
    pairs=16,
    points=300,
    compared=500,
    judge_images=1000,
    judge_steps=60,
    retrain_steps=60,
    samples=64,
    factor_images=500,
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Data:
    """Images of one data set, in random order.

    Args:
        name: str.
        images: float32 `(N, H, W, C)` in [-0.5, 0.5], of the test split.
        labels: int `(N,)`, or None.
        train_images: float32 `(M, H, W, C)`, of the training split.
        train_labels: int `(M,)`, or None.
        class_names: sequence of str in label order; empty without labels.
        fingerprint: str, of the whole data set.
        num_test: int, images of the whole test split, where that is known.
        num_train: int, of the whole training split.
    """

    name: str
    images: np.ndarray
    labels: np.ndarray | None
    train_images: np.ndarray
    train_labels: np.ndarray | None
    class_names: tuple[str, ...] = ()
    fingerprint: str = ""
    num_test: int = 0
    num_train: int = 0

    @classmethod
    def of(cls, splits, sizes, seed=0):
        """Random test and training images of a data set, as many as are measured.

        Args:
            splits: `datasets.Splits`.
            sizes: `Sizes`.
            seed: int, of the choice.
        """
        images, labels = _some(splits.test, sizes.images, seed)
        most = int(MOST_BYTES // (4 * np.prod(splits.image_shape)))
        most = max(1, min(most, max(sizes.train_images, sizes.judge_images)))
        train_images, train_labels = _some(splits.train, most, seed)
        return cls(
            name=splits.name,
            images=images,
            labels=labels,
            train_images=train_images,
            train_labels=train_labels,
            class_names=tuple(splits.class_names),
            fingerprint=splits.fingerprint,
            num_test=splits.test.size,
            num_train=splits.train.size,
        )


def _some(split, count, seed):
    """Images and labels of a split in random order: its own may be by class."""
    images, labels, found = [], [], 0
    for batch in split.batches(256, seed=seed).as_numpy_iterator():
        images.append(batch["image"])
        labels.append(batch.get("label"))
        found += len(batch["image"])
        if found >= count:
            break
    images = np.concatenate(images)[:count]
    return images, None if labels[0] is None else np.concatenate(labels)[:count]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Tier:
    """One grid of codes.

    Args:
        index: int, 0 for the top.
        name: str.
        layer: the quantizer.
    """

    index: int
    name: str
    layer: object

    @property
    def num_embeddings(self):
        """K, the values of an index."""
        return self.layer.num_embeddings

    @property
    def code_axes(self):
        """How many axes of the codes are the indices of one latent."""
        return self.layer.code_axes

    @property
    def codebook(self):
        """Float32 `(K, D)`; Skipped where a latent has several indices."""
        if self.code_axes:
            raise Skipped(f"each latent of the {self.name} tier has several indices")
        (codebook,) = self.layer.codebooks
        return np.asarray(codebook, "float32")


class Subject:
    """A model with everything of it that several measurements need, made once.

    Args:
        model: a model of vqzoo.models.
        data: `Data` whose images have the shape of the model's.
        sizes: `Sizes`.
        drawn: `pipeline.Pipeline` of the model and its priors, or None.
        history: list of dicts of floats, the epochs of the model's training, or empty.
        losses: list of dicts with `step` and `loss`, the mean training loss since the
            row before, or empty.
        options: dict of what the command line asked for beside.
        progress: function of a sequence and what it is, that shows how far it is.
    """

    def __init__(
        self,
        model,
        data,
        sizes,
        *,
        drawn=None,
        history=(),
        losses=(),
        options=None,
        progress=lambda steps, what: steps,
    ):
        self.model = model
        self.data = data
        self.sizes = sizes
        self.drawn = drawn
        self.history = list(history)
        self.losses = list(losses)
        self.options = options or {}
        self.progress = progress
        self.decode = inference.compiled(model.decode)
        self._encode = inference.compiled(lambda images: tuple(model.encode(images)))
        self._rebuild = inference.compiled(lambda images: model(images, training=False))
        inner = model.latents if model.quantizers else model.encode
        self._latents = inference.compiled(lambda images: tuple(inner(images)))
        self.images = data.images[: sizes.images]
        self.labels = None if data.labels is None else data.labels[: sizes.images]
        self.train_images = data.train_images[: sizes.train_images]
        self.tiers = tuple(
            Tier(index=index, name=name, layer=layer)
            for index, (name, layer) in enumerate(
                zip(model.tier_names, model.quantizers)
            )
        )

    @property
    def is_hybrid(self):
        """Whether images do not come back from the codes alone."""
        return any(tier.layer.is_hybrid for tier in self.tiers)

    @property
    def train_labels(self):
        """Labels of the training images that are encoded, or None."""
        labels = self.data.train_labels
        return None if labels is None else labels[: self.sizes.train_images]

    @property
    def num_pixels(self):
        """Height times width of an image."""
        return int(np.prod(self.model.image_shape[:2]))

    def need_codes(self):
        """Raises Skipped for a model whose latents are real numbers."""
        if not self.tiers:
            raise Skipped("the model has no codes: its latents are real numbers")

    def need_whole_codes(self):
        """Raises Skipped unless the codes alone give images."""
        self.need_codes()
        if self.is_hybrid:
            raise Skipped(
                "the latents are hybrid: the images come from codes together with real "
                "numbers"
            )

    def need_labels(self):
        """Raises Skipped for data without classes."""
        if self.labels is None or self.data.train_labels is None:
            raise Skipped(f"the data set {self.data.name} has no labels")

    def encode(self, images):
        """Codes of images, or latents of a model without codes: a tuple of numpy."""
        return measures.encode_all(self._encode, images)

    def reconstruct(self, images):
        """What the model makes of images: float32 numpy, clipped to [-0.5, 0.5]."""
        if self.is_hybrid:
            rebuilt = measures.in_batches(self._rebuild, images)
        else:
            rebuilt = measures.decode_all(self.decode, self.encode(images))
        return np.clip(rebuilt, -0.5, 0.5)

    @functools.cached_property
    def codes(self):
        """Codes or latents of the test images."""
        return self.encode(self.images)

    @functools.cached_property
    def train_codes(self):
        """Codes or latents of the training images."""
        return self.encode(self.train_images)

    @functools.cached_property
    def rebuilt(self):
        """Reconstructions of the test images, clipped."""
        if self.is_hybrid:
            return self.reconstruct(self.images)
        rebuilt = measures.decode_all(self.decode, self.codes)
        return np.clip(rebuilt, -0.5, 0.5)

    def some_codes(self, count):
        """Codes of the first test images."""
        return tuple(each[:count] for each in self.codes)

    def latents(self, images):
        """Float latents of images: a tuple, top first; of a VAE posterior means."""
        return measures.in_batches(self._latents, images)

    def encoder_features(self, images):
        """Latents of the top tier, flattened: float32 `(N, D)`."""
        first = self.latents(images)[0]
        return first.reshape(len(first), -1)

    def pooled_features(self, images):
        """Mean and spread over the places of each tier's latents: float32 `(N, D)`."""
        found = []
        for each in self.latents(images):
            flat = each.reshape(len(each), -1, each.shape[-1])
            found += [flat.mean(axis=1)] + ([flat.std(axis=1)] if each.ndim > 2 else [])
        return np.concatenate(found, axis=1).astype("float32")

    @functools.cached_property
    def judge(self):
        """A classifier trained on the real training images; Skipped without classes."""
        if not self.options.get("judge", True):
            raise Skipped("no judge was asked for: training it takes a minute")
        self.need_labels()
        steps = iter(self.progress(range(self.sizes.judge_steps), "steps of the judge"))
        found = classifier.fit_classifier(
            self.data.train_images,
            self.data.train_labels,
            len(self.data.class_names),
            steps=self.sizes.judge_steps,
            progress=lambda done: next(steps, None),
        )
        next(steps, None)  # ends the bar
        return found

    @functools.cached_property
    def has_judge(self):
        """Whether there is a judge: not for data without classes, or of one class."""
        try:
            return self.judge is not None
        except (Skipped, ValueError):
            return False

    @property
    def features_name(self):
        """The network behind `features`, in the name of a distance."""
        return classifier.NAME if self.has_judge else "encoder"

    def features(self, images):
        """Features for comparing sets: of the judge, else of the model's encoder."""
        if self.has_judge:
            return self.judge.features(images)
        return self.pooled_features(images)

    @functools.cached_property
    def test_features(self):
        """Features of the test images."""
        return self.features(self.images)

    @functools.cached_property
    def train_features(self):
        """Features of the training images that are encoded."""
        return self.features(self.train_images)

    @functools.cached_property
    def rebuilt_features(self):
        """Features of the reconstructions of the test images."""
        return self.features(self.rebuilt)

    @functools.cached_property
    def sample_features(self):
        """Features of the samples."""
        return self.features(np.clip(self.samples.images, -0.5, 0.5))

    @functools.cached_property
    def samples(self):
        """Images from the priors, or from a model that samples: `pipeline.Samples`."""
        count = self.sizes.samples
        if self.drawn is not None:
            return self.drawn.sample(
                count, seed=0, progress=lambda steps: self.progress(steps, "samples")
            )
        if not self.model.can_sample:
            raise Skipped(
                "there is no prior: give the folder of a prior's run, which draws codes"
            )
        images = np.concatenate(
            [
                np.asarray(self.model.sample(min(64, count - start), seed=start))
                for start in range(0, count, 64)
            ]
        )
        return pipeline.Samples(
            images=images, codes=(), log_prob=np.full(count, np.nan), labels=None
        )
