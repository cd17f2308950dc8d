"""The settings of a prior over blends of two sets of images."""

import dataclasses

from vqzoo.training import blend_loop
from vqzoo.training.prior_recipe import PriorRecipe
from vqzoo.training.settings import setting


@dataclasses.dataclass(frozen=True, kw_only=True)
class BlendRecipe(PriorRecipe):
    """A prior fitted to codes between two classes of images; each field is a flag.

    Raises: ValueError: on a value that cannot work, with the name of its flag.
    """

    parents: tuple[str, ...] = setting(
        ("bird", "horse"), "the two classes, by name, whose images are blended"
    )
    num_parents: int = setting(200, "images of each class: its whitest ones")
    num_blends: int = setting(8000, "pairs of parents, blended and encoded")
    blend_range: tuple[float, ...] = setting(
        (0.25, 0.75), "least and greatest share of the second parent"
    )
    num_samples: int = setting(256, "images that are drawn and measured")

    def __post_init__(self):
        super().__post_init__()
        self.expect("parents", len(self.parents) == 2, "two classes")
        for name in ("num_parents", "num_blends", "num_samples"):
            self.expect(name, getattr(self, name) >= 10, "at least 10")
        low_high = self.blend_range
        in_order = len(low_high) == 2 and 0 <= low_high[0] <= low_high[1] <= 1
        self.expect("blend_range", in_order, "two shares in [0, 1], in order")

    def run(self):
        """Runs the recipe; returns the folder, as `blend_loop.run`."""
        return blend_loop.run(self)

    def shrunk(self):
        """The recipe with the numbers of a smoke run, where `smoke` is set."""
        recipe = super().shrunk()
        if not self.smoke:
            return recipe
        return dataclasses.replace(
            recipe, num_parents=10, num_blends=40, num_samples=10
        )
