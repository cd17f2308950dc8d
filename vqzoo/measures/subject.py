"""What is evaluated: a model, perhaps its priors, and images it has not seen."""

import dataclasses
import functools

import numpy as np

from vqzoo.measures import data as measured_data
from vqzoo.measures import inference, judge, likelihood
from vqzoo.measures.findings import Skipped
from vqzoo.measures.inference import in_batches
from vqzoo.priors import pipeline


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
        pipeline: `pipeline.Pipeline` of the model and its priors, or None.
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
        pipeline=None,
        history=(),
        losses=(),
        options=None,
        progress=lambda steps, what: steps,
    ):
        self.model = model
        self.data = data
        self.sizes = sizes
        self.pipeline = pipeline
        self.history = list(history)
        self.losses = list(losses)
        self.options = options or {}
        self.progress = progress
        self.decode = inference.compiled(model.decode)
        self._encode = inference.compiled(lambda images: tuple(model.encode(images)))
        self._rebuild = inference.compiled(model.reconstruct)
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
        if self.model.is_hybrid:
            raise Skipped(
                "the latents are hybrid: images need codes together with real numbers"
            )

    def need_priors(self):
        """Raises Skipped for a model alone."""
        if self.pipeline is None:
            raise Skipped("there is no prior: give the folder of a prior's run")

    def need_labels(self):
        """Raises Skipped for data without classes."""
        if self.labels is None or self.data.train_labels is None:
            raise Skipped(f"the data set {self.data.name} has no labels")

    def encode(self, images):
        """Codes of images, or latents of a model without codes: a tuple of numpy."""
        return in_batches(self._encode, images)

    def reconstruct(self, images, codes=None):
        """What the model makes of images: float32 numpy, clipped to [-0.5, 0.5].

        Args:
            images: float `(N, H, W, C)`.
            codes: those of the images, where they are known.
        """
        codes = self.encode(images) if codes is None else codes
        return np.clip(in_batches(self._rebuild, images, codes), -0.5, 0.5)

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
        return self.reconstruct(self.images, self.codes)

    @functools.cached_property
    def grids(self):
        """What priors are over, of the test images: codes, and numbers beside them."""
        return self.codes if not self.model.is_hybrid else self._grids(self.images)

    @functools.cached_property
    def train_grids(self):
        """The same of the training images."""
        if not self.model.is_hybrid:
            return self.train_codes
        return self._grids(self.train_images)

    def _grids(self, images):
        return in_batches(inference.compiled(self.model.grids), images)

    @functools.cached_property
    def tier_figures(self):
        """As `likelihood.tier_figures`: of priors that may take minutes."""
        return likelihood.tier_figures(self)

    def some_codes(self, count):
        """Codes of the first test images."""
        return tuple(grids[:count] for grids in self.codes)

    def latents(self, images):
        """Float latents of images: a tuple, top first; of a VAE posterior means."""
        return in_batches(self._latents, images)

    def encoder_features(self, images):
        """Latents of the top tier, flattened: float32 `(N, D)`."""
        first = self.latents(images)[0]
        return first.reshape(len(first), -1)

    def pooled_features(self, images):
        """Mean and spread of each tier's latents over positions: float32 `(N, D)`."""
        pooled = []
        for latents in self.latents(images):
            flat = latents.reshape(len(latents), -1, latents.shape[-1])
            pooled.append(flat.mean(axis=1))
            if latents.ndim > 2:
                pooled.append(flat.std(axis=1))
        return np.concatenate(pooled, axis=1).astype("float32")

    @functools.cached_property
    def judge(self):
        """A classifier trained on the real training images; Skipped without classes."""
        given = self.options.get("judge", True)
        if not given:
            raise Skipped("no judge was requested: training one takes a minute")
        self.need_labels()
        if given is not True:
            return given
        steps = iter(self.progress(range(self.sizes.judge_steps), "steps of the judge"))
        trained = judge.fit_classifier(
            self.data.train_images,
            self.data.train_labels,
            len(self.data.class_names),
            steps=self.sizes.judge_steps,
            progress=lambda done: next(steps, None),
        )
        next(steps, None)  # ends the bar
        return trained

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
        return judge.NAME if self.has_judge else "encoder"

    def features(self, images):
        """Features for comparing sets: of the judge, or of the model's encoder."""
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
        if self.pipeline is not None:
            return self.draw()
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

    def draw(self, **drawing):
        """As many samples as are measured; the options stand before those asked for."""
        draw = self.options.get("draw", self.pipeline.sample)
        return draw(
            self.sizes.samples,
            None,
            seed=0,
            progress=lambda steps: self.progress(steps, "samples"),
            **{**self.options.get("drawing", {}), **drawing},
        )


def subject_of(model, splits, sizes, settings, *, factors="", options=(), **records):
    """What evaluation and sweeps measure: a model on images of a data set.

    Args:
        model: a model of vqzoo.models.
        splits: `datasets.Splits`, as in `load_splits`.
        sizes: `Sizes`.
        settings: as in `data.options`.
        factors: as `factors_of` of `data.options`.
        options: dict of options of `Subject` beside those.
        **records: of `Subject`: `pipeline`, `history`, `losses`, `progress`.

    Returns:
        `Subject`.
    """
    return Subject(
        model,
        measured_data.Data.of(splits, sizes),
        sizes,
        options={**measured_data.options(model, settings, factors), **dict(options)},
        **records,
    )
