"""Public checkpoints of other libraries in, and back: one family a file."""

from vqzoo.convert.converting import FAMILIES, Converted, convert, save_as
from vqzoo.convert.tables import ConvertError

__all__ = ["FAMILIES", "ConvertError", "Converted", "convert", "save_as"]
