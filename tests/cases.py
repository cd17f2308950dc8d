"""One row for each public layer, metric and model: what the laws are tried on."""

import dataclasses
from collections.abc import Callable

import keras
import numpy as np

from vqzoo.layers import (
    CausalSelfAttention,
    DiagonalBiLSTM,
    EncoderCell,
    EqualizedConv2D,
    FiniteScalarQuantizer,
    FrequencyLatents,
    GatedLinearBlock,
    GatedMaskedConv2D,
    GatedResidualBlock,
    GaussianBottleneck,
    GaussianCorruption,
    GenerativeCell,
    GroupedQuantizer,
    GumbelVectorQuantizer,
    IndexBackpropagationQuantizer,
    KSparse,
    LatentHierarchy,
    LatentQuantizer,
    LookupFreeQuantizer,
    MaskedConv2D,
    MaskingCorruption,
    MinibatchStd,
    MultiHeadQuantizer,
    NoisyAssignment,
    PixelNormalization,
    PixelSNAILBlock,
    ProjectedLatents,
    RandomProjectionQuantizer,
    ResidualBlock,
    ResidualQuantizer,
    ResidualStack,
    RowLSTM,
    RunningNormalization,
    SelfAttention,
    SimVQ,
    SoftVectorQuantizer,
    SqueezeExcitation,
    StochasticAssignment,
    TransformerBlock,
    VectorQuantizer,
    VectorQuantizerEMA,
    batch_normalized,
    low_dimensional,
)
from vqzoo.metrics import PSNR, SSIM, CodebookUsage
from vqzoo.models import (
    HQA,
    VAE,
    VQVAE,
    VQVAE2,
    Autoencoder,
    HierarchicalVAE,
    SeparateVQVAEs,
)
from vqzoo.priors import (
    DCGAN,
    DCGANCritic,
    GatedPixelCNN,
    HybridTransformer,
    MaskGIT,
    PixelCNN,
    PixelRNN,
    PixelSNAIL,
    ProgressiveCritic,
    ProgressiveGAN,
    Transformer,
)


@dataclasses.dataclass(frozen=True, eq=False)
class Case:
    """A way to make an object and to call it.

    `random` says whether a training call draws random numbers; `unmoved` are parts of
    the paths of weights that a first step cannot move: what stands behind a gate that
    starts shut, and the outputs of scales that are not the last.
    """

    name: str
    make: Callable
    inputs: tuple
    kwargs: dict = dataclasses.field(default_factory=dict)
    random: bool = False
    unmoved: tuple = ()

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


def _fixed_start():
    start = keras.initializers.RandomUniform(-1, 1, seed=1)
    return VectorQuantizer(4, 2, codebook_init=start)


def _stages(**options):
    return ResidualQuantizer([_ema(), _ema()], **options)


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
    Case("MaskedConv2D", lambda: MaskedConv2D(2, 3, "B"), (_LATENTS,)),
    Case("GatedMaskedConv2D", lambda: GatedMaskedConv2D(1, 3, "B"), (_LATENTS,)),
    Case(
        "MaskedConv2D-rows", lambda: MaskedConv2D(2, 3, "A", by_row=True), (_LATENTS,)
    ),
    Case("CausalSelfAttention", lambda: CausalSelfAttention(2, 1), (_LATENTS,)),
    Case(
        "CausalSelfAttention-sees-itself",
        lambda: CausalSelfAttention(1, 2, sees_itself=True, use_bias=False),
        (_LATENTS,),
    ),
    Case(
        "GatedResidualBlock",
        lambda: GatedResidualBlock(3, 3, dropout=0.2, seed=1),
        (_LATENTS,),
        random=True,
    ),
    Case(
        "PixelSNAILBlock",
        lambda: PixelSNAILBlock(1, 3, 3, num_heads=1, dropout=0.2, seed=1),
        (_floats(3, 2, 3, 4),),
        random=True,
    ),
    Case(
        "PixelSNAILBlock-plain",
        lambda: PixelSNAILBlock(2, 3, 3, num_heads=0),
        (_LATENTS,),
    ),
    Case("EqualizedConv2D", lambda: EqualizedConv2D(2, 3, gain=1.0), (_LATENTS,)),
    Case("GatedLinearBlock", lambda: GatedLinearBlock(3), (_LATENTS,)),
    Case("MinibatchStd", lambda: MinibatchStd(3), (_LATENTS,)),
    Case("PixelNormalization", lambda: PixelNormalization(), (_LATENTS,)),
    Case(
        "SelfAttention",
        lambda: SelfAttention(),
        (_floats(3, 2, 3, 8),),
        unmoved=("queries", "keys", "values", "outputs"),
    ),
    Case("RowLSTM", lambda: RowLSTM(2), (_LATENTS,)),
    Case("DiagonalBiLSTM", lambda: DiagonalBiLSTM(2), (_LATENTS,)),
    Case(
        "TransformerBlock",
        lambda: TransformerBlock(2, 3, dropout=0.2, seed=1),
        (_LATENTS,),
        random=True,
    ),
    Case(
        "TransformerBlock-all",
        lambda: TransformerBlock(1, 3, causal=False),
        (_LATENTS,),
    ),
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
    Case(
        "VectorQuantizerEMA-data-start",
        lambda: _ema(sorted_codes=True),
        (_LATENTS,),
        random=True,
    ),
    Case("VectorQuantizerEMA-noisy", _noisy, (_LATENTS,), random=True),
    Case(
        "VectorQuantizerEMA-k-means",
        lambda: _ema(codebook_init="k_means", entropy_weight=0.1),
        (_LATENTS,),
        random=True,
    ),
    Case(
        "VectorQuantizerEMA-cosine",
        lambda: _ema(normalize=True, estimator="rotation"),
        (_LATENTS,),
        random=True,
    ),
    Case(
        "VectorQuantizer-regularized",
        lambda: VectorQuantizer(
            4,
            2,
            codebook_init="random_normal",
            codebook_regularizer=keras.regularizers.OrthogonalRegularizer(0.1),
            entropy_weight=0.1,
            normalize=True,
            estimator="rotation",
        ),
        (_LATENTS,),
        random=True,
    ),
    Case(
        "VectorQuantizer-stochastic",
        lambda: VectorQuantizer(4, 2, assignment=StochasticAssignment(0.5, seed=2)),
        (_LATENTS,),
        random=True,
    ),
    Case(
        "StochasticAssignment",
        lambda: StochasticAssignment(0.5, seed=1),
        (_codes(18),),
        {"latents": _floats(18, 2), "codebook": _floats(4, 2)},
        random=True,
    ),
    Case(
        "ResidualQuantizer",
        lambda: _stages(dropout=True, seed=3),
        (_LATENTS,),
        random=True,
    ),
    Case(
        "GroupedQuantizer-residual",
        lambda: GroupedQuantizer([_stages(), _stages()]),
        (_floats(3, 2, 3, 4),),
        random=True,
    ),
    Case(
        "MultiHeadQuantizer",
        lambda: MultiHeadQuantizer(_ema(), 2),
        (_floats(3, 2, 3, 4),),
        random=True,
    ),
    Case(
        "TransformedQuantizer-low-dimensional",
        lambda: low_dimensional(_ema(), 3),
        (_floats(3, 2, 3, 3),),
        random=True,
    ),
    Case(
        "TransformedQuantizer-batch-normalized",
        lambda: batch_normalized(_ema()),
        (_LATENTS,),
        random=True,
    ),
    Case("SimVQ", lambda: SimVQ(4, 2, seed=1), (_LATENTS,)),
    Case(
        "SimVQ-noisy",
        lambda: SimVQ(4, 2, assignment=NoisyAssignment(1.0, seed=2), seed=1),
        (_LATENTS,),
        random=True,
    ),
    Case(
        "IndexBackpropagationQuantizer",
        lambda: IndexBackpropagationQuantizer(
            4,
            2,
            entropy_weight=0.1,
            codebook_init=keras.initializers.RandomUniform(-1, 1, seed=1),
        ),
        (_LATENTS,),
    ),
    Case(
        "IndexBackpropagationQuantizer-data-start",
        lambda: IndexBackpropagationQuantizer(
            4, 2, assignment=NoisyAssignment(1.0, seed=2), seed=1
        ),
        (_LATENTS,),
        random=True,
    ),
    Case(
        "SoftVectorQuantizer",
        lambda: SoftVectorQuantizer(
            4, 2, codebook_init=keras.initializers.RandomUniform(-1, 1, seed=1)
        ),
        (_LATENTS,),
    ),
    Case(
        "SoftVectorQuantizer-soft-at-inference",
        lambda: SoftVectorQuantizer(
            4, 2, variance_init=0.5, hard_at_inference=False, seed=1
        ),
        (_LATENTS,),
        random=True,
    ),
    Case(
        "GumbelVectorQuantizer",
        lambda: GumbelVectorQuantizer(4, 2, annealing_steps=3, seed=1),
        (_LATENTS,),
        random=True,
    ),
    Case("EncoderCell", EncoderCell, (_LATENTS,)),
    Case("GenerativeCell", lambda: GenerativeCell(expansion=2), (_LATENTS,)),
    Case("SqueezeExcitation", lambda: SqueezeExcitation(2), (_LATENTS,)),
    Case(
        "GaussianBottleneck",
        lambda: GaussianBottleneck(beta=0.5, kl_target=1.0, seed=1),
        (_LATENTS,),
        random=True,
    ),
    Case(
        "LatentHierarchy",
        lambda: LatentHierarchy((3,), 2, beta=0.01, warmup_steps=4, seed=1),
        (_LATENTS,),
        random=True,
    ),
    Case("ProjectedLatents", lambda: ProjectedLatents(_fixed_start()), (_LATENTS,)),
    Case(
        "FrequencyLatents",
        lambda: FrequencyLatents(_fixed_start(), 2, projected=True),
        (_LATENTS,),
    ),
    Case(
        "FrequencyLatents-all",
        lambda: FrequencyLatents(_noisy(), 4),
        (_LATENTS,),
        random=True,
    ),
    Case(
        "GaussianCorruption",
        lambda: GaussianCorruption(0.3, seed=1),
        (_LATENTS,),
        random=True,
    ),
    Case(
        "MaskingCorruption",
        lambda: MaskingCorruption(0.5, seed=1),
        (_LATENTS,),
        random=True,
    ),
    Case("KSparse", lambda: KSparse(1, inference_factor=2.0), (_LATENTS,)),
    Case("RunningNormalization", lambda: RunningNormalization(), (_LATENTS,)),
    Case(
        "FiniteScalarQuantizer",
        lambda: FiniteScalarQuantizer((4, 3, 5)),
        (_floats(3, 2, 3, 3),),
    ),
    Case(
        "FiniteScalarQuantizer-noisy",
        lambda: FiniteScalarQuantizer((2, 6), assignment=NoisyAssignment(1.0, seed=2)),
        (_LATENTS,),
        random=True,
    ),
    Case(
        "LookupFreeQuantizer",
        lambda: LookupFreeQuantizer(3),
        (_floats(3, 2, 3, 3),),
    ),
    Case(
        "LookupFreeQuantizer-spherical",
        lambda: LookupFreeQuantizer(5, spherical=True, group_bits=2),
        (_floats(3, 2, 3, 5),),
    ),
    Case(
        "LatentQuantizer",
        lambda: LatentQuantizer((3, 2)),
        (_LATENTS,),
    ),
    Case(
        "LatentQuantizer-noisy",
        lambda: LatentQuantizer(
            (3, 5), optimize_values=False, assignment=NoisyAssignment(1.0, seed=2)
        ),
        (_LATENTS,),
        random=True,
    ),
    Case(
        "RandomProjectionQuantizer",
        lambda: RandomProjectionQuantizer(7, 3, 2, seed=1),
        (_floats(3, 2, 3, 3),),
    ),
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
    Case(
        "VAE",
        lambda: VAE(
            image_shape=(8, 8, 3), latent_dim=3, stride=4, beta=0.01, seed=1, **_TINY
        ),
        (_IMAGES,),
        random=True,
    ),
    Case(
        "VAE-bernoulli",
        lambda: VAE(
            image_shape=(8, 8, 3),
            latent_dim=3,
            kl_target=2.0,
            likelihood="bernoulli",
            beta=0.01,
            stride=2,
            seed=1,
            **_TINY,
        ),
        (_IMAGES,),
        random=True,
    ),
    Case(
        "HierarchicalVAE",
        lambda: HierarchicalVAE(
            image_shape=(8, 8, 3),
            groups_per_scale=(1, 2),
            num_channels=4,
            latent_dim=2,
            beta=0.01,
            warmup_steps=2,
            seed=1,
        ),
        (_IMAGES,),
        random=True,
    ),
    Case(
        "Autoencoder-denoising",
        lambda: Autoencoder(
            image_shape=(8, 8, 3),
            latent_dim=4,
            corruption=MaskingCorruption(0.5, seed=1),
            stride=4,
            **_TINY,
        ),
        (_IMAGES,),
        random=True,
    ),
    Case(
        "Autoencoder-sparse",
        lambda: Autoencoder(
            image_shape=(8, 8, 3), latent_dim=4, num_active=3, stride=4, **_TINY
        ),
        (_floats(8, 8, 8, 3),),
    ),
    Case(
        "SeparateVQVAEs",
        lambda: SeparateVQVAEs(
            [_noisy(0), _ema(1)], image_shape=(8, 8, 3), strides=(4, 2), **_TINY
        ),
        (_IMAGES,),
        random=True,
    ),
    Case(
        "HQA",
        lambda: HQA(
            [_ema(0), _noisy(1)], image_shape=(8, 8, 3), bottom_stride=2, **_TINY
        ),
        (_IMAGES,),
        random=True,
    ),
    Case(
        "HQA-scheduled",
        lambda: HQA([_ema()], image_shape=(8, 8, 3), tier_steps=100, **_TINY),
        (_IMAGES,),
        random=True,
    ),
)

PRIORS = (
    Case(
        "GatedPixelCNN",
        lambda: GatedPixelCNN(
            (2, 3),
            4,
            num_layers=2,
            num_channels=4,
            output_channels=6,
            first_kernel_size=3,
        ),
        (_codes(2, 2, 3),),
    ),
    Case(
        "PixelCNN",
        lambda: PixelCNN((2, 3), 4, num_channels=4, first_kernel_size=3),
        (_codes(2, 2, 3),),
    ),
    Case(
        "PixelRNN-row",
        lambda: PixelRNN((2, 3), 4, cell="row", num_layers=1, units=2),
        (_codes(2, 2, 3),),
    ),
    Case(
        "PixelRNN-diagonal",
        lambda: PixelRNN((2, 3), 4, num_layers=1, units=2),
        (_codes(2, 2, 3),),
    ),
    Case(
        "PixelSNAIL",
        lambda: PixelSNAIL(
            (2, 3),
            4,
            num_blocks=1,
            num_residual_blocks=1,
            num_channels=4,
            residual_channels=3,
            kernel_size=3,
            num_heads=2,
            seed=1,
        ),
        (_codes(2, 2, 3),),
        random=True,
    ),
    Case(
        "HybridTransformer",
        lambda: HybridTransformer(
            (2, 3),
            4,
            2,
            num_layers=1,
            num_channels=4,
            num_heads=2,
            num_mixtures=2,
            seed=1,
        ),
        (_floats(2, 2, 3, 3),),
        random=True,
    ),
    Case(
        "MaskGIT",
        lambda: MaskGIT((2, 3), 4, num_layers=1, num_channels=4, num_heads=2, seed=1),
        (_codes(2, 2, 3),),
        random=True,
    ),
    Case(
        "DCGAN",
        lambda: DCGAN((4, 4), 6, 2, channels=(8, 8), noise_dim=3),
        (_floats(4, 3),),
    ),
    Case(
        "DCGANCritic",
        lambda: DCGANCritic((4, 4), 6, 2, channels=(8, 8)),
        (_floats(4, 4, 4, 2),),
    ),
    Case(
        "ProgressiveGAN",
        lambda: ProgressiveGAN(
            (4, 4), 6, 2, channels=(8, 8), noise_dim=3, attention_size=4
        ),
        (_floats(4, 3),),
        unmoved=("attention_", "latents_0"),
    ),
    Case(
        "ProgressiveCritic",
        lambda: ProgressiveCritic((4, 4), 6, 2, channels=(8, 8), attention_size=4),
        (_floats(4, 4, 4, 2),),
        unmoved=("attention_", "latents_0"),
    ),
    Case(
        "Transformer",
        lambda: Transformer(
            (2, 3), 4, num_layers=1, num_channels=4, num_heads=2, seed=1
        ),
        (_codes(2, 2, 3),),
        random=True,
    ),
)

ALL = (*LAYERS, *METRICS, *MODELS, *PRIORS)


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
