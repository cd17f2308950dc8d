"""The codes of two images as pictures to click on, and the images that follow."""

import types

from vqzoo.app import edits, widgets
from vqzoo.app.edits import IMAGES

HELP = (
    "The codes of the chosen image as gray squares, from black (0) to white (K "
    "- 1). Click on a square, or choose its row and column, and change its "
    "index. The decoded image changes with it."
)


def build(page):
    """Puts the tab on a `widgets.Page`."""
    gr, explored = page.gr, page.explored
    gr.Markdown(HELP)
    edited = gr.State(edits.begin(explored, page.images.value))
    ui = types.SimpleNamespace(edited=edited, seed=gr.State(0))
    with gr.Row():
        with gr.Column(min_width=280):
            _chooser(gr, explored, ui)
        with gr.Column(min_width=280):
            _square(gr, explored, ui)
            _more(gr, explored, ui)
    return _connect(page, _Answers(gr, explored), ui)


def _chooser(gr, explored, ui):
    """Which square: the picture of a map, and what says it without a mouse."""
    first = explored.maps[0]
    ui.which = gr.Radio(
        list(IMAGES), value=IMAGES[0], type="index", label="Codes of", elem_id="which"
    )
    ui.map = widgets.map_menu(gr, explored, "codes-map")
    ui.picture = widgets.picture_of(gr, "Codes", "codes-picture", buttons=[])
    with gr.Row():
        ui.row, ui.column = (
            gr.Number(
                0,
                label=name,
                precision=0,
                minimum=0,
                maximum=side - 1,
                min_width=90,
                elem_id=f"codes-{name.lower()}",
            )
            for name, side in zip(("Row", "Column"), first.grid)
        )


def _square(gr, explored, ui):
    """The index of the square, and what the decoder makes of it."""
    top = explored.maps[0].num_embeddings - 1
    ui.code = gr.Slider(
        0, top, step=1, label="Index of the square", elem_id="code", buttons=[]
    )
    with gr.Row():
        ui.first, ui.second = (
            widgets.picture_of(
                gr, f"{name}, decoded", f"codes-{name.split()[0].lower()}"
            )
            for name in IMAGES
        )
    ui.text = gr.Markdown(elem_id="codes-text")


def _more(gr, explored, ui):
    """Noise on all of a map, and what is done to whole tiers."""
    top = explored.maps[0].num_embeddings - 1
    ui.shown = widgets.tier_boxes(
        gr, explored, "codes-tiers", "Tiers that the decoder uses"
    )
    with gr.Row():
        ui.distance = gr.Slider(
            0,
            min(50, top),
            value=min(5, top),
            step=1,
            label="Noise: distance (indices)",
        )
        ui.share = gr.Slider(0, 100, value=50, step=1, label="Noise: share (percent)")
    ui.perturb = gr.Button("Add noise to this map", elem_id="perturb")
    with gr.Row():
        ui.swap = gr.Button(
            "Swap this tier",
            visible=len(explored.tiers) > 1,
            elem_id="swap",
        )
        ui.reset = gr.Button("Undo all edits", elem_id="reset")


class _Answers:
    """What the tab answers to each thing that is done on it."""

    def __init__(self, gr, explored):
        self._gr = gr
        self._explored = explored

    def _place(self, which, which_map, row, column):
        code_map = self._explored.maps[which_map]
        # Another map's grid may be smaller than the one that was chosen on.
        row, column = (
            min(max(int(at or 0), 0), side - 1)
            for at, side in zip((row, column), code_map.grid)
        )
        return edits.Place(image=which, code_map=code_map, row=row, column=column)

    def show(self, edited, shown, *chosen):
        """The chosen square with its index, and the rest of the tab."""
        place = self._place(*chosen)
        code = int(edited.now[place.code_map.tier][place.index])
        height, width = place.code_map.grid
        top = place.code_map.num_embeddings - 1
        return (
            self._gr.update(value=place.row, maximum=height - 1),
            self._gr.update(value=place.column, maximum=width - 1),
            self._gr.update(value=code, maximum=top),
            *edits.look(self._explored, edited, place, shown),
        )

    def start(self, images, shown, *chosen):
        """New images: their codes, not edited."""
        edited = edits.begin(self._explored, images)
        return edited, *self.show(edited, shown, *chosen)

    def click(self, point, edited, shown, which, which_map):
        """Another square."""
        row, column = edits.square_at(*point, self._explored.maps[which_map].grid)
        return self.show(edited, shown, which, which_map, row, column)

    def change(self, edited, code, shown, *chosen):
        """Another index; the slider, which a hand may hold, stays as it is."""
        place = self._place(*chosen)
        edited = edits.set_code(edited, place, int(code or 0))
        return edited, *edits.look(self._explored, edited, place, shown)

    def add_noise(self, edited, seed, share, distance, shown, *chosen):
        """Noise on a map, another each time."""
        place = self._place(*chosen)
        share, distance = (share or 0) / 100, int(distance or 0)
        edited = edits.perturb_map(edited, place, share, distance, seed)
        return seed + 1, edited, *self.show(edited, shown, *chosen)

    def swap(self, edited, shown, *chosen):
        """A tier of one image instead of the other's."""
        edited = edits.swap(edited, self._place(*chosen).code_map.tier)
        return edited, *self.show(edited, shown, *chosen)

    def reset(self, edited, shown, *chosen):
        """The codes that the model gave."""
        edited = edits.reset(edited)
        return edited, *self.show(edited, shown, *chosen)


def _connect(page, answers, ui):
    gr, images, quiet = page.gr, page.images, page.quiet
    chosen = [ui.which, ui.map, ui.row, ui.column]
    seen = [ui.picture, ui.first, ui.second, ui.text]
    everything = [ui.row, ui.column, ui.code, *seen]
    state = [ui.edited, ui.shown, *chosen]

    def click(edited, shown, which, which_map, picked: gr.SelectData):
        return answers.click(picked.index, edited, shown, which, which_map)

    inputs = (ui.which.input, ui.map.select, ui.row.input, ui.column.input)
    for event in (*inputs, ui.shown.input):
        event(answers.show, state, everything, **quiet)
    ui.picture.select(click, state[:4], everything, **quiet)
    ui.code.input(
        answers.change,
        [ui.edited, ui.code, ui.shown, *chosen],
        [ui.edited, *seen],
        **quiet,
    )
    ui.perturb.click(
        answers.add_noise,
        [ui.edited, ui.seed, ui.share, ui.distance, ui.shown, *chosen],
        [ui.seed, ui.edited, *everything],
        **quiet,
    )
    ui.swap.click(answers.swap, state, [ui.edited, *everything], **quiet)
    ui.reset.click(answers.reset, state, [ui.edited, *everything], **quiet)
    return answers.start, [images, ui.shown, *chosen], [ui.edited, *everything]
