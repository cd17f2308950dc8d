"""Export of trained models: `python -m vqzoo.export RUN export/NAME`."""

from vqzoo.export.artifact import export
from vqzoo.export.files import ExportError

__all__ = ["ExportError", "export"]
