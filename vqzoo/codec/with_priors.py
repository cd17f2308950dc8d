"""Grids of codes with the conditional probabilities of priors.

A stream goes through the tiles of an image in chunks, a chunk through the tiers from
the top, a tier through its positions in raster order, a position through the levels of
its codes, and a level through the tiles of the chunk.
"""

import numpy as np

from vqzoo.codec import tiles
from vqzoo.codec.decisions import decide, decisions, num_levels, rounded, weights_of
from vqzoo.codec.exact import ExactPrior
from vqzoo.codec.stream import Writer

# A chunk has as many tiles as hold 2**14 codes of the finest tier, at most 64.
_MOST_TILES, _CODES_A_CHUNK = 64, 2**14


class PriorCoder:
    """Writes and reads the grids of several images at once, each its own stream.

    Args:
        pipeline: `pipeline.Pipeline` of autoregressive priors.
        num_tiers: int, how many tiers are coded, from the top.
    """

    def __init__(self, pipeline, num_tiers):
        self._pipeline = pipeline
        self._priors = [ExactPrior(prior) for prior in pipeline.priors[:num_tiers]]
        self._shapes = [exact.prior.grid_shape for exact in self._priors]
        finest = int(np.prod(self._shapes[-1]))
        self._chunk = min(_MOST_TILES, max(1, _CODES_A_CHUNK // finest))

    def write(self, images, labels):
        """Writes images.

        Args:
            images: list of tuples of int32 grids, top first.
            labels: list of int or None, the class of each image.

        Returns:
            list of `stream.Writer`.

        Raises:
            CodecError: if a prior's logits are not finite.
        """
        writers = [Writer() for _ in images]
        cut = [self._cut(grids) for grids in images]
        insides = self._insides([[g.shape for g in grids] for grids in images])
        for batch in tiles.batches([len(tiers[0]) for tiers in cut], self._chunk):
            above = []
            for tier, prior in enumerate(self._priors):
                codes = _gathered(cut, batch, tier)
                condition = self._condition(prior, batch, labels, above)
                values, bits = _all_decisions(prior, codes, condition)
                inside = _gathered(insides, batch, tier)
                for part in batch:
                    places = inside[part.rows]
                    writers[part.image].put(
                        _in_order(values[part.rows], places),
                        _in_order(bits[part.rows], places),
                    )
                above.append(codes)
        return writers

    def read(self, shapes, labels, readers):
        """Reads what `write` wrote.

        Args:
            shapes: list of tuples of grid shapes, top first.
            labels: list of int or None, the class of each image.
            readers: list of `stream.Reader`.

        Returns:
            list of tuples of int32 grids. A code that the codebook does not have, which
            no writer wrote, becomes its last.
        """
        insides = self._insides(shapes)
        chunks = [[[] for _ in self._priors] for _ in shapes]
        for batch in tiles.batches([len(tiers[0]) for tiers in insides], self._chunk):
            above = []
            for tier, prior in enumerate(self._priors):
                inside = _gathered(insides, batch, tier)
                condition = self._condition(prior, batch, labels, above)
                streams = [readers[part.image] for part in batch]
                reading = _Reading(prior.prior, inside, batch, streams)
                codes = prior.run(len(inside), condition, reading.choose)
                for part in batch:
                    chunks[part.image][tier].append(codes[part.rows])
                above.append(codes)
        return [
            tuple(
                tiles.join(np.concatenate(tier_chunks), shape)
                for tier_chunks, shape in zip(*image)
            )
            for image in zip(chunks, shapes)
        ]

    def likeliest_labels(self, images):
        """The class under which each image's first tiles are likeliest, or None.

        Args:
            images: list of tuples of int32 grids, top first.
        """
        conditional = [t for t, p in enumerate(self._priors) if p.prior.num_classes]
        if not conditional or not images:
            return [None] * len(images)
        tier, prior = conditional[0], self._priors[conditional[0]].prior
        cut = [[t[: self._chunk] for t in self._cut(grids)] for grids in images]
        first = [np.concatenate(tier_tiles) for tier_tiles in zip(*cut)]
        scores = np.stack(
            [
                prior.log_prob(first[tier], prior.condition(label, first[:tier]))
                for label in range(prior.num_classes)
            ]
        )
        ends = np.cumsum([len(tiles[0]) for tiles in cut])[:-1]
        image_scores = np.split(scores, ends, axis=1)
        return [int(np.argmax(tiles.sum(axis=1))) for tiles in image_scores]

    def _cut(self, grids):
        return [tiles.cut(grid, shape) for grid, shape in zip(grids, self._shapes)]

    def _insides(self, shapes):
        """Which positions of the tiles lie in their grids, for each image and tier."""
        return [
            [tiles.insides(*pair) for pair in zip(image_shapes, self._shapes)]
            for image_shapes in shapes
        ]

    def _condition(self, prior, batch, labels, above):
        label = None
        if prior.prior.num_classes:
            sizes = [part.rows.stop - part.rows.start for part in batch]
            label = np.repeat([labels[part.image] for part in batch], sizes)
        return prior.prior.condition(label, above)


def _gathered(images, batch, tier):
    """What each image has for its tiles of a tier, for the tiles of a batch."""
    return np.concatenate([images[part.image][tier][part.tiles] for part in batch])


def _all_decisions(prior, codes, condition):
    """Values and bits `(tiles, height * width, levels)` of tiles that are known."""
    size = prior.prior.num_embeddings
    shape = (len(codes), codes[0].size, num_levels(size))
    values, bits = np.empty(shape), np.empty(shape, "int32")
    for start, logits in prior.logits(codes, condition):
        stop = start + len(logits)
        weights = weights_of(logits.reshape(-1, size))
        decided = decisions(weights, codes[start:stop].ravel())
        for whole, part in zip((values, bits), decided):
            whole[start:stop] = part.reshape(len(logits), *shape[1:])
    return values, bits


def _in_order(array, inside):
    """Values or bits `(tiles, positions, levels)` of an image, in stream order."""
    array = array.transpose(1, 2, 0)
    inside = inside.reshape(len(inside), -1).T
    return array[np.broadcast_to(inside[:, None], array.shape)]


class _Reading:
    """Reads the codes of a tier as its prior comes to their positions."""

    def __init__(self, prior, inside, batch, readers):
        self._inside = inside
        self._batch, self._readers = batch, readers
        self._codes = np.zeros(inside.shape, "int64")
        self._highest = prior.num_embeddings - 1
        # The last row and column of each tile that lie in the grid.
        self._last = [inside.any(axis=axis).sum(axis=-1) - 1 for axis in (2, 1)]

    def choose(self, logits, place):
        """Codes of a position of all tiles, from the logits of a prior."""
        here = divmod(place, self._inside.shape[2])
        inside = self._inside[:, *here]
        nearest = (np.minimum(side, last) for side, last in zip(here, self._last))
        codes = self._codes[np.arange(len(inside)), *nearest]
        if inside.any():
            weights = weights_of(logits[inside])
            read = self._reader_of(inside)
            codes[inside] = decide(weights, len(weights), read)
        codes = np.minimum(codes, self._highest)
        self._codes[:, *here] = codes
        return codes

    def _reader_of(self, inside):
        """A function from the values of the tiles that are inside to their bits."""
        sizes = [int(inside[part.rows].sum()) for part in self._batch]
        ends = np.cumsum(sizes)

        def read(values):
            steps = rounded(values)
            bits = [
                reader.read(values[end - size : end], steps[end - size : end])
                for reader, size, end in zip(self._readers, sizes, ends)
                if size
            ]
            return np.concatenate(bits)

        return read
