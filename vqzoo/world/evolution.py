"""CMA-ES whose course follows from its seed and the scores that it was told."""

import numpy as np

from vqzoo.world import extras


class Evolution:
    """A search for numbers of the highest score; it is gone on with by its scores.

    Args:
        size: int, how many numbers.
        population: int, candidates of a generation, at least 2.
        spread: float above 0, deviation of the first generation.
        seed: int.
        scores: float `(generations, population)`, those that an earlier one was told,
            in whose place this one goes on.
    Raises: MissingExtra: if `cma` is not installed.
    Source: Hansen 2016, arXiv 1604.00772.
    """

    def __init__(self, size, population, spread, seed, scores=()):
        cma = extras.take("cma", "a controller that is evolved")
        generator = np.random.default_rng(seed)
        options = {
            "popsize": population,
            "seed": np.nan,  # what NumPy draws elsewhere stays as it is
            "randn": lambda *shape: generator.normal(size=shape),
            "verbose": -9,
        }
        self._strategy = cma.CMAEvolutionStrategy(np.zeros(size), spread, options)
        self.scores = []
        for row in scores:
            self.ask()
            self.tell(row)

    def ask(self):
        """The candidates of a generation: float `(population, size)`."""
        self._asked = self._strategy.ask()
        return np.array(self._asked)

    def tell(self, scores):
        """Scores `(population,)` of the candidates that were asked for, in order."""
        self.scores.append(np.asarray(scores, "float64"))
        self._strategy.tell(self._asked, (-self.scores[-1]).tolist())

    @property
    def mean(self):
        """Where it stands: float `(size,)`."""
        return np.array(self._strategy.mean)
