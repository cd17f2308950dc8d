"""CMA-ES, determined by its seed and the scores that it gets."""

import numpy as np

from vqzoo.world import extras


class Evolution:
    """A search for the parameters with the highest score, which can be resumed.

    Args:
        size: int, number of parameters.
        population: int, candidates of a generation, at least 2.
        spread: float above 0, standard deviation of the first generation.
        seed: int.
        scores: float `(generations, population)`, `scores` of the search that this one
            resumes.
    Raises: MissingExtra: if `cma` is not installed.
    Source: Hansen 2016, arXiv 1604.00772.
    """

    def __init__(self, size, population, spread, seed, scores=()):
        cma = extras.take("cma", "a controller that is evolved")
        generator = np.random.default_rng(seed)
        options = {
            "popsize": population,
            "seed": np.nan,  # leaves NumPy's global generator alone
            "randn": lambda *shape: generator.normal(size=shape),
            "verbose": -9,
        }
        self._strategy = cma.CMAEvolutionStrategy(np.zeros(size), spread, options)
        self.scores = []
        for row in scores:
            self.ask()
            self.tell(row)

    def ask(self):
        """Candidates of the next generation: float `(population, size)`."""
        self._asked = self._strategy.ask()
        return np.array(self._asked)

    def tell(self, scores):
        """Takes the scores `(population,)` of the last candidates, in their order."""
        self.scores.append(np.asarray(scores, "float64"))
        self._strategy.tell(self._asked, (-self.scores[-1]).tolist())

    @property
    def mean(self):
        """Mean of the search distribution: float `(size,)`."""
        return np.array(self._strategy.mean)
