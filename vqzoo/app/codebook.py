"""A codebook as pictures: its main axes, the use of its codes, what each one paints."""

from vqzoo.app import book, patches, widgets

HELP = (
    "Where the codes lie on the two main axes of their codebook, how often each stands "
    "in images, and what it paints."
)


def build(gr, explored, counted, tab):
    """Puts the tab's components on the page.

    Args:
        gr: the module gradio.
        explored: `Explored`.
        counted: `book.Counted`.
        tab: `gr.Tab`; the codebook is drawn when it is first opened.
    """
    gr.Markdown(HELP)
    first = explored.maps[0]
    with gr.Row():
        of_map = widgets.map_menu(gr, explored, "book-map")
        code = gr.Slider(
            0,
            first.num_embeddings - 1,
            step=1,
            label="Code",
            elem_id="book-code",
            buttons=[],
        )
    text = gr.Markdown(elem_id="book-text")
    with gr.Row():
        axes = widgets.picture_of(gr, "Main axes", "book-axes", min_width=280)
        usage = widgets.picture_of(gr, "Use of each code", "book-usage", min_width=280)
    sheet = widgets.picture_of(gr, "Patches: click on one", "book-sheet", buttons=[])
    with gr.Row():
        patch = widgets.picture_of(gr, "Patch of the code", "book-patch", scale=1)
        where = widgets.picture_of(
            gr, "Where the code stands in images", "book-places", scale=4, min_width=280
        )
    note = gr.Markdown()
    seen = [axes, usage, text, sheet, patch, where, note]

    def show(of_map, code):
        code_map = explored.maps[of_map]
        top = code_map.num_embeddings - 1
        code = min(max(int(code or 0), 0), top)
        found = book.look(explored, counted, code_map, code)
        return gr.update(value=code, maximum=top), *found

    def turn(of_map, code):
        return show(of_map, code)[1:]

    def click(of_map, code, picked: gr.SelectData):
        code_map = explored.maps[of_map]
        code = patches.code_at(explored, code_map, int(code), *picked.index)
        return show(of_map, code)

    quiet = widgets.quietly()
    # The first time it takes a while.
    waiting = {**quiet, "show_progress": "minimal"}
    for event in (tab.select, of_map.input):
        event(show, [of_map, code], [code, *seen], **waiting)
    code.input(turn, [of_map, code], seen, **quiet)
    sheet.select(click, [of_map, code], [code, *seen], **quiet)
