"""Quantizers: from latents to codes and back, and the assignments that choose codes.

`__all__` names the layers; the protocol and the makers of `--quantizer` stand beside.
"""

from vqzoo.quantizers.assignments import NoisyAssignment, StochasticAssignment
from vqzoo.quantizers.balanced_assignment import BalancedAssignment
from vqzoo.quantizers.base import Quantizer as Quantizer
from vqzoo.quantizers.binary_mapper import BinaryMapper
from vqzoo.quantizers.diveq import DiVeQ
from vqzoo.quantizers.finite_scalar_perturbation import FiniteScalarPerturbation
from vqzoo.quantizers.finite_scalar_quantizer import FiniteScalarQuantizer
from vqzoo.quantizers.frequency_latents import FrequencyLatents
from vqzoo.quantizers.grouped_quantizer import GroupedQuantizer
from vqzoo.quantizers.gumbel_vector_quantizer import GumbelVectorQuantizer
from vqzoo.quantizers.implicit_neural_quantizer import ImplicitNeuralQuantizer
from vqzoo.quantizers.index_backpropagation_quantizer import (
    IndexBackpropagationQuantizer,
)
from vqzoo.quantizers.latent_quantizer import LatentQuantizer
from vqzoo.quantizers.lookup_free_quantizer import LookupFreeQuantizer
from vqzoo.quantizers.making import make as make
from vqzoo.quantizers.making import read_by as read_by
from vqzoo.quantizers.making import uses as uses
from vqzoo.quantizers.multi_head_quantizer import MultiHeadQuantizer
from vqzoo.quantizers.multi_scale_residual_quantizer import (
    MultiScaleResidualQuantizer,
)
from vqzoo.quantizers.nsvq import NSVQ
from vqzoo.quantizers.one_hot_quantizer import OneHotQuantizer
from vqzoo.quantizers.projected_latents import ProjectedLatents
from vqzoo.quantizers.random_projection_quantizer import RandomProjectionQuantizer
from vqzoo.quantizers.residual_quantizer import ResidualQuantizer
from vqzoo.quantizers.running_normalization import RunningNormalization
from vqzoo.quantizers.sim_vq import SimVQ
from vqzoo.quantizers.soft_vector_quantizer import SoftVectorQuantizer
from vqzoo.quantizers.transformed_quantizer import (
    TransformedQuantizer,
    batch_normalized,
    low_dimensional,
)
from vqzoo.quantizers.vector_quantizer import VectorQuantizer
from vqzoo.quantizers.vector_quantizer_ema import VectorQuantizerEMA

__all__ = [
    "BalancedAssignment",
    "BinaryMapper",
    "NSVQ",
    "OneHotQuantizer",
    "DiVeQ",
    "FiniteScalarPerturbation",
    "FiniteScalarQuantizer",
    "FrequencyLatents",
    "GroupedQuantizer",
    "GumbelVectorQuantizer",
    "ImplicitNeuralQuantizer",
    "IndexBackpropagationQuantizer",
    "LatentQuantizer",
    "LookupFreeQuantizer",
    "MultiHeadQuantizer",
    "MultiScaleResidualQuantizer",
    "NoisyAssignment",
    "ProjectedLatents",
    "RandomProjectionQuantizer",
    "ResidualQuantizer",
    "RunningNormalization",
    "SimVQ",
    "SoftVectorQuantizer",
    "StochasticAssignment",
    "TransformedQuantizer",
    "VectorQuantizer",
    "VectorQuantizerEMA",
    "batch_normalized",
    "low_dimensional",
]
