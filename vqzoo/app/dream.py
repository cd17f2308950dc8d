"""Plays a dream beside the real game, by buttons and keys, and changes its codes."""

import copy

import numpy as np

from vqzoo.app import edits, pictures, widgets
from vqzoo.frame import Failure
from vqzoo.world.environments import PixelEnvironment

HELP = (
    "The *dream* starts at the first frame of the real game; from there on, the "
    "model's memory predicts each next frame. The *real game* gets the same actions."
)
HELP_WITH_CODES = (
    " Click on a square of the codes and give it another index: the dream continues "
    "from there, and the game does not change."
)
NOTHING = "There is no memory: give the folder of a world model, as `--model=RUN`."
KEYS = {
    "LEFT": ("ArrowLeft", "\N{LEFTWARDS ARROW}"),
    "RIGHT": ("ArrowRight", "\N{RIGHTWARDS ARROW}"),
    "UP": ("ArrowUp", "\N{UPWARDS ARROW}"),
    "DOWN": ("ArrowDown", "\N{DOWNWARDS ARROW}"),
    "FIRE": ("Space", "space"),
    "NOOP": ("Enter", "enter"),
}


class Played:
    """A dream and the real game of one visitor.

    Args:
        world: `World`, which is copied.
        seed: int, for both.
    """

    def __init__(self, world, seed=0):
        # A shallow copy: the compiled model is shared, the state is not.
        self.world = copy.copy(world)
        self.rewards = {"dream": 0.0, "game": 0.0}
        self.over = {"dream": False, "game": False}
        self.steps, self.why_no_game, self.game = 0, "", None
        try:
            self.game = PixelEnvironment(world.environment, **world.options)
            frame = self.game.reset(seed)
            self.dreamed = self.world.reset(frame[None], seed=seed)[0]
            self.real = frame
        except (Failure, ValueError) as error:
            self.why_no_game = str(error)
            self.dreamed, self.real = self.world.reset(seed=seed)[0], None

    def act(self, action, temperature=1.0):
        """Takes an action in both, unless they are over."""
        self.steps += 1
        frames, rewards, ends = self.world.step(np.asarray(action)[None], temperature)
        self.dreamed = frames[0]
        if not self.over["dream"]:
            self.rewards["dream"] += float(rewards[0])
            self.over["dream"] = bool(ends[0])
        if self.game is not None and not self.over["game"]:
            self.real, gained, *ended = self.game.step(action)
            self.rewards["game"] += gained
            self.over["game"] = any(ended)

    def change(self, code_map, row, column, code):
        """Changes the index at a position; the dream continues from there.

        Raises:
            ValueError: if there is no such position or index.
        """
        edits.Place(image=0, code_map=code_map, row=row, column=column)
        if not 0 <= code < code_map.num_embeddings:
            raise ValueError(
                f"expected an index in [0, {code_map.num_embeddings}), received {code}"
            )
        latents = [each.copy() for each in self.world.latents]
        _map(latents, code_map)[row, column] = code
        self.dreamed = self.world.change(tuple(latents))[0]

    def codes(self, code_map):
        """The indices of a map, int `(h, w)`."""
        return _map(self.world.latents, code_map)

    def describe(self):
        """What happened so far, in Markdown."""
        parts = [f"**{self.steps}** actions"]
        for name, gained in self.rewards.items():
            if name == "game" and self.game is None:
                parts.append(f"no real game: {self.why_no_game}")
                continue
            end = ", over" if self.over[name] else ""
            parts.append(f"{name}: rewards **{gained:g}**{end}")
        return "; ".join(parts)


def _map(latents, code_map):
    """The indices of a map within the latents of one frame: a view `(h, w)`."""
    return latents[code_map.tier].reshape(*code_map.grid, -1)[:, :, code_map.part]


def look(played, code_map, marked=None):
    """Pictures of the dream, the game and the codes, if there are any, and a text."""
    codes = None
    if code_map is not None:
        codes = played.codes(code_map), code_map.num_embeddings, marked
    return (
        pictures.enlarge(played.dreamed),
        None if played.real is None else pictures.enlarge(played.real),
        codes and pictures.code_map(*codes),
        played.describe(),
    )


def keys_of(actions):
    """The key of each discrete action and its label: a list of pairs."""
    names = actions.names or (str(number) for number in range(actions.count))
    spare = iter("123456789abcdefghijklmnopqrstuvwxyz")
    return [KEYS[name] if name in KEYS else (next(spare),) * 2 for name in names]


def build(page):
    """Puts the tab on a `widgets.Page`."""
    gr, world = page.gr, page.loaded
    # Real-valued latents have no map.
    maps = page.explored.maps if page.explored else (None,)
    if getattr(world, "memory", None) is None:
        gr.Markdown(NOTHING)
        return None
    gr.Markdown(HELP + HELP_WITH_CODES if page.explored else HELP)
    state, place = gr.State(None), gr.State((0, 0))
    with gr.Row():
        dreamed = widgets.picture_of(gr, "Dream", "dream")
        real = widgets.picture_of(gr, "Real game", "game")
        seen = {"visible": page.explored is not None}
        codes = widgets.picture_of(gr, "Codes of the dream", "dream-codes", **seen)
    text = gr.Markdown()
    shown = [state, dreamed, real, codes, text]
    with gr.Row():
        tier = gr.State(0)
        if page.explored:
            tier = widgets.map_menu(gr, page.explored, "dream-tier")
            index = gr.Number(0, label="Index", precision=0, elem_id="dream-index")
            put = gr.Button("Put it there")
        heat = gr.Slider(0.1, 2, value=1, step=0.1, label="Temperature")
        seed = gr.Number(0, label="Seed", precision=0)
        begin = gr.Button("Begin anew", variant="primary")

    def answer(played, tier, place=None):
        return (played, *look(played, maps[tier], place))

    def start(seed, tier):
        return answer(Played(world, int(seed or 0)), tier)

    def act(played, action, heat, tier):
        played = played or Played(world)
        played.act(action, heat)
        return answer(played, tier)

    def change(played, tier, place, index):
        played = played or Played(world)
        try:
            played.change(maps[tier], *place, int(index or 0))
        except ValueError as error:
            raise gr.Error(str(error)) from error
        return answer(played, tier, place)

    def choose(played, tier, event: gr.SelectData):
        chosen = edits.square_at(*event.index, maps[tier].grid)
        played = played or Played(world)
        code = int(played.codes(maps[tier])[chosen])
        return (chosen, code, *answer(played, tier, chosen))

    _action_inputs(page, state, act, heat, tier, shown)
    begin.click(start, [seed, tier], shown, **page.quiet)
    if page.explored:
        put.click(change, [state, tier, place, index], shown, **page.quiet)
        codes.select(choose, [state, tier], [place, index, *shown], **page.quiet)
    page.tab.select(
        lambda played, tier: answer(played or Played(world), tier),
        [state, tier],
        shown,
        **page.quiet,
    )
    return None


def _action_inputs(page, state, act, heat, tier, shown):
    """Buttons of discrete actions, with keys; of real numbers, sliders and a button."""
    gr, actions = page.gr, page.loaded.actions
    if actions.is_discrete:
        with gr.Row():
            names = actions.names or [str(number) for number in range(actions.count)]
            for number, (name, (key, sign)) in enumerate(zip(names, keys_of(actions))):
                button = gr.Button(f"{name} ({sign})", elem_id=f"act-{key}")
                button.click(
                    lambda played, heat, tier, number=number: act(
                        played, number, heat, tier
                    ),
                    [state, heat, tier],
                    shown,
                    **page.quiet,
                )
        return
    with gr.Row():
        sliders = [
            gr.Slider(low, high, value=(low + high) / 2, label=f"Action, number {i}")
            for i, (low, high) in enumerate(zip(actions.low, actions.high), start=1)
        ]
        step = gr.Button("Do it (enter)", elem_id="act-Enter")
    step.click(
        lambda played, heat, tier, *numbers: act(
            played, np.array(numbers, "float32"), heat, tier
        ),
        [state, heat, tier, *sliders],
        shown,
        **page.quiet,
    )
