"""The quantizers that a recipe can name."""

from vqzoo import layers
from vqzoo.registry import parse_options

# Levels of a finite scalar quantizer near a power of 2 codes: Mentzer et al. 2023,
# arXiv 2309.15505, table 1.
FSQ_LEVELS = {
    64: (8, 8),
    256: (8, 6, 5),
    512: (8, 8, 8),
    1024: (8, 5, 5, 5),
    4096: (7, 5, 5, 5, 5),
    16_384: (8, 8, 8, 6, 5),
    65_536: (8, 8, 8, 5, 5, 5),
}
LOW_DIMENSION = 8
# Their indices are drawn, or never trained, without a noisy assignment.
WITHOUT_NOISE = ("stochastic", "random_projection")
# Their codebooks follow the latents by moving average, which can keep them sorted.
SORTED = (
    "ema",
    "cosine",
    "rotation",
    "stochastic",
    "low_dimensional",
    "residual",
    "grouped_residual",
    "multi_head",
)


def make(recipe, tier):
    """The quantizer layer of one tier, as a recipe names it.

    Args:
        recipe: `Recipe`.
        tier: int, top first.

    Returns:
        A layer of `vqzoo.layers`.

    Raises:
        ValueError: if the quantizer cannot be made so, with the name of the flag.
    """
    _check_order(recipe)
    options = parse_options(recipe.quantizer_options)
    settings = _Settings(recipe, tier)
    try:
        layer = MAKERS[recipe.quantizer](settings, **options)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"--quantizer={recipe.quantizer} cannot be made with "
            f"--quantizer_options={','.join(recipe.quantizer_options)}: {error}"
        ) from error
    layer.name = f"quantizer_{tier}"
    return layer


def _check_order(recipe):
    if max(recipe.noise_stddev) and recipe.quantizer in WITHOUT_NOISE:
        raise ValueError(
            f"--quantizer={recipe.quantizer} has no noisy assignment, received "
            f"--noise_stddev={','.join(map(str, recipe.noise_stddev))}"
        )
    if recipe.sorted_codes and recipe.quantizer not in SORTED:
        raise ValueError(
            f"--quantizer={recipe.quantizer} cannot keep its codes sorted, received "
            f"--sorted_codes: --nosorted_codes, or one of {SORTED}"
        )


class _Settings:
    """The settings of a recipe as one quantizer layer takes them."""

    def __init__(self, recipe, tier):
        self.recipe = recipe
        self.tier = tier

    def noise(self, stage=0):
        """The noisy assignment of a stage, or None."""
        sigmas = self.recipe.noise_stddev
        sigma = sigmas[min(self.tier, len(sigmas) - 1)]
        if not sigma:
            return None
        boundary = self.recipe.noise_boundary
        return layers.NoisyAssignment(sigma, boundary=boundary, seed=self.seed(stage))

    def seed(self, stage=0):
        return self.recipe.seed * 1000 + self.tier + 10 * stage

    def sizes(self, dim=None):
        return self.recipe.num_embeddings, dim or self.recipe.embedding_dim

    def common(self, stage=0):
        return {
            "commitment_cost": self.recipe.commitment_cost,
            "assignment": self.noise(stage),
        }

    def ema(self, stage=0, dim=None, **options):
        return layers.VectorQuantizerEMA(
            *self.sizes(dim),
            **{
                "decay": self.recipe.decay,
                "restart_threshold": self.recipe.restart_threshold,
                "codebook_init": self.recipe.codebook_init,
                "sorted_codes": self.recipe.sorted_codes,
                "seed": self.seed(stage),
                **self.common(stage),
                **options,
            },
        )


def _gradient(settings, **options):
    return layers.VectorQuantizer(*settings.sizes(), **{**settings.common(), **options})


def _low_dimensional(settings, dim=LOW_DIMENSION, **options):
    inner = settings.ema(dim=dim, **options)
    return layers.low_dimensional(inner, settings.recipe.embedding_dim)


def _batch_normalized(settings, **options):
    return layers.batch_normalized(_gradient(settings, **options))


def _stochastic(settings, temperature=1.0, **options):
    draw = layers.StochasticAssignment(temperature, seed=settings.seed())
    return settings.ema(**{"assignment": draw, **options})


def _stages(make_stage, num_stages):
    return [make_stage(stage) for stage in range(num_stages)]


def _residual(settings, num_stages=4, dropout=False, **options):
    stages = _stages(lambda stage: settings.ema(stage, **options), num_stages)
    return layers.ResidualQuantizer(stages, dropout=dropout, seed=settings.seed(50))


def _grouped_residual(settings, num_groups=2, num_stages=2, **options):
    dim = settings.recipe.embedding_dim // num_groups

    def group(index):
        first = index * num_stages
        return layers.ResidualQuantizer(
            _stages(
                lambda stage: settings.ema(first + stage, dim, **options), num_stages
            )
        )

    return layers.GroupedQuantizer([group(index) for index in range(num_groups)])


def _multi_head(settings, num_heads=4, **options):
    dim = settings.recipe.embedding_dim // num_heads
    return layers.MultiHeadQuantizer(settings.ema(dim=dim, **options), num_heads)


def _levels(settings):
    wanted = settings.recipe.num_embeddings
    return FSQ_LEVELS[min(FSQ_LEVELS, key=lambda size: abs(size - wanted))]


def _grid(settings, stage=0, levels=None, **options):
    return layers.FiniteScalarQuantizer(
        levels or _levels(settings), **{"assignment": settings.noise(stage), **options}
    )


def _fsq(settings, **options):
    return layers.batch_normalized(_grid(settings, **options))


def _residual_fsq(settings, num_stages=2, **options):
    stages = _stages(lambda stage: _grid(settings, stage, **options), num_stages)
    return layers.batch_normalized(layers.ResidualQuantizer(stages))


def _num_bits(settings):
    return (settings.recipe.num_embeddings - 1).bit_length()


def _lfq(settings, num_bits=None, **options):
    options = {"assignment": settings.noise(), **options}
    return layers.LookupFreeQuantizer(num_bits or _num_bits(settings), **options)


def _latent(settings, levels=None, **options):
    return layers.LatentQuantizer(
        levels or _levels(settings), **{"assignment": settings.noise(), **options}
    )


def _seeded(layer):
    """The maker of a quantizer with the common settings and a seed."""

    def make_layer(settings, **options):
        options = {**settings.common(), "seed": settings.seed(), **options}
        return layer(*settings.sizes(), **options)

    return make_layer


def _gumbel(settings, **options):
    options = {"assignment": settings.noise(), "seed": settings.seed(), **options}
    layer = layers.GumbelVectorQuantizer(*settings.sizes(), **options)
    return layers.batch_normalized(layer)  # Short latents would be near to all codes.


def _random_projection(settings, **options):
    options = {"seed": settings.seed(), **options}
    return layers.RandomProjectionQuantizer(*settings.sizes(), **options)


def _learned(settings, codebook="gradient", **options):
    """A quantizer whose codebook follows the latents by gradient or moving average."""
    if codebook not in ("gradient", "ema"):
        raise ValueError(f"expected codebook of gradient or ema, received {codebook!r}")
    return MAKERS[codebook](settings, **options)


def _projected(settings, **options):
    return layers.ProjectedLatents(_learned(settings, **options))


def _frequency(settings, share=0.8, projected=False, **options):
    inner = _learned(settings, **options)
    num_frequent = max(1, round(share * inner.num_embeddings))
    return layers.FrequencyLatents(inner, num_frequent, projected=projected)


MAKERS = {
    "ema": lambda settings, **options: settings.ema(**options),
    "gradient": _gradient,
    "cosine": lambda settings, **options: settings.ema(normalize=True, **options),
    "rotation": lambda settings, **options: settings.ema(
        estimator="rotation", **options
    ),
    "stochastic": _stochastic,
    "low_dimensional": _low_dimensional,
    "batch_normalized": _batch_normalized,
    "residual": _residual,
    "grouped_residual": _grouped_residual,
    "multi_head": _multi_head,
    "fsq": _fsq,
    "residual_fsq": _residual_fsq,
    "lfq": _lfq,
    "binary_spherical": lambda settings, **options: _lfq(
        settings, spherical=True, **options
    ),
    "latent": _latent,
    "sim_vq": _seeded(layers.SimVQ),
    "ibq": _seeded(layers.IndexBackpropagationQuantizer),
    "soft": _seeded(layers.SoftVectorQuantizer),
    "gumbel": _gumbel,
    "random_projection": _random_projection,
    "projected_latents": _projected,
    "frequency_latents": _frequency,
}
