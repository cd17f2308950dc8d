"""From one image to another, in three spaces of codes and in pixels."""

import numpy as np

from vqzoo.app import pictures, widgets
from vqzoo.measures import interpolation

HELP = (
    "From the first image to the second, step by step. By *indices*: the "
    "rounded means of the indices, which make sense only in an ordered "
    "codebook. By *codes*: the nearest codes of blended code vectors. By "
    "*latents*: blends of the encoder's output before quantization. By "
    "*pixels*: a plain blend, for comparison."
)
STEPS = (3, 15)


def strip(explored, images, steps, space):
    """Images between two, in a row.

    Args:
        explored: `Explored`.
        images: float `(2, H, W, C)`.
        steps: int, images in the row, the two ends included.
        space: str, of `measures.interpolation.SPACES`.

    Returns:
        uint8 `(height, width, 3)`.

    Raises:
        ValueError: if there are too few or too many steps, or the space is unknown.
    """
    fewest, most = STEPS
    if not fewest <= steps <= most:
        raise ValueError(f"expected {fewest} to {most} steps, received {steps}")
    shares = [float(share) for share in np.linspace(0, 1, steps)]
    between = interpolation.interpolate(
        explored.model, images[:1], images[1:], shares, space
    )
    return pictures.sheet(between[0], steps, least_side=96)


def build(page):
    """Puts the tab on a `widgets.Page`."""
    gr, explored, images = page.gr, page.explored, page.images
    gr.Markdown(HELP)
    spaces = interpolation.SPACES
    with gr.Row():
        chosen = gr.CheckboxGroup(
            [f"by {space}" for space in spaces],
            value=[f"by {space}" for space in spaces],
            type="index",
            label="Strips",
            elem_id="spaces",
        )
        steps = gr.Slider(*STEPS, value=9, step=1, label="Images per row")
    strips = [
        widgets.picture_of(gr, f"By {space}", f"strip-{space}", buttons=["download"])
        for space in spaces
    ]

    def refresh(images, steps, chosen):
        steps = int(steps or STEPS[0])  # an emptied field is none
        return [
            gr.update(value=strip(explored, images, steps, space), visible=True)
            if index in chosen
            else gr.update(visible=False)
            for index, space in enumerate(spaces)
        ]

    inputs = [images, steps, chosen]
    for event in (steps.release, chosen.input):
        event(refresh, inputs, strips, **page.quiet)
    return refresh, inputs, strips
