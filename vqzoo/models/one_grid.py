"""What models with one grid of codes share."""

from vqzoo.models import tiers
from vqzoo.models.base import ImageModel
from vqzoo.models.coding import takes_items


class OneGridModel(ImageModel):
    """Abstract: an encoder, one quantizer and a decoder.

    A subclass has the argument `quantizer` and the layers `encoder`, `projection` (from
    its features to latents), `decoder` (from quantized latents to an image) and
    `to_float32`.
    """

    tier_names = ("bottom",)

    def _rebuild(self, images):
        quantized = self.quantizer(self.projection(self.encoder(images)))
        return self.to_float32(self.decoder(quantized))

    @property
    def quantizers(self):
        """The quantizer layers, top first."""
        return (self.quantizer,)

    @takes_items
    def latents(self, images):
        """Encoder outputs before quantization, `(batch, h, w, D)`, in a tuple."""
        return (self.projection(self.encoder(images)),)

    def decode(self, codes, sides=None):
        """Images of codes: float32 `(batch, height, width, channels)`.

        Args:
            codes: int `(batch, h, w)`, alone or in a tuple.
            sides: as in `VQVAE2.decode`.
        """
        (codes,) = tiers.checked_codes(codes, self.quantizers)
        return self.from_quantized((self.quantizer.decode(codes),), sides)

    def from_quantized(self, quantized, sides=None):
        return self._cropped(self.to_float32(self.decoder(*quantized)), sides)
