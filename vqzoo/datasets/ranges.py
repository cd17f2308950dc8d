"""Which values of a data set become black and white."""

import dataclasses
from collections.abc import Iterable

import numpy as np

# Bits that cameras and scanners give; files of 16 bits hold any of them.
_DEPTHS = (8, 10, 12, 14, 16)
# Ranges that floats are meant in, if the data fill a quarter of one.
_NOMINAL = ((0.0, 1.0), (-0.5, 0.5), (-1.0, 1.0), (0.0, 255.0), (0.0, 65535.0))
_FILLED = 0.25
_TOLERANCE = 1e-2  # of a nominal range, for overshooting


@dataclasses.dataclass(frozen=True)
class Extent:
    """What a scale has to hold: least and greatest value, and how deep they are.

    Args:
        low: float.
        high: float.
        bits: int, that files declare, or 0.
        is_float: bool.
        widened: bool. Whether all are 8-bit values that were widened to 16 bits.
    """

    low: float
    high: float
    bits: int = 0
    is_float: bool = False
    widened: bool = False

    @classmethod
    def of(cls, values: np.ndarray, bits: int = 0) -> "Extent":
        """That of one image."""
        is_float = values.dtype.kind == "f"
        widened = values.dtype.kind == "u" and not (values % 257).any()
        low, high = float(values.min()), float(values.max())
        return cls(low, high, bits, is_float, bool(widened))

    def __or__(self, other: "Extent") -> "Extent":
        return Extent(
            min(self.low, other.low),
            max(self.high, other.high),
            max(self.bits, other.bits),
            self.is_float or other.is_float,
            self.widened and other.widened,
        )

    def value_range(self) -> tuple[float, float]:
        """The values that become 0 and 255.

        Ints from 0 on have the least depth of 8, 10, 12, 14 or 16 bits that holds
        them; floats a nominal range, such as [0, 1], of which they fill a quarter.
        Others become black and white at their ends.
        """
        if not self.is_float and self.low >= 0 and self.high < 2**16:
            depths = [depth for depth in _DEPTHS if self.high < 2**depth]
            return 0.0, 2.0 ** max(self.bits, 16 if self.widened else depths[0]) - 1
        flat = self.low == self.high
        for low, high in _NOMINAL if self.is_float else ():
            slack = _TOLERANCE * (high - low)
            within = low - slack <= self.low and self.high <= high + slack
            filled = self.high - self.low >= _FILLED * (high - low)
            if within and (filled or flat):
                return low, high
        return self.low, self.low + 1 if flat else self.high


def of_kinds(extents: Iterable[Extent]) -> dict[str, tuple[float, float]]:
    """The one range of all ints, `int`, and that of all floats, `float`."""
    kinds = {}
    for extent in extents:
        kind = "float" if extent.is_float else "int"
        kinds[kind] = kinds[kind] | extent if kind in kinds else extent
    return {kind: extent.value_range() for kind, extent in kinds.items()}
