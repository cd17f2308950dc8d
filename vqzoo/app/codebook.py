"""A codebook as pictures: its main axes, usage of codes, what each code paints."""

import threading

import numpy as np

from vqzoo import plots
from vqzoo.app import patches, pictures, widgets
from vqzoo.measures.codebook import codebook_ordering, codebook_usage

HELP = (
    "The code vectors on the two main axes of their codebook, how often images "
    "use each code, and what each code paints."
)

LARGEST = 2**18  # codes of a codebook that is drawn
NUM_PLACES = 8


class Counted:
    """The codes of many images and the patches of codes, computed when first needed.

    Args:
        explored: `Explored`.
        load: function without arguments that returns `(images, words)`: float
            `(N, H, W, C)`, and a phrase that describes them.
    """

    def __init__(self, explored, load):
        self._explored = explored
        self._load = load
        self._lock = threading.Lock()
        self._known = None
        self._patches = {}

    def _all(self):
        with self._lock:
            if self._known is None:
                images, words = self._load()
                self._known = images, words, self._explored.encode(images)
        return self._known

    @property
    def images(self):
        """The images, float `(N, H, W, C)`."""
        return self._all()[0]

    @property
    def words(self):
        """A phrase that describes the images."""
        return self._all()[1]

    def codes(self, code_map):
        """Codes of a map, int32 `(N, h, w)`."""
        return self._all()[2][code_map.tier][..., code_map.part]

    def counts(self, code_map):
        """How often the images use each code, `(K,)`."""
        codes = self.codes(code_map).ravel()
        return np.bincount(codes, minlength=code_map.num_embeddings)

    def patches(self, code_map, codes):
        """The result of `patches.paint` for a sheet of codes, cached."""
        key = (code_map.tier, codes)
        with self._lock:
            if key not in self._patches:
                self._patches[key] = patches.paint(self._explored, code_map, codes)
        return self._patches[key]


def figures(explored, counted, code_map, code):
    """The codebook on its main axes and the use of its codes: two uint8 pictures."""
    import matplotlib

    name = code_map.name
    counts, marked = {name: counted.counts(code_map)}, {name: code}
    # Large enough to read on a phone.
    with matplotlib.rc_context({"font.size": 12}):
        axes = plots.codebook_pca({name: explored.codebook(code_map)}, counts, marked)
        usage = plots.code_usage(counts, marked)
        return pictures.to_pixels(axes), pictures.to_pixels(usage)


def places(counted, code_map, code):
    """Parts of different images around positions with a code.

    Returns:
        float32 `(N, height, width, C)`, N of at most 8, three codes wide.
    """
    where = np.argwhere(counted.codes(code_map) == code)
    _, first = np.unique(where[:, 0], return_index=True)
    shape, parts = counted.images.shape[1:3], []
    for image, *place in where[first[:NUM_PLACES]]:
        window = []
        for at, count, side in zip(place, code_map.grid, shape):
            size = min(side, max(8, 3 * side // count))
            middle = (2 * at + 1) * side // (2 * count)
            start = min(max(middle - size // 2, 0), side - size)
            window.append(slice(start, start + size))
        parts.append(counted.images[image, window[0], window[1]])
    channels = counted.images.shape[-1]
    return np.stack(parts) if parts else np.zeros((0, 1, 1, channels), "float32")


def most_used(counted, code_map):
    """The code that images use most; 0 if the codebook is too large to draw."""
    if code_map.num_embeddings > LARGEST:
        return 0
    return int(counted.counts(code_map).argmax())


def describe(explored, counted, code_map, code):
    """Figures of a codebook and of one of its codes: Markdown."""
    codes = counted.codes(code_map)
    usage = codebook_usage(codes, code_map.num_embeddings)
    codebook = explored.codebook(code_map)
    order = codebook_ordering(codebook)
    distances = np.linalg.norm(codebook - codebook[code], axis=1)
    nearest = np.argsort(distances, kind="stable")
    nearest = ", ".join(str(other) for other in nearest[nearest != code][:5])
    count = int(np.sum(codes == code))
    return (
        f"**{code_map.name}:** usage {usage['usage']:.0%} of "
        f"{code_map.num_embeddings:,} codes in {counted.words}, perplexity "
        f"{usage['perplexity']:,.0f}, ordering {order:.2f} (distance between "
        "neighboring codes over that between random pairs).  \n"
        f"**Code {code}** is used at {count:,} of {codes.size:,} positions; nearest "
        f"code vectors: {nearest or 'none'}."
    )


def look(explored, counted, code_map, code):
    """What the tab shows.

    Args:
        explored: `Explored`.
        counted: `Counted`.
        code_map: `CodeMap`.
        code: int.

    Returns:
        `(axes, usage, text, sheet, patch, where, note)`: uint8 pictures, None for those
        that cannot be shown, and Markdown; `note` says why.
    """
    if code_map.num_embeddings > LARGEST:
        reason = (
            f"This codebook has {code_map.num_embeddings:,} codes; up to {LARGEST:,} "
            "are drawn."
        )
        return None, None, reason, None, None, None, ""
    axes, usage = figures(explored, counted, code_map, code)
    text = describe(explored, counted, code_map, code)
    page, patch, note = None, None, ""
    codes = patches.page_of(explored, code_map, code)
    try:
        painted = counted.patches(code_map, codes)
        page = patches.sheet(painted, code - codes[0])
        patch = pictures.picture(painted[code - codes[0]])
        note = (
            f"What codes {codes[0]} to {codes[-1]} paint, {patches.ROW} in a row, if "
            "one code fills all positions of the tier and the other tiers are off."
        )
    except ValueError as error:
        note = str(error)
    parts = places(counted, code_map, code)
    where = pictures.sheet(parts, NUM_PLACES, 64) if len(parts) else None
    if where is None:
        note += f" Code {code} is not used in {counted.words}."
    return axes, usage, text, page, patch, where, note


def build(page):
    """Adds the tab's components to a `widgets.Page`; drawn when it is first opened."""
    gr, explored, counted = page.gr, page.explored, page.counted
    gr.Markdown(HELP)
    first = explored.maps[0]
    with gr.Row():
        chosen_map = widgets.map_menu(gr, explored, "codebook-map")
        code = gr.Slider(
            0,
            first.num_embeddings - 1,
            step=1,
            label="Code",
            elem_id="codebook-code",
            buttons=[],
        )
    text = gr.Markdown(elem_id="codebook-text")
    with gr.Row():
        axes = widgets.picture_of(
            gr, "Code vectors on the main axes", "codebook-axes", min_width=280
        )
        usage = widgets.picture_of(
            gr, "How often images use each code", "codebook-usage", min_width=280
        )
    sheet = widgets.picture_of(
        gr, "What each code paints: click on one", "codebook-sheet", buttons=[]
    )
    with gr.Row():
        patch = widgets.picture_of(
            gr, "What this code paints", "codebook-patch", scale=1
        )
        where = widgets.picture_of(
            gr,
            "Where images use this code",
            "codebook-places",
            scale=4,
            min_width=280,
        )
    note = gr.Markdown()
    last_map = gr.State(None)
    seen = [axes, usage, text, sheet, patch, where, note]

    def show(chosen_map, code):
        code_map = explored.maps[chosen_map]
        top = code_map.num_embeddings - 1
        code = min(max(int(code or 0), 0), top)
        shown = look(explored, counted, code_map, code)
        return gr.update(value=code, maximum=top), *shown

    def open_map(chosen_map, code, last):
        """Shows the most used code of a map that was not shown last."""
        if chosen_map != last:
            code = most_used(counted, explored.maps[chosen_map])
        return chosen_map, *show(chosen_map, code)

    def turn(chosen_map, code):
        return show(chosen_map, code)[1:]

    def click(chosen_map, code, picked: gr.SelectData):
        code_map = explored.maps[chosen_map]
        code = patches.code_at(explored, code_map, int(code), *picked.index)
        return show(chosen_map, code)

    # The first time it takes a while.
    waiting = {**page.quiet, "show_progress": "minimal"}
    for event in (page.tab.select, chosen_map.select):
        inputs = [chosen_map, code, last_map]
        event(open_map, inputs, [last_map, code, *seen], **waiting)
    code.input(turn, [chosen_map, code], seen, **page.quiet)
    sheet.select(click, [chosen_map, code], [code, *seen], **page.quiet)
