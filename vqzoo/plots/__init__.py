"""Figures: arrays in, a matplotlib Figure out. Nothing is shown or saved here."""

from vqzoo.plots.charts import bars, curves, heat_map, learning_curves, panels
from vqzoo.plots.images import (
    image_grid,
    reconstructions,
    samples,
    strips,
    visible,
)
from vqzoo.plots.points import (
    code_usage,
    codebook_pca,
    codebooks_beside,
    codebooks_over_training,
    scatter,
)
from vqzoo.plots.signals import signals
from vqzoo.plots.style import GRID_DPI

__all__ = [
    "GRID_DPI",
    "bars",
    "code_usage",
    "codebook_pca",
    "codebooks_beside",
    "codebooks_over_training",
    "curves",
    "heat_map",
    "image_grid",
    "learning_curves",
    "panels",
    "reconstructions",
    "samples",
    "scatter",
    "signals",
    "strips",
    "visible",
]
