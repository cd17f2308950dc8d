"""Models of items in units of their own, which normalize them."""

from vqzoo.layers import InputNormalization
from vqzoo.models.coding import CodingModel


class NormalizedModel(CodingModel):
    """Abstract: a model with `normalization` among the arguments of its constructor.

    Its losses compare normalized items, its metrics items in their own units.
    """

    def _make_normalizing(self):
        self.normalizing = None
        if self.normalization is not None:
            self.normalizing = InputNormalization(self.normalization, dtype="float32")

    def _normalized(self, items):
        return items if self.normalizing is None else self.normalizing(items)

    def _in_units(self, normalized):
        """Items in the units of the data, float32."""
        normalized = self.to_float32(normalized)
        if self.normalizing is None:
            return normalized
        return self.normalizing.inverse(normalized)

    def reconstruction_loss(self, items, outputs):
        pair = (self._normalized(each) for each in (items, outputs))
        return super().reconstruction_loss(*pair)

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ):
        y = self._normalized(x if y is None else y)
        y_pred = self._normalized(y_pred)
        return super().compute_loss(x, y, y_pred, sample_weight, training)
