"""Grids of codes to the bytes of files and back, in each mode."""

import hashlib
import zlib

import numpy as np

from vqzoo.codec import container, unigram
from vqzoo.codec.container import MODES, CodecError, Container
from vqzoo.codec.decisions import num_levels
from vqzoo.codec.stream import Reader, Writer
from vqzoo.codec.with_priors import PriorCoder
from vqzoo.runs.fingerprint import fingerprint

# A stream has at least a byte for so many codes: a short file, which anyone can send,
# cannot ask for much memory.
_CODES_A_BYTE = 128


class FileCoder:
    """Writes files of codes, and reads those of the same model and priors.

    Args:
        model: a model of vqzoo.models with one code for each latent.
        pipeline: `pipeline.Pipeline` of the model and its priors, or None.
        layout: `layouts.Windows` or `layouts.Tiles`, how its codes stand.
        counts: as in `Codec`.
    Attributes: `modes`, those that there are, the best one last: a tuple of str.
    """

    def __init__(self, model, pipeline, layout, counts=None):
        self._names = tuple(model.tier_names)
        self._decoded_tiers = model.decoded_tiers
        self._layers = model.quantizers
        self._layout = layout
        self._pipeline = pipeline
        self._prior_coders = {}
        exact = pipeline is not None and all(
            prior.likelihood == "exact" for prior in pipeline.priors
        )
        self.modes = MODES if exact else MODES[:-1]
        head = _head([model], container.MODEL_BYTES)
        self._heads = {"model": head, "counts": head, "priors": b""}
        self._counts = [(counts or {}).get(name) for name in self._names]
        if counts:
            self._heads["counts"] = _head_of_counts(model, self._counts)
        if exact:
            priors = _head(pipeline.priors, container.PRIORS_BYTES)
            self._heads["priors"] = priors

    def write(self, grids, sizes, *, mode="auto", label=None, tiers=None):
        """Files of codes.

        Args:
            grids: list of tuples of int32 grids, as from `Codec.encode`.
            sizes: list of `(height, width)`, of the images.
            mode, label, tiers: as in `Codec.compress`, which returns and raises this.
        """
        if mode not in ("auto", *self.modes):
            why = "" if mode not in MODES else ": there is no autoregressive prior"
            raise CodecError(
                f"expected one of the modes auto, {', '.join(self.modes)}, received "
                f"mode={mode!r}{why}"
            )
        best = self.modes[-1] if mode == "auto" else mode
        kept = self._kept(best, tiers)
        labels = self._labels(best, _of_tiers(kept, grids), label)
        files = self._files(best, kept, grids, sizes, labels)
        if mode == "auto":
            self._prefer_raw(files, self._kept("raw", tiers), grids, sizes)
        return [container.pack(file) for file in files]

    def _files(self, mode, kept, grids, sizes, labels):
        grids = _of_tiers(kept, grids)
        writers = self._write_grids(mode, kept, grids, labels)
        return [
            Container(
                mode=mode,
                model=self._model_head(mode),
                priors=self._heads["priors"] if mode == "prior" else b"",
                width=size[1],
                height=size[0],
                tiers=None if len(kept) == len(self._names) else kept,
                label=label,
                corrections=tuple(writer.corrections),
                checksum=_checksum(image_grids),
                payload=writer.payload(_least_bytes([g.shape for g in image_grids])),
            )
            for writer, image_grids, size, label in zip(writers, grids, sizes, labels)
        ]

    def _prefer_raw(self, files, kept, grids, sizes):
        """Replaces the files that are larger by raw ones."""
        levels = [num_levels(self._layers[tier].num_embeddings) for tier in kept]
        for index, file in enumerate(files):
            places = [grids[index][tier].size for tier in kept]
            raw_bytes = -(-int(np.dot(places, levels)) // 8)
            if len(file.payload) + len(file.priors) > raw_bytes:
                (files[index],) = self._files(
                    "raw", kept, [grids[index]], [sizes[index]], [None]
                )

    def read(self, files):
        """Codes of files, with None for tiers that were not kept.

        Args:
            files: sequence of bytes.

        Returns:
            list of tuples of int32 grids, or of a CodecError for a file that is
            damaged, of another model or of other priors.
        """
        results = [None] * len(files)
        by_kind = {}
        for index, data in enumerate(files):
            try:
                file = container.unpack(data)
                kept = self._check(file)
                by_kind.setdefault((file.mode, kept), []).append((index, file))
            except CodecError as error:
                results[index] = error
        for (mode, kept), members in by_kind.items():
            read = self._read(mode, kept, [file for _, file in members])
            for (index, _), codes in zip(members, read):
                results[index] = codes
        return results

    def _check(self, file):
        """The tiers of a file.

        Raises:
            CodecError: if it cannot be of this model and these priors.
        """
        heads = {"model": self._model_head(file.mode)}
        if file.mode == "prior":
            heads["priors"] = self._heads["priors"]
        for name, head in heads.items():
            if getattr(file, name) != head:
                of_counts = "" if file.mode != "unigram" else ", or of other counts"
                raise CodecError(
                    f"expected a file of the {name} {head.hex() or '(none)'}, received "
                    f"one of {getattr(file, name).hex()}{of_counts}"
                )
        names = self._names
        kept = tuple(range(len(names))) if file.tiers is None else file.tiers
        known = [names[tier] for tier in kept if tier < len(names)]
        if len(known) < len(kept):
            raise CodecError(f"expected {len(names)} tiers, received tiers={kept}")
        kept = self._kept(file.mode, known)
        self._check_label(file.mode, len(kept), file.label)
        least = _least_bytes(self._shapes(file, kept))
        if len(file.payload) < least:
            raise CodecError(
                f"expected at least {least:,} bytes of codes for an image of "
                f"{file.width} x {file.height}, received {len(file.payload):,}"
            )
        return kept

    def _shapes(self, file, kept):
        shapes = self._layout.shapes(file.height, file.width)
        return [shapes[tier] for tier in kept]

    def _read(self, mode, kept, files):
        shapes = [self._shapes(file, kept) for file in files]
        labels = [file.label for file in files]
        readers = [Reader(file.payload, file.corrections) for file in files]
        results = []
        grids = self._read_grids(mode, kept, shapes, labels, readers)
        for file, reader, image_grids in zip(files, readers, grids):
            if reader.failed or _checksum(image_grids) != file.checksum:
                results.append(CodecError("expected other codes: the file is altered"))
                continue
            by_tier = dict(zip(kept, image_grids))
            results.append(tuple(by_tier.get(i) for i in range(len(self._names))))
        return results

    def _kept(self, mode, names=None):
        """Indices of the tiers whose codes a file keeps.

        Args:
            mode: str, not `auto`.
            names: sequence of the names of tiers, or None for those that the decoder
                looks at.

        Raises:
            CodecError: for an unknown tier, none, or one whose prior needs another.
        """
        all_tiers = tuple(range(len(self._names)))
        if names is None:
            # The prior of a tier needs the codes above, whoever decodes them.
            names = self._names if mode == "prior" else self._decoded_tiers
        unknown = [name for name in names if name not in self._names]
        kept = tuple(i for i in all_tiers if self._names[i] in names)
        if unknown or not kept:
            raise CodecError(
                f"expected tiers among {', '.join(self._names)}, received "
                f"tiers={','.join(names)!r}"
            )
        if mode == "prior" and kept != all_tiers[: len(kept)]:
            raise CodecError(
                "expected, in the mode prior, all tiers above those that are kept, "
                f"received tiers={','.join(names)!r}"
            )
        return kept

    def _labels(self, mode, grids, label):
        """The class of each image: the one given, or the likeliest; None without."""
        if mode != "prior" or not grids:
            return [None] * len(grids)
        if label is None:
            return self._prior_coder(len(grids[0])).likeliest_labels(grids)
        self._check_label(mode, len(grids[0]), label)
        return [label] * len(grids)

    def _check_label(self, mode, num_tiers, label):
        """Raises CodecError unless the priors of these tiers take a class, or None."""
        number = 0
        if mode == "prior":
            number = max(p.num_classes for p in self._pipeline.priors[:num_tiers])
        known = label is None if not number else label in range(number)
        if not known:
            raise CodecError(
                f"expected a class among {number}, or none of 0, received {label=}"
            )

    def _write_grids(self, mode, kept, grids, labels):
        """A `Writer` for each image's grids of the tiers that are kept."""
        if mode == "prior":
            return self._prior_coder(len(kept)).write(grids, labels)
        writers = [Writer() for _ in grids]
        for writer, image_grids in zip(writers, grids):
            for tier, grid in zip(kept, image_grids):
                weights, adapts = self._start(mode, tier)
                unigram.write(writer, weights, grid, adapts=adapts)
        return writers

    def _read_grids(self, mode, kept, shapes, labels, readers):
        """What `_write_grids` wrote: a sequence of int32 grids for each image."""
        if mode == "prior":
            return self._prior_coder(len(kept)).read(shapes, labels, readers)
        images = []
        for image_shapes, reader in zip(shapes, readers):
            images.append([])
            for tier, shape in zip(kept, image_shapes):
                weights, adapts = self._start(mode, tier)
                images[-1].append(unigram.read(reader, weights, shape, adapts=adapts))
        return images

    def _start(self, mode, tier):
        layer = self._layers[tier]
        if mode == "unigram":
            return unigram.known(layer, self._counts[tier]), True
        return unigram.even(layer), False

    def _model_head(self, mode):
        """The head of what a file of a mode depends on beside its priors."""
        return self._heads["counts" if mode == "unigram" else "model"]

    def _prior_coder(self, num_tiers):
        if num_tiers not in self._prior_coders:
            self._prior_coders[num_tiers] = PriorCoder(self._pipeline, num_tiers)
        return self._prior_coders[num_tiers]


def _least_bytes(shapes):
    """The fewest bytes that a stream of grids of these shapes may have."""
    return -(-sum(int(np.prod(shape)) for shape in shapes) // _CODES_A_BYTE)


def _of_tiers(kept, grids):
    """The grids of some tiers, of each image."""
    return [tuple(image_grids[tier] for tier in kept) for image_grids in grids]


def _head(models, count):
    """The first bytes of the fingerprint of a model, or of several together."""
    digests = [bytes.fromhex(fingerprint(model)) for model in models]
    if len(digests) > 1:
        digests = [hashlib.sha256(b"".join(digests)).digest()]
    return digests[0][:count]


def _head_of_counts(model, counts):
    """The head of the fingerprint of a model with counts of its tiers."""
    digest = hashlib.sha256(bytes.fromhex(fingerprint(model)))
    for count in counts:
        digest.update(np.asarray(count, "<i8").tobytes())
    return digest.digest()[: container.MODEL_BYTES]


def _checksum(grids):
    checksum = 0
    for grid in grids:
        checksum = zlib.crc32(grid.astype("<i4").tobytes(), checksum)
    return checksum
