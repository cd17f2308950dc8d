"""Export of trained models: `vqzoo export RUN export/NAME`."""

from vqzoo.registry import on_demand

__all__, __getattr__ = on_demand(
    __name__, {"ExportError": "files.ExportError", "export": "artifact.export"}
)
