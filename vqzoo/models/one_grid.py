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
        return self._decoded(self.quantizer(self._latents(images)))

    def _latents(self, images):
        return self.projection(self.encoder(images))

    def _decoded(self, quantized):
        return self.to_float32(self.decoder(quantized))

    @property
    def quantizers(self):
        """The quantizer layers, top first."""
        return (self.quantizer,)

    @takes_items
    def latents(self, images):
        """Encoder outputs before quantization, `(batch, h, w, D)`, in a tuple."""
        return (self._latents(images),)

    def decode(self, codes, sides=None):
        """Images of codes: float32 `(batch, height, width, channels)`.

        Args:
            codes: int `(batch, h, w)`, alone or in a tuple.
            sides: as of `VQVAE2.decode`.
        """
        (codes,) = tiers.checked_codes(codes, self.quantizers)
        return self._cropped(self._decoded(self.quantizer.decode(codes)), sides)

    @takes_items
    def encode_hybrid(self, images):
        """Codes and the real numbers beside them, of a model with hybrid latents.

        Args:
            images: `(batch, height, width, channels)`.

        Returns:
            `(codes, values)`: int32 `(batch, h, w)` and float32 `(batch, h, w, V)`.
        """
        (latents,) = self.latents(images)
        return self.quantizer.encode(latents), self.quantizer.values(latents)

    def decode_hybrid(self, codes, values):
        """Images of what `encode_hybrid` gives: float32."""
        return self._cropped(self._decoded(self.quantizer.assemble(codes, values)))
