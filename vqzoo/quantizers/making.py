"""Quantizers by the names and the settings of a recipe."""

import functools
import random
import types

from vqzoo import registry
from vqzoo.quantizers.assignments import NoisyAssignment

# Settings that every quantizer can be made with, to see which of them it reads.
_EXAMPLE = {
    "num_embeddings": 64,
    "embedding_dim": 8,
    "commitment_cost": 0.25,
    "decay": 0.99,
    "codebook_init": "data",
    "restart_threshold": 0.5,
    "sorted_codes": False,
    "noise_stddev": (0.0,),
    "noise_boundary": "reflect",
    "annealing_share": 0.75,
    "seed": 0,
}


class TierSettings:
    """The settings of a recipe as the maker of one quantizer reads them.

    A maker reads a setting when it uses it and not before, so that `read` holds the
    names of those that change what it makes.

    Args:
        settings: object with the fields of a recipe that are about quantizers.
        tier: int, top first.
        num_steps: int or None, training steps of the run.
    """

    def __init__(self, settings, tier, num_steps=None):
        self.tier = tier
        self.num_steps = num_steps
        self.read = set()
        self._settings = settings

    def __getattr__(self, name):
        self.read.add(name)
        return getattr(self._settings, name)

    def noise(self, stage=0, sigma=None):
        """The noisy assignment of a stage, of its own sigma if it has one, or None."""
        if sigma is None:
            sigmas = self.noise_stddev
            sigma = sigmas[min(self.tier, len(sigmas) - 1)]
        if not sigma:
            return None
        seed = self.stage_seed(stage)
        return NoisyAssignment(sigma, boundary=self.noise_boundary, seed=seed)

    def stage_seed(self, stage=0):
        """A seed that no other tier or stage has."""
        return self.seed * 1000 + self.tier + 10 * stage

    def annealing(self):
        """The argument `annealing_steps` in a dict, empty where no run is known."""
        share = self.annealing_share
        steps = self.num_steps and max(1, round(share * self.num_steps))
        return {"annealing_steps": steps} if steps else {}

    def sizes(self, dim=None):
        """Number of codes and their length, which `dim` replaces."""
        return self.num_embeddings, dim or self.embedding_dim

    def options(self, given, *names, stage=0):
        """The given options of a layer and, of those not given, the settings' own.

        Args:
            given: dict of what `--quantizer_options` says.
            *names: str, arguments that settings stand for; `assignment` is the noise.
            stage: int, which has a seed of its own.
        """
        computed = {"assignment": self.noise, "seed": self.stage_seed}
        options = dict(given)
        for name in names:
            if name not in given and name in computed:
                options[name] = computed[name](stage)
            elif name not in given:
                options[name] = getattr(self, name)
        return options


def make(settings, tier, num_steps=None):
    """The quantizer layer of one tier, as settings name it.

    Args:
        settings: object with the fields of a recipe that are about quantizers:
            `quantizer`, a name of `registry.names("quantizers")`, `quantizer_options`,
            and those that its maker reads.
        tier: int, top first.
        num_steps: int or None, training steps of the run, where one is known.

    Returns:
        `Quantizer`, named `quantizer_{tier}`.

    Raises:
        ValueError: if the quantizer cannot be made so, with the name of the flag.
    """
    view = TierSettings(settings, tier, num_steps)
    layer = _made(view)
    _refuse_unread(settings, view.read)
    layer.name = f"quantizer_{tier}"
    return layer


def read_by(settings):
    """The names of the settings that the quantizer of a recipe is made with.

    It makes one, and raises what `make` raises.
    """
    view = TierSettings(settings, 0)
    _made(view)
    return view.read


def _made(view):
    options = view.quantizer_options
    try:
        maker = registry.find("quantizers", view.quantizer)
        return maker(view, **registry.parse_options(options))
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"--quantizer={view.quantizer} cannot be made with "
            f"--quantizer_options={','.join(options)}: {error}"
        ) from error


def _refuse_unread(settings, read):
    # These two change what codes mean: a run that says so and does not is no result.
    if "noise_stddev" not in read and max(settings.noise_stddev):
        raise ValueError(
            f"--quantizer={settings.quantizer} has no noisy assignment, received "
            f"--noise_stddev={','.join(map(str, settings.noise_stddev))}"
        )
    if "sorted_codes" not in read and settings.sorted_codes:
        able = [n for n in registry.names("quantizers") if "sorted_codes" in uses(n)]
        raise ValueError(
            f"--quantizer={settings.quantizer} cannot keep its codes sorted, received "
            f"--sorted_codes: --nosorted_codes, or one of {', '.join(able)}"
        )


@functools.cache
def uses(name):
    """The names of the settings that change what a quantizer is.

    Args:
        name: str, of `registry.names("quantizers")`.

    Returns:
        frozenset of str.
    """
    maker = registry.find("quantizers", name)
    # Keras seeds the weights of a Dense layer from Python's random numbers: what a run
    # draws after this must not depend on whether somebody asked.
    state = random.getstate()
    try:
        read = _read(maker, noise_stddev=(1.0,))
    except ValueError:  # the layer says itself why it takes no noise
        read = _read(maker) - {"noise_stddev", "noise_boundary"}
    random.setstate(state)
    return frozenset(read)


def _read(maker, **settings):
    view = TierSettings(types.SimpleNamespace(**{**_EXAMPLE, **settings}), 0)
    maker(view)
    return view.read
