"""Grids of codes to the bytes of files and back."""

import hashlib
import zlib

from vqzoo.codec import container
from vqzoo.codec.container import CodecError, Container
from vqzoo.codec.grid_coder import GridCoder, least_bytes
from vqzoo.codec.stream import Reader
from vqzoo.runs.fingerprint import fingerprint


class FileCoder:
    """Writes files of codes, and reads those of the same model and priors.

    Args:
        model: a model of vqzoo.models with one code for each latent.
        pipeline: `pipeline.Pipeline` of the model and its priors, or None.
        strides: sequence of int, pixels a side of each tier's codes.
    """

    def __init__(self, model, pipeline, strides):
        self._names = tuple(model.tier_names)
        self._strides = tuple(strides)
        self._coder = GridCoder(model, pipeline)
        self._heads = {"model": _head([model], container.MODEL_BYTES), "priors": b""}
        if "prior" in self.modes:
            priors = _head(pipeline.priors, container.PRIORS_BYTES)
            self._heads["priors"] = priors

    @property
    def modes(self):
        """The modes that there are, the best one last: a tuple of str."""
        return self._coder.modes

    def write(self, grids, sizes, *, mode="auto", label=None, tiers=None):
        """Files of codes.

        Args:
            grids: list of tuples of int32 grids, as from `Codec.encode`.
            sizes: list of `(height, width)`, of the images.
            mode: str, as of `Codec.compress`.
            label: int or None, as of `Codec.compress`.
            tiers: sequence of str or None, as of `Codec.compress`.

        Returns:
            list of bytes.

        Raises:
            CodecError: if an argument does not fit.
        """
        chosen = self._coder.mode(mode)
        kept = self._coder.kept(chosen, tiers)
        labels = self._coder.labels(chosen, _of_tiers(kept, grids), label)
        files = self._files(chosen, kept, grids, sizes, labels)
        if mode == "auto":
            self._prefer_raw(files, self._coder.kept("raw", tiers), grids, sizes)
        return [container.pack(file) for file in files]

    def _files(self, mode, kept, grids, sizes, labels):
        grids = _of_tiers(kept, grids)
        writers = self._coder.write(mode, kept, grids, labels)
        return [
            Container(
                mode=mode,
                model=self._heads["model"],
                priors=self._heads["priors"] if mode == "prior" else b"",
                width=size[1],
                height=size[0],
                tiers=None if len(kept) == len(self._names) else kept,
                label=label,
                corrections=tuple(writer.corrections),
                checksum=_checksum(of_image),
                payload=writer.payload(least_bytes([g.shape for g in of_image])),
            )
            for writer, of_image, size, label in zip(writers, grids, sizes, labels)
        ]

    def _prefer_raw(self, files, kept, grids, sizes):
        """Puts raw files in the place of those that are larger."""
        for index, (file, of_image) in enumerate(zip(files, _of_tiers(kept, grids))):
            raw_bytes = self._coder.raw_bytes(kept, [g.shape for g in of_image])
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
        found = [None] * len(files)
        by_kind = {}
        for index, data in enumerate(files):
            try:
                file = container.unpack(data)
                kept = self._check(file)
                by_kind.setdefault((file.mode, kept), []).append((index, file))
            except CodecError as error:
                found[index] = error
        for (mode, kept), members in by_kind.items():
            read = self._read(mode, kept, [file for _, file in members])
            for (index, _), codes in zip(members, read):
                found[index] = codes
        return found

    def _check(self, file):
        """The tiers of a file.

        Raises:
            CodecError: if it cannot be of this model and these priors.
        """
        for name in ("model", "priors") if file.mode == "prior" else ("model",):
            head = self._heads[name]
            if getattr(file, name) != head:
                raise CodecError(
                    f"expected a file of the {name} {head.hex() or '(none)'}, received "
                    f"one of {getattr(file, name).hex()}"
                )
        names = self._names
        kept = tuple(range(len(names))) if file.tiers is None else file.tiers
        of_model = [names[tier] for tier in kept if tier < len(names)]
        if len(of_model) < len(kept):
            raise CodecError(f"expected {len(names)} tiers, received tiers={kept}")
        kept = self._coder.kept(file.mode, of_model)
        self._coder.check_label(file.mode, len(kept), file.label)
        least = least_bytes(self._shapes(file, kept))
        if len(file.payload) < least:
            raise CodecError(
                f"expected at least {least:,} bytes of codes for an image of "
                f"{file.width} x {file.height}, received {len(file.payload):,}"
            )
        return kept

    def _shapes(self, file, kept):
        stride = max(self._strides)
        sides = [-(-side // stride) * stride for side in (file.height, file.width)]
        return [tuple(s // self._strides[tier] for s in sides) for tier in kept]

    def _read(self, mode, kept, files):
        shapes = [self._shapes(file, kept) for file in files]
        labels = [file.label for file in files]
        readers = [Reader(file.payload, file.corrections) for file in files]
        found = []
        grids = self._coder.read(mode, kept, shapes, labels, readers)
        for file, reader, of_image in zip(files, readers, grids):
            if reader.failed or _checksum(of_image) != file.checksum:
                found.append(CodecError("expected other codes: the file is altered"))
                continue
            by_tier = dict(zip(kept, of_image))
            found.append(tuple(by_tier.get(i) for i in range(len(self._names))))
        return found


def _of_tiers(kept, grids):
    """The grids of some tiers, of each image."""
    return [tuple(of_image[tier] for tier in kept) for of_image in grids]


def _head(models, count):
    """The first bytes of the fingerprint of a model, or of several together."""
    digests = [bytes.fromhex(fingerprint(model)) for model in models]
    if len(digests) > 1:
        digests = [hashlib.sha256(b"".join(digests)).digest()]
    return digests[0][:count]


def _checksum(grids):
    checksum = 0
    for grid in grids:
        checksum = zlib.crc32(grid.astype("<i4").tobytes(), checksum)
    return checksum
