"""One row for each public layer, metric and model: what the laws are tried on."""

import dataclasses
from collections.abc import Callable

import keras
import numpy as np

from vqzoo.layers import (
    NoisyAssignment,
    ResidualBlock,
    ResidualStack,
    VectorQuantizer,
    VectorQuantizerEMA,
)
from vqzoo.metrics import PSNR, SSIM, CodebookUsage
from vqzoo.models import VQVAE, VQVAE2


@dataclasses.dataclass(frozen=True, eq=False)
class Case:
    """A way to make an object and to call it.

    `random` says whether a training call draws random numbers.
    """

    name: str
    make: Callable
    inputs: tuple
    kwargs: dict = dataclasses.field(default_factory=dict)
    random: bool = False

    def __str__(self):
        return self.name

    @property
    def takes_floats(self):
        return self.inputs[0].dtype == np.float32


def _floats(*shape, scale=1.0):
    generator = np.random.default_rng(sum(shape))
    return (scale * generator.normal(size=shape)).astype("float32")


def _codes(*shape):
    return np.random.default_rng(1).integers(4, size=shape).astype("int32")


def _ema(tier=0, **options):
    return VectorQuantizerEMA(4 + tier, 2 + tier, seed=1, **options)


def _noisy(tier=0):
    return _ema(tier, assignment=NoisyAssignment(1.0, boundary="clip", seed=2))


_TINY = {"num_channels": 8, "residual_channels": 4, "num_residual_blocks": 1}
_LATENTS = _floats(3, 2, 3, 2)
_IMAGES = np.clip(_floats(2, 8, 8, 3, scale=0.3), -0.5, 0.5)
_PAIR = tuple(np.clip(_floats(b, 12, 12, 3, scale=0.2), -0.5, 0.5)[:2] for b in (2, 3))

LAYERS = (
    Case(
        "NoisyAssignment",
        lambda: NoisyAssignment(1.0, boundary="wrap", seed=1),
        (_codes(3, 2, 3),),
        {"num_embeddings": 4},
        random=True,
    ),
    Case("ResidualBlock", lambda: ResidualBlock(3), (_LATENTS,)),
    Case("ResidualStack", lambda: ResidualStack(2, 3), (_LATENTS,)),
    Case(
        "VectorQuantizer",
        lambda: VectorQuantizer(
            4, 2, codebook_init=keras.initializers.RandomUniform(-1, 1, seed=1)
        ),
        (_LATENTS,),
    ),
    Case(
        "VectorQuantizer-noisy",
        lambda: VectorQuantizer(
            4, 2, assignment=NoisyAssignment(0.7, boundary="wrap", seed=2)
        ),
        (_LATENTS,),
        random=True,
    ),
    Case(
        "VectorQuantizerEMA",
        lambda: _ema(
            codebook_init=keras.initializers.RandomUniform(-1, 1, seed=1),
            restart_threshold=0.0,
            decay=0.5,
        ),
        (_LATENTS,),
    ),
    Case("VectorQuantizerEMA-data-start", _ema, (_LATENTS,), random=True),
    Case("VectorQuantizerEMA-noisy", _noisy, (_LATENTS,), random=True),
)

METRICS = (
    Case("CodebookUsage", lambda: CodebookUsage(5), (_codes(3, 2, 3),)),
    Case("PSNR", lambda: PSNR(max_value=2.0, name="decibels"), _PAIR),
    Case("SSIM", lambda: SSIM(), _PAIR),
)

MODELS = (
    Case(
        "VQVAE",
        lambda: VQVAE(_ema(), image_shape=(8, 8, 3), **_TINY),
        (_IMAGES,),
        random=True,
    ),
    Case(
        "VQVAE-gradient",
        lambda: VQVAE(
            VectorQuantizer(4, 2), image_shape=(8, 8, 3), encoder_kernel_size=3, **_TINY
        ),
        (_IMAGES,),
    ),
    Case(
        "VQVAE2-noisy",
        lambda: VQVAE2(
            [_noisy(0), _noisy(1)], image_shape=(8, 8, 3), bottom_stride=2, **_TINY
        ),
        (_IMAGES,),
        random=True,
    ),
    Case(
        "VQVAE2-three-tiers",
        lambda: VQVAE2(
            [_ema(0), _ema(1), _ema(2)],
            image_shape=(16, 16, 3),
            bottom_stride=2,
            **_TINY,
        ),
        (np.tile(_IMAGES, (1, 2, 2, 1)) * _floats(16, 16, 1),),
        random=True,
    ),
)

ALL = (*LAYERS, *METRICS, *MODELS)


def as_model(case):
    """A model that can be fitted and saved: a layer stands behind a dense one."""
    made = case.make()
    if isinstance(made, keras.Model):
        return made
    (example,) = case.inputs
    inputs = keras.Input(example.shape[1:], dtype=example.dtype)
    hidden = inputs
    if case.takes_floats:
        hidden = keras.layers.Dense(example.shape[-1], name="before")(inputs)
    return keras.Model(inputs, made(hidden, **case.kwargs), name="wrapper")
