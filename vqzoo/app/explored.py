"""A trained model as the page sees it: arrays in, arrays out."""

import dataclasses
import math

import numpy as np

from vqzoo.measures.inference import in_batches


@dataclasses.dataclass(frozen=True, kw_only=True)
class CodeMap:
    """One grid of indices: that of a tier, or of one of the codes of its latents.

    Args:
        name: str, of the tier, and which code of the latent where it has several.
        tier: int, top first.
        part: int, which code of the latent.
        grid: `(height, width)`.
        num_embeddings: int, K.
    """

    name: str
    tier: int
    part: int
    grid: tuple[int, int]
    num_embeddings: int


class Explored:
    """A model and the shape of its codes.

    Codes are a tuple of int32 arrays `(N, h, w, P)`, top first, where P is the number
    of codes of a latent: 1, or more with quantizers in stages or groups.

    Args:
        model: a model of vqzoo.models with quantizers.
    """

    def __init__(self, model):
        self.model = model
        self.image_shape = tuple(model.image_shape)
        self.tiers = tuple(model.tier_names)
        image = np.zeros((1, *self.image_shape), "float32")
        self._shapes = [codes.shape[1:] for codes in in_batches(model.encode, image)]
        self.maps = tuple(
            code_map
            for tier in range(len(self.tiers))
            for code_map in self._maps_of(tier)
        )

    def _maps_of(self, tier):
        height, width, *several = self._shapes[tier]
        parts = math.prod(several)
        for part in range(parts):
            which = f", code {part + 1} of {parts}" if parts > 1 else ""
            yield CodeMap(
                name=self.tiers[tier] + which,
                tier=tier,
                part=part,
                grid=(height, width),
                num_embeddings=self.model.quantizers[tier].num_embeddings,
            )

    @property
    def num_codes(self):
        """How many codes an image has, in all tiers together."""
        return sum(math.prod(shape) for shape in self._shapes)

    @property
    def num_bytes(self):
        """Bytes that the codes of an image take, each in log2(K) bits."""
        bits = sum(
            math.prod(code_map.grid) * math.log2(code_map.num_embeddings)
            for code_map in self.maps
        )
        return math.ceil(bits / 8)

    def several_codes(self, tier):
        """Whether each latent of a tier has more than one code."""
        return math.prod(self._shapes[tier][2:]) > 1

    def codebook(self, code_map):
        """Code vectors of a map, float32 `(K, D)`."""
        books = self.model.quantizers[code_map.tier].codebooks
        return np.asarray(books[code_map.part], "float32")

    def encode(self, images):
        """Codes of images `(N, H, W, C)`: a tuple of int32 `(N, h, w, P)`."""
        tiers = in_batches(self.model.encode, images)
        return tuple(codes.reshape(*codes.shape[:3], -1) for codes in tiers)

    def decode(self, codes, shown=None):
        """Images of codes, float32 `(N, H, W, C)` in [-0.5, 0.5].

        Args:
            codes: sequence of int `(N, h, w, P)`; None for tiers that are not shown.
            shown: ints, the tiers that the decoder sees; None for all. What stands in
                for the others is the model's to say.

        Raises:
            ValueError: if no tier is shown.
        """
        shown = range(len(self.tiers)) if shown is None else shown
        if not len(shown):
            raise ValueError("expected at least one tier to be on, received none")
        given = [
            codes[tier].reshape(len(codes[tier]), *shape) if tier in shown else None
            for tier, shape in enumerate(self._shapes)
        ]
        return np.clip(in_batches(self.model.decode, given), -0.5, 0.5)

    def reconstruct(self, images, shown=None):
        """Reconstructions of images `(N, H, W, C)`, from all tiers or some.

        Args:
            images: float `(N, H, W, C)`.
            shown: as for `decode`.
        """
        if shown is None or len(shown) == len(self.tiers):
            return np.clip(in_batches(self.model.reconstruct, images), -0.5, 0.5)
        return self.decode(self.encode(images), shown)

    def describe(self):
        """One line about the model, for people."""
        sizes = " x ".join(map(str, self.image_shape))
        tiers = []
        for tier, (name, (height, width, *several)) in enumerate(
            zip(self.tiers, self._shapes)
        ):
            parts = f" with {math.prod(several)} codes each" if several else ""
            size = self.model.quantizers[tier].num_embeddings
            tiers.append(f"{name} {height} x {width}{parts}, K = {size:,}")
        return f"{self.model.name}: images {sizes}; codes {'; '.join(tiers)}"
