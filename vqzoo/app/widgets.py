"""The page of a tab, and shared components. `gr` is the module gradio."""

import dataclasses
import os
from typing import Any


@dataclasses.dataclass(frozen=True, kw_only=True)
class Page:
    """The parts that a tab is built from.

    Args:
        gr: the module gradio.
        tab: `gr.Tab` that is being built.
        loaded: `trained.Trained`.
        explored: `Explored`, its model.
        counted: `codebook.Counted`, the use of its codes.
        images: `gr.State` of the two images, float `(2, H, W, C)`.
        folder: path of the temporary folder for downloads.
        quiet: dict, options of the tab's events. They share one queue, so that the
            last answer to arrive belongs to the last action.
    """

    gr: Any
    tab: Any
    loaded: Any
    explored: Any
    counted: Any
    images: Any
    folder: str | os.PathLike[str]
    quiet: Any


# Options of an event that answers too fast for a progress bar.
QUIET = {
    "show_progress": "hidden",
    "trigger_mode": "always_last",
    "api_visibility": "private",
}


def tier_boxes(gr, explored, name, label):
    """Boxes to tick, one for each tier; all are."""
    return gr.CheckboxGroup(
        list(explored.tiers),
        value=list(explored.tiers),
        type="index",
        label=label,
        elem_id=name,
        visible=len(explored.tiers) > 1,
    )


def map_menu(gr, explored, name):
    """A menu of the maps of codes; listen to `select`: `input` comes on leaving too."""
    names = [code_map.name for code_map in explored.maps]
    return gr.Dropdown(names, value=names[0], type="index", label="Tier", elem_id=name)


def picture_of(gr, label, name, **options):
    """A read-only picture."""
    defaults = {
        "label": label,
        "elem_id": name,
        "elem_classes": ["pixels"],
        "alt_text": label,
        "format": "png",  # every pixel as it is
        "interactive": False,
        "buttons": ["download"],
        "min_width": 140,
    }
    return gr.Image(**{**defaults, **options})
