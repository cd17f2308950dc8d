"""Images to small files and back: the codes of a model, entropy-coded."""

import numpy as np

from vqzoo.codec import container
from vqzoo.codec.container import CodecError
from vqzoo.codec.file_coder import FileCoder
from vqzoo.codec.layouts import layout_of
from vqzoo.datasets.pixels import to_channels
from vqzoo.models.cloning import clone

MAX_CODES = 2**20  # in a codebook: each code has a weight of 8 bytes


class Codec:
    """Compresses images with a model, and with its priors where there are any.

    An image is reflected at its lower right until the model's strides divide it,
    encoded as a whole, or tile by tile where codes stand in no grid, and its codes are
    written in one of three modes:

    - `prior`: with the probability that the priors give each code from those before;
    - `unigram`: with the share of each code among those before, at first the shares
      in a collection, or those that the quantizer knows from training;
    - `raw`: all codes alike.

    `auto` is the first of them that there is, or raw where that is smaller. The codes
    come back exactly: `decisions` says when and why. The pixels that a model makes of
    codes are float32 numbers rounded to 256 levels, which may differ by one between
    machines. A file names its model and priors by the heads of their fingerprints;
    others are refused.

    Args:
        model: a model of vqzoo.models with one code for each latent.
        pipeline: `pipeline.Pipeline` of the model and its priors, or None.
        counts: dict from tier name to int64 `(K,)`, how often each code came in a
            collection: the shares that `unigram` begins with. A file needs the counts
            to be read that it was written with. Defaults to those of training.
    Raises: CodecError: if the model has no codes, several for a latent, or real numbers
        beside them.
    Attributes: `model`, its float32 clone; `pipeline`, as given; `files`, the
        `FileCoder` from codes to files and back.
    """

    def __init__(self, model, pipeline=None, counts=None):
        _check_model(model)
        self.pipeline = pipeline
        # Pixels then do not depend on what bfloat16 hardware a machine has.
        self.model = clone(model)
        self._layout = layout_of(self.model)
        self.files = FileCoder(model, pipeline, self._layout, counts)

    @property
    def modes(self):
        """The modes that there are, the best one last: a tuple of str."""
        return self.files.modes

    def label_of(self, name):
        """The label of a class by its name or number; None for an empty name.

        Raises:
            CodecError: if the priors know no such class.
        """
        if not name:
            return None
        if "prior" not in self.modes:
            raise CodecError(f"expected no class without priors, received {name!r}")
        try:
            return self.pipeline.label_of(name)
        except ValueError as error:
            raise CodecError(str(error)) from error

    def compress(self, pictures, *, mode="auto", label=None, tiers=None):
        """Files of images.

        Args:
            pictures: sequence of uint8 `(height, width, channels)` of any sizes, with 1
                or 3 channels.
            mode: str, one of `modes` or `auto`.
            label: int or None, the class of all images; where the priors know classes,
                None takes for each image the likeliest.
            tiers: sequence of names, or None for all that the decoder looks at.

        Returns:
            list of bytes.

        Raises:
            CodecError: if an argument does not fit, or an image is too large.
        """
        sizes = [picture.shape[:2] for picture in pictures]
        grids = self.encode(pictures)
        return self.files.write(grids, sizes, mode=mode, label=label, tiers=tiers)

    def encode(self, pictures):
        """Codes of images: a list of tuples of int32 grids, top first."""
        for picture in pictures:
            container.check_size(picture.shape[1], picture.shape[0])
        codes = [None] * len(pictures)
        channels = self.model.image_shape[2]
        for indices in _alike(picture.shape for picture in pictures):
            batch = np.stack([to_channels(pictures[i], channels) for i in indices])
            grids = self._layout.encode(batch)
            for row, index in enumerate(indices):
                codes[index] = tuple(grid[row] for grid in grids)
        return codes

    def decompress(self, files):
        """Images of files.

        Args:
            files: sequence of bytes.

        Returns:
            list of uint8 `(height, width, channels)`, or of a CodecError for a file
            that is damaged, of another model or of other priors.
        """
        results = self.files.read(files)
        sound = [i for i, r in enumerate(results) if not isinstance(r, CodecError)]
        headers = [container.unpack(files[index]) for index in sound]
        sizes = [(header.height, header.width) for header in headers]
        pictures = self.decode([results[index] for index in sound], sizes)
        for index, picture in zip(sound, pictures):
            results[index] = picture
        return results

    def decode(self, grids, sizes):
        """Images of codes: a list of uint8 `(height, width, channels)`.

        Args:
            grids: list of tuples of int32 grids, top first, None for a tier without.
            sizes: list of `(height, width)`, of the images.
        """
        pictures = [None] * len(grids)
        for indices in _alike(tuple(map(np.shape, tiers)) for tiers in grids):
            stacked = [
                None if tier_grids[0] is None else np.stack(tier_grids)
                for tier_grids in zip(*(grids[index] for index in indices))
            ]
            decoded = self._layout.decode(stacked)
            for index, picture in zip(indices, decoded):
                height, width = sizes[index]
                pictures[index] = picture[:height, :width]
        return pictures


def _alike(kinds):
    """Lists of the positions at which equal kinds stand: what is computed together."""
    places = {}
    for place, kind in enumerate(kinds):
        places.setdefault(kind, []).append(place)
    return places.values()


def _check_model(model):
    if not model.quantizers:
        raise CodecError(
            f"expected a model with codes, received {type(model).__name__}, whose "
            "latents are real numbers"
        )
    for tier, layer in zip(model.tier_names, model.quantizers):
        if layer.code_axes or layer.is_hybrid:
            raise CodecError(
                "expected one code for each latent and nothing beside it, received "
                f"{type(layer).__name__} in the {tier} tier"
            )
        if layer.num_embeddings > MAX_CODES:
            raise CodecError(
                f"expected at most {MAX_CODES:,} codes in a codebook, received "
                f"{layer.num_embeddings:,} in the {tier} tier"
            )
