from tests.helpers.case import Case, random_codes, random_floats
from vqzoo.layers import StochasticAssignment

CASES = [
    Case(
        "StochasticAssignment",
        lambda: StochasticAssignment(0.5, seed=1),
        (random_codes(18),),
        {"latents": random_floats(18, 2), "codebook": random_floats(4, 2)},
        random=True,
    ),
]
REFUSED = [
    (lambda: StochasticAssignment(0.0), "above 0, received temperature=0.0"),
]
