from tests.helpers.case import Case, random_floats
from vqzoo.priors import DCGAN, DCGANCritic

CASES = [
    Case(
        "DCGAN",
        lambda: DCGAN((4, 4), 6, 2, channels=(8, 8), noise_dim=3),
        (random_floats(4, 3),),
    ),
    Case(
        "DCGANCritic",
        lambda: DCGANCritic((4, 4), 6, 2, channels=(8, 8)),
        (random_floats(4, 4, 4, 2),),
    ),
]
