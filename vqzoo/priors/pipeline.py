"""From nothing to images: priors draw codes tier after tier, a model decodes them."""

import dataclasses
import pathlib

import numpy as np

from vqzoo.images import to_numpy
from vqzoo.priors import guidance as guides
from vqzoo.quantizers.hybrid_latents import unpacked
from vqzoo.runs import files
from vqzoo.runs.fingerprint import fingerprint
from vqzoo.runs.folder import MODEL, PIPELINE, prior_file


@dataclasses.dataclass(frozen=True, kw_only=True)
class Samples:
    """What a pipeline drew.

    Args:
        images: float32 `(N, height, width, channels)` in [-0.5, 0.5].
        codes: tuple of int32 `(N, h, w)`, top first.
        log_prob: float64 `(N,)`, log likelihood of the codes of all tiers, in nats; of
            a masked prior an estimate of a lower bound, of a GAN NaN, of hybrid latents
            a density.
        labels: int32 `(N,)`, or None of priors without classes.
        values: tuple of float32 `(N, h, w, V)`, the numbers beside the codes of hybrid
            latents; or empty.
    """

    images: np.ndarray
    codes: tuple[np.ndarray, ...]
    log_prob: np.ndarray
    labels: np.ndarray | None
    values: tuple[np.ndarray, ...] = ()

    def to_arrays(self, tiers):
        """All of it as a dict of arrays, as `numpy.savez` takes it.

        Args:
            tiers: sequence of str, names of the tiers, top first.
        """
        labels = {} if self.labels is None else {"label": self.labels}
        grids = dict(zip(tiers, self.codes))
        grids |= {f"{tier}_values": v for tier, v in zip(tiers, self.values)}
        return {"images": self.images, "log_prob": self.log_prob, **grids, **labels}


class Pipeline:
    """A model and the priors of its tiers, each conditioned on the tiers above.

    Args:
        model: a model of vqzoo.models with one code for each latent, perhaps with
            numbers beside it.
        priors: sequence of priors, top first; each is conditioned on
            all tiers above or on none.
        class_names: sequence of str in label order; empty without classes.
        model_fingerprint: str or None, of the model whose codes the priors learned.
    Raises: ValueError: if the priors do not fit to the tiers of the model.
    """

    def __init__(self, model, priors, class_names=(), model_fingerprint=None):
        received = fingerprint(model)
        if model_fingerprint not in (None, received):
            raise ValueError(
                "expected the model whose codes the priors learned, "
                f"{model_fingerprint[:12]}, received model={received[:12]}"
            )
        _check_tiers(model, priors)
        _check_classes(priors, class_names)
        self.model = model
        self.priors = tuple(priors)
        self.class_names = tuple(class_names)
        self.model_fingerprint = received

    @property
    def tiers(self):
        """Names of the tiers, top first."""
        return tuple(self.model.tier_names)

    @property
    def description(self):
        """What `vqzoo.load` needs beside the models: a JSON dict."""
        return {
            "tiers": list(self.tiers),
            "class_names": list(self.class_names),
            "model": self.model_fingerprint,
        }

    @property
    def has_values(self):
        """Whether the priors are of hybrid latents, whose likelihood is a density."""
        return any(prior.num_values for prior in self.priors)

    @property
    def num_classes(self):
        """Number of classes that the priors know; 0 for none."""
        return max(prior.num_classes for prior in self.priors)

    def label_of(self, name):
        """The label of a class, by its name, or by its number if no name is a number.

        Raises:
            ValueError: if there is no such class, with the names that there are.
        """
        if not self.num_classes:
            raise ValueError(
                f"expected no class, since these priors know none, received {name!r}"
            )
        name = str(name)
        if name in self.class_names:
            return self.class_names.index(name)
        named = any(known.isdigit() for known in self.class_names)
        if not named and name.isdigit() and int(name) < self.num_classes:
            return int(name)
        known = ", ".join(self.class_names) or f"0 to {self.num_classes - 1}"
        raise ValueError(f"expected one of the classes {known}, received {name!r}")

    def sample(
        self,
        num_samples,
        labels=None,
        *,
        temperature=1.0,
        top_k=None,
        top_p=None,
        guidance=guides.NO_GUIDANCE,
        guidance_schedule="constant",
        num_steps=None,
        seed=None,
        batch_size=64,
        progress=lambda batches: batches,
    ):
        """Draws codes from the top tier down, and images from the codes.

        Args:
            num_samples: int.
            labels: int, ints `(num_samples,)`, or None: drawn evenly, where the priors
                know classes.
            temperature: float above 0, or one for each tier.
            top_k: int or None, as in `AutoregressivePrior.sample`.
            top_p: float or None, as in `AutoregressivePrior.sample`.
            guidance: float of at least 0, as in `Prior.sample`, for the priors that
                were fitted with and without labels; or one for each tier.
            guidance_schedule: str, as in `Prior.sample`.
            num_steps: int, passes of the priors that fill a grid in passes, such as
                `MaskGIT`; None: their own.
            seed: int or None.
            batch_size: int, grids at once.
            progress: function that wraps the sequence of batches.

        Returns:
            `Samples`.

        Raises:
            ValueError: if an argument is out of its range or does not fit the priors.
        """
        if num_samples < 1:
            raise ValueError(f"expected at least one sample, received {num_samples}")
        generator = np.random.default_rng(seed)
        options = [
            {"temperature": heat, "top_k": top_k, "top_p": top_p}
            for heat in self._of_tiers(temperature=temperature)
        ]
        scales = self._scales(guidance, guidance_schedule)
        for of_tier, scale in zip(options, scales):
            if scale != guides.NO_GUIDANCE:
                of_tier |= {"guidance": scale, "guidance_schedule": guidance_schedule}
        if num_steps is not None:
            self._check_passes(num_steps)
            for prior, of_tier in zip(self.priors, options):
                of_tier |= {"num_steps": num_steps} if prior.in_passes else {}
        labels = self._labels(num_samples, labels, generator)
        parts = []
        for start in progress(range(0, num_samples, batch_size)):
            count = min(batch_size, num_samples - start)
            batch_labels = None if labels is None else labels[start : start + count]
            # Whole batches, so that the sampler is compiled for one size.
            size = batch_size if num_samples > batch_size else count
            grids, log_p = self._grids(size, batch_labels, generator, options)
            images = to_numpy(self.model.from_grids(grids))
            parts.append((images[:count], [g[:count] for g in grids], log_p[:count]))
        images, grids, log_p = zip(*parts)
        grids = [np.concatenate(tier) for tier in zip(*grids)]
        codes, values = grids, ()
        if self.has_values:
            codes, values = zip(*map(unpacked, grids))
        return Samples(
            images=np.concatenate(images),
            codes=tuple(map(np.asarray, codes)),
            log_prob=np.concatenate(log_p),
            labels=labels,
            values=tuple(map(np.asarray, values)),
        )

    def _of_tiers(self, **named):
        """One number for each tier, of one or as many."""
        ((name, values),) = named.items()
        if np.ndim(values) and np.shape(values) != (len(self.priors),):
            raise ValueError(
                f"expected one {name}, or one for each of {len(self.priors)} tiers, "
                f"received {name}={values}"
            )
        return [float(value) for value in np.broadcast_to(values, (len(self.priors),))]

    def _scales(self, guidance, schedule):
        """The scale of guidance of each tier.

        One number is for the tiers whose priors know codes with and without labels.
        """
        scales = self._of_tiers(guidance=guidance)
        know = [prior.label_dropout > 0 for prior in self.priors]
        if not np.ndim(guidance) and any(know):
            scales = [
                scale if known else guides.NO_GUIDANCE
                for scale, known in zip(scales, know)
            ]
        for prior, scale in zip(self.priors, scales):
            guides.check(prior, scale, schedule)
        return scales

    def _check_passes(self, num_steps):
        if not any(prior.in_passes for prior in self.priors):
            kinds = ", ".join(type(prior).__name__ for prior in self.priors)
            raise ValueError(
                "expected a prior that fills grids in passes, such as maskgit, for "
                f"{num_steps=}, received {kinds}"
            )

    def _labels(self, num_samples, labels, generator):
        if not self.num_classes:
            if labels is not None:
                self.label_of(labels)  # says that there are none
            return None
        if labels is None:
            labels = np.arange(num_samples) % self.num_classes
            labels = generator.permutation(labels)
        return np.broadcast_to(np.asarray(labels, "int32"), (num_samples,))

    def _grids(self, count, labels, generator, options):
        """What priors draw of each tier of a batch, and its log likelihood."""
        if labels is not None:
            labels = np.resize(labels, count)
        grids, total = [], 0.0
        for prior, of_tier in zip(self.priors, options):
            condition = prior.condition(labels, grids)
            seed = int(generator.integers(2**31))
            drawn = prior.sample(count, condition, seed=seed, **of_tier)
            grids.append(prior.grids_of(drawn))
            total = total + prior.log_likelihood(grids[-1], condition)
        return tuple(grids), total

    def log_prob(self, grids, labels=None):
        """Log likelihood of all tiers: float64 `(N,)`, in nats.

        Args:
            grids: sequence of what the model's `grids` gives, codes, top first.
            labels: ints `(N,)`, or None of priors without classes.
        """
        total = 0.0
        for tier, prior in enumerate(self.priors):
            condition = prior.condition(labels, grids[:tier])
            total = total + prior.log_likelihood(grids[tier], condition)
        return total

    def save(self, folder):
        """Writes the model, the priors and pipeline.json into a folder."""
        folder = pathlib.Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        self.model.save(folder / MODEL)
        for tier, prior in zip(self.tiers, self.priors):
            prior.save(folder / prior_file(tier))
        files.write_json(folder / PIPELINE, self.description)


def _check_tiers(model, priors):
    """Raises ValueError unless each tier has a prior that knows all above or none."""
    if len(priors) != len(model.quantizers):
        raise ValueError(
            f"expected a prior for each of the tiers {tuple(model.tier_names)}, "
            f"received {len(priors)}"
        )
    for prior, *codes in zip(priors, model.layouts, model.tier_names):
        prior.check_layout(*codes)
    above = ()
    for tier, layer, prior in zip(model.tier_names, model.quantizers, priors):
        if prior.num_embeddings != layer.num_embeddings:
            raise ValueError(
                f"expected a prior over the {layer.num_embeddings} codes of the "
                f"{tier} tier, received num_embeddings={prior.num_embeddings}"
            )
        values = layer.num_values if layer.is_hybrid else 0
        if prior.num_values != values or layer.is_hybrid and not values:
            raise ValueError(
                f"expected a prior of the {values} real numbers beside each code of "
                f"the {tier} tier, received num_values={prior.num_values}"
            )
        if prior.context not in ((), above):
            raise ValueError(
                f"expected the prior of the {tier} tier to be conditioned on the grids "
                f"and codes above it, {above}, received context={prior.context}"
            )
        sizes = (prior.num_embeddings, *([values] if values else []))
        above = (*above, (tuple(prior.grid_shape), *sizes))


def _check_classes(priors, class_names):
    """Raises ValueError unless all that know classes know the same, each with a name.

    Without any names the classes are numbers.
    """
    counts = {prior.num_classes for prior in priors} - {0}
    if len(counts) > 1:
        raise ValueError(
            "expected priors of equally many classes, received num_classes="
            f"{[prior.num_classes for prior in priors]}"
        )
    count = max(counts, default=0)
    if len(class_names) not in (0, count):
        raise ValueError(
            f"expected names for the {count} classes of the priors or none, received "
            f"{len(class_names)} class_names"
        )
