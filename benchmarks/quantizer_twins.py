"""Training step of each quantizer, beside its twin in vector-quantize-pytorch.

    python -m benchmarks.quantizer_twins [--quantizers=fsq,lfq]

A step quantizes 16,384 vectors, with losses, updates, and gradients with respect to the
vectors and the weights, in float32 on all cores, without an optimizer. K = 512, D = 64;
scalar quantizers have a dimension for each of their levels or bits. Ours runs in a
tf.function, the twin as its users run it, each in its own process; they take turns. The
random projection has no gradient: a step is only the look-up.

About 5 minutes on two cores; replaces earlier results.
"""

import functools
import os

import numpy as np

from benchmarks import measure
from vqzoo.studies import speed

NUM_VECTORS, NUM_CODES, DIM = 16_384, 512, 64
LEVELS, NUM_BITS = (8, 8, 8), 9


def _vector_quantize(**options):
    from vector_quantize_pytorch import VectorQuantize

    options = {"rotation_trick": False, "decay": 0.99, **options}
    return VectorQuantize(dim=DIM, codebook_size=NUM_CODES, **options)


def _named(name, **options):
    import vector_quantize_pytorch

    return getattr(vector_quantize_pytorch, name)(**options)


RESIDUAL = {"codebook_size": NUM_CODES, "dim": DIM, "rotation_trick": False}
# Each with the options that match ours of the same name.
TWINS = {
    "ema": _vector_quantize,
    "cosine": functools.partial(_vector_quantize, use_cosine_sim=True),
    "rotation": functools.partial(_vector_quantize, rotation_trick=True),
    "gradient": functools.partial(
        _vector_quantize, learnable_codebook=True, ema_update=False
    ),
    "stochastic": functools.partial(
        _vector_quantize, stochastic_sample_codes=True, sample_codebook_temp=1.0
    ),
    "low_dimensional": functools.partial(_vector_quantize, codebook_dim=8),
    "multi_head": functools.partial(_vector_quantize, heads=4, codebook_dim=16),
    "residual": functools.partial(_named, "ResidualVQ", num_quantizers=4, **RESIDUAL),
    "grouped_residual": functools.partial(
        _named, "GroupedResidualVQ", num_quantizers=2, groups=2, **RESIDUAL
    ),
    "sim_vq": functools.partial(
        _named, "SimVQ", dim=DIM, codebook_size=NUM_CODES, rotation_trick=False
    ),
    "fsq": functools.partial(_named, "FSQ", levels=list(LEVELS)),
    "residual_fsq": functools.partial(
        _named, "ResidualFSQ", levels=list(LEVELS), num_quantizers=2, dim=len(LEVELS)
    ),
    "lfq": functools.partial(_named, "LFQ", codebook_size=2**NUM_BITS, dim=NUM_BITS),
    "binary_spherical": functools.partial(
        _named, "LFQ", codebook_size=2**NUM_BITS, dim=NUM_BITS, spherical=True
    ),
    "latent": functools.partial(
        _named, "LatentQuantize", levels=list(LEVELS), dim=len(LEVELS)
    ),
    "random_projection": functools.partial(
        _named,
        "RandomProjectionQuantizer",
        dim=DIM,
        codebook_size=NUM_CODES,
        codebook_dim=16,
    ),
}


def main(flags):
    """Measures each pair and writes quantizer_twins.json."""
    results = measure.read("quantizer_twins")
    pairs = results.setdefault("pairs", {})
    for name in flags.quantizers:
        pairs[name] = _compare(name, flags.rounds)
        results |= {"vectors": NUM_VECTORS, "machine": measure.machine()}
        measure.write("quantizer_twins", results)
    header, *rows = speed.twins(measure.read)
    measure.print_table(header, rows)


def _compare(name, rounds):
    makers = {"vqzoo": (_ours, name), "torch": (_twin, name)}
    taken = measure.take_turns_in_workers(makers, rounds)
    return {
        "seconds": {who: measure.spread(values) for who, values in taken.items()},
        "times_faster": measure.ratio(taken["torch"], taken["vqzoo"]),
    }


def _arrays(dim):
    generator = np.random.default_rng(0)
    vectors = generator.normal(size=(1, NUM_VECTORS, dim)).astype("float32")
    return vectors, generator.normal(size=vectors.shape).astype("float32")


def _ours(name):
    """The timed step of our quantizer, as a recipe makes it."""
    import tensorflow as tf

    from vqzoo import quantizers
    from vqzoo.training import Recipe

    layer = quantizers.make(
        Recipe(quantizer=name, num_embeddings=NUM_CODES, embedding_dim=DIM), 0
    )
    vectors, upstream = map(tf.constant, _arrays(layer.embedding_dim))
    layer.build(vectors.shape)

    @tf.function
    def step(vectors, upstream):
        with tf.GradientTape() as tape:
            tape.watch(vectors)
            quantized = layer(vectors, training=True)
            loss = tf.reduce_sum(quantized * upstream) + sum(layer.losses)
        moved = [variable.value for variable in layer.trainable_variables]
        return tape.gradient(loss, [vectors, *moved])

    if name == "random_projection":
        look_up = tf.function(layer.encode)
        return measure.repeated(lambda: look_up(vectors).numpy())
    return measure.repeated(lambda: step(vectors, upstream)[0].numpy())


def _twin(name):
    """The timed step of the twin, eager."""
    import torch

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    layer = TWINS[name]().train()
    dims = {"lfq": NUM_BITS, "binary_spherical": NUM_BITS}
    dims |= dict.fromkeys(("fsq", "residual_fsq", "latent"), len(LEVELS))
    vectors, upstream = map(torch.from_numpy, _arrays(dims.get(name, DIM)))
    if name == "latent":  # It expects channels before positions.
        vectors, upstream = vectors.mT.contiguous(), upstream.mT.contiguous()
    if name == "random_projection":
        return measure.repeated(lambda: layer(vectors))
    vectors.requires_grad_(True)

    def step():
        quantized, _, *losses = layer(vectors)
        layer.zero_grad()
        vectors.grad = None
        loss = (quantized * upstream).sum() + sum(each.sum() for each in losses)
        loss.backward()

    return measure.repeated(step)


if __name__ == "__main__":
    twins = tuple(TWINS)
    measure.run(
        main, rounds=(9, "rounds that count"), quantizers=(twins, "measured", twins)
    )
