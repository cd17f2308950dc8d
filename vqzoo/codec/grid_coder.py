"""Grids of the tiers of a model to streams and back, in each mode."""

import numpy as np

from vqzoo.codec import unigram
from vqzoo.codec.container import MODES, CodecError
from vqzoo.codec.decisions import num_levels
from vqzoo.codec.stream import Writer
from vqzoo.codec.with_priors import PriorCoder

# A stream has at least a byte for so many codes, so that a short one cannot ask for
# much.
_CODES_A_BYTE = 128


class GridCoder:
    """Writes grids of codes to streams, and reads them.

    Args:
        model: a model of vqzoo.models with one code for each latent.
        pipeline: `pipeline.Pipeline` of the model and its priors, or None.
    """

    def __init__(self, model, pipeline):
        self._names = tuple(model.tier_names)
        self._layers = model.quantizers
        self._pipeline = pipeline
        self._prior_coders = {}
        self._decoded_tiers = model.decoded_tiers
        exact = pipeline is not None and all(
            prior.likelihood == "exact" for prior in pipeline.priors
        )
        self.modes = MODES if exact else MODES[:-1]

    def mode(self, name):
        """The mode that a name means, `auto` among them.

        Raises:
            CodecError: if there is no such mode, or not without autoregressive priors.
        """
        if name not in ("auto", *self.modes):
            why = "" if name not in MODES else ": there is no autoregressive prior"
            raise CodecError(
                f"expected one of the modes auto, {', '.join(self.modes)}, received "
                f"mode={name!r}{why}"
            )
        return self.modes[-1] if name == "auto" else name

    def kept(self, mode, names=None):
        """Indices of the tiers whose codes a file keeps.

        Args:
            mode: str, not `auto`.
            names: sequence of the names of tiers, or None for those that the decoder
                looks at.

        Raises:
            CodecError: for an unknown tier, none, or one whose prior needs another.
        """
        everything = tuple(range(len(self._names)))
        if names is None:
            # The prior of a tier needs the codes above, whoever decodes them.
            names = self._names if mode == "prior" else self._decoded_tiers
        unknown = [name for name in names if name not in self._names]
        kept = tuple(i for i in everything if self._names[i] in names)
        if unknown or not kept:
            raise CodecError(
                f"expected tiers among {', '.join(self._names)}, received "
                f"tiers={','.join(names)!r}"
            )
        if mode == "prior" and kept != everything[: len(kept)]:
            raise CodecError(
                "expected, in the mode prior, all tiers above those that are kept, "
                f"received tiers={','.join(names)!r}"
            )
        return kept

    def labels(self, mode, grids, label):
        """The class of each image: the one given, or the likeliest; None without.

        Raises:
            CodecError: if a class is given that the priors do not know.
        """
        if label is None and mode == "prior" and grids:
            return self._prior_coder(len(grids[0])).likeliest_labels(grids)
        if mode == "prior" and grids:
            self.check_label(mode, len(grids[0]), label)
        return [label if mode == "prior" else None] * len(grids)

    def check_label(self, mode, num_tiers, label):
        """Raises CodecError unless the priors of these tiers take a class, or None."""
        number = 0
        if mode == "prior":
            number = max(p.num_classes for p in self._pipeline.priors[:num_tiers])
        known = label is None if not number else label in range(number)
        if not known:
            raise CodecError(
                f"expected a class among {number}, or none of 0, received {label=}"
            )

    def write(self, mode, kept, grids, labels):
        """Writes images.

        Args:
            mode: str, not `auto`.
            kept: tuple of int, the tiers.
            grids: list of tuples of int32 grids of these tiers, top first.
            labels: list of int or None.

        Returns:
            list of `Writer`.
        """
        if mode == "prior":
            return self._prior_coder(len(kept)).write(grids, labels)
        writers = []
        for of_image in grids:
            writers.append(Writer())
            for tier, grid in zip(kept, of_image):
                weights, adapts = self._start(mode, tier)
                unigram.write(writers[-1], weights, grid, adapts=adapts)
        return writers

    def read(self, mode, kept, shapes, labels, readers):
        """Reads what `write` wrote.

        Args:
            mode: str, not `auto`.
            kept: tuple of int, the tiers.
            shapes: list of tuples of grid shapes of these tiers, top first.
            labels: list of int or None.
            readers: list of `Reader`.

        Returns:
            list of tuples of int32 grids.
        """
        if mode == "prior":
            return self._prior_coder(len(kept)).read(shapes, labels, readers)
        found = []
        for of_image, reader in zip(shapes, readers):
            grids = []
            for tier, shape in zip(kept, of_image):
                weights, adapts = self._start(mode, tier)
                grids.append(unigram.read(reader, weights, shape, adapts=adapts))
            found.append(tuple(grids))
        return found

    def _start(self, mode, tier):
        layer = self._layers[tier]
        adapts = mode == "unigram"
        return (unigram.known if adapts else unigram.even)(layer), adapts

    def _prior_coder(self, num_tiers):
        if num_tiers not in self._prior_coders:
            self._prior_coders[num_tiers] = PriorCoder(self._pipeline, num_tiers)
        return self._prior_coders[num_tiers]

    def raw_bytes(self, kept, shapes):
        """Bytes that indices of a fixed number of bits need."""
        bits = sum(
            int(np.prod(shape)) * num_levels(self._layers[tier].num_embeddings)
            for tier, shape in zip(kept, shapes)
        )
        return -(-bits // 8)


def least_bytes(shapes):
    """The fewest bytes that a stream of grids of these shapes may have."""
    return -(-sum(int(np.prod(shape)) for shape in shapes) // _CODES_A_BYTE)
