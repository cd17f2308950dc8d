"""Training step of a quantizer alone, beside vector-quantize-pytorch and Sonnet.

A step is the look-up of 16,384 vectors of 64 values, the straight-through output, the
commitment loss, the gradient with respect to the vectors and the EMA update of the
codebook, in float32 on all cores. Each contestant has its own process, and they take
turns.

    python -m benchmarks.quantizer_step

About 5 minutes on two cores; `--rounds=2` for a first look. Contestants:

- `vqzoo`: `VectorQuantizerEMA` with its defaults, so with restarts of dead codes, in a
  tf.function; `vqzoo_no_restarts`: with `restart_threshold=0`.
- `torch`: `vector_quantize_pytorch.VectorQuantize`, eager as its users run it, with the
  same decay and commitment weight, and straight-through instead of the slower rotation
  trick; `torch_default`: with the rotation trick, its default. Neither replaces dead
  codes, also by default.
- `sonnet`: `snt.nets.VectorQuantizerEMA` of dm-sonnet, in a tf.function.
"""

import functools
import os

import numpy as np

from benchmarks import measure

NUM_VECTORS, DIM = 16_384, 64
COMMITMENT_COST, DECAY = 0.25, 0.99
PEERS = ("torch", "torch_default", "sonnet")
OURS = ("vqzoo", "vqzoo_no_restarts")


def main(flags):
    """Measures each codebook size and writes quantizer_step.json."""
    machine = measure.machine()
    sizes = {str(k): _compare(k, flags.rounds) for k in flags.sizes}
    results = {"vectors": NUM_VECTORS, "dim": DIM, "sizes": sizes, "machine": machine}
    measure.write("quantizer_step", results)
    _print(sizes)


def _compare(num_codes, rounds):
    names = (*OURS, *PEERS)
    makers = {name: (make, name, num_codes) for name in names}
    taken = measure.take_turns_in_workers(makers, rounds)
    speedups = {
        ours: {peer: measure.ratio(taken[peer], taken[ours]) for peer in PEERS}
        for ours in OURS
    }
    spreads = {name: measure.spread(values) for name, values in taken.items()}
    return {"seconds": spreads, "times_faster": speedups}


def make(name, num_codes):
    """The timed step of a contestant: what `measure.Worker` runs in its process.

    Args:
        name: one of `OURS` or `PEERS`.
        num_codes: int, K.

    Returns:
        Function without arguments that returns the seconds of a step, after a warm-up
        step.
    """
    generator = np.random.default_rng(0)
    vectors = generator.normal(size=(NUM_VECTORS, DIM)).astype("float32")
    upstream = generator.normal(size=vectors.shape).astype("float32")
    library, _, option = name.partition("_")
    makers = {"vqzoo": _vqzoo, "torch": _torch, "sonnet": _sonnet}
    return measure.repeated(makers[library](num_codes, vectors, upstream, option))


def _vqzoo(num_codes, vectors, upstream, option):
    from vqzoo.layers import VectorQuantizerEMA

    restarts = {"restart_threshold": 0.0} if option else {}
    layer = VectorQuantizerEMA(
        num_codes, DIM, commitment_cost=COMMITMENT_COST, decay=DECAY, **restarts
    )
    layer.build(vectors.shape)

    def forward(inputs):
        quantized = layer(inputs, training=True)
        return quantized, sum(layer.losses)

    return _tensorflow_step(forward, vectors, upstream)


def _sonnet(num_codes, vectors, upstream, option):
    import sonnet

    module = sonnet.nets.VectorQuantizerEMA(DIM, num_codes, COMMITMENT_COST, DECAY)

    def forward(inputs):
        outputs = module(inputs, is_training=True)
        return outputs["quantize"], outputs["loss"]

    return _tensorflow_step(forward, vectors, upstream)


def _tensorflow_step(forward, vectors, upstream):
    import tensorflow as tf

    @tf.function
    def step(inputs, weights):
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            quantized, commitment = forward(inputs)
            loss = tf.reduce_sum(quantized * weights) + commitment
        return tape.gradient(loss, inputs)

    inputs, weights = tf.constant(vectors), tf.constant(upstream)
    return lambda: step(inputs, weights).numpy()


def _torch(num_codes, vectors, upstream, option):
    import torch
    from vector_quantize_pytorch import VectorQuantize

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    layer = VectorQuantize(
        dim=DIM,
        codebook_size=num_codes,
        decay=DECAY,
        commitment_weight=COMMITMENT_COST,
        rotation_trick=None if option == "default" else False,
    )
    layer.train()
    inputs = torch.from_numpy(vectors)[None].requires_grad_(True)
    return functools.partial(_torch_step, layer, inputs, torch.from_numpy(upstream))


def _torch_step(layer, inputs, weights):
    quantized, _, commitment = layer(inputs)
    inputs.grad = None
    ((quantized * weights).sum() + commitment.sum()).backward()


def _print(sizes):
    rows = [
        (
            size,
            name,
            f"{spread['median'] * 1e3:.1f}",
            *(
                f"{result['times_faster'][ours][name]['median']:.1f}x"
                if name in PEERS
                else ""
                for ours in OURS
            ),
        )
        for size, result in sizes.items()
        for name, spread in result["seconds"].items()
    ]
    measure.print_table(("codes", "quantizer", "ms", *OURS), rows)


if __name__ == "__main__":
    measure.run(main, rounds=(11, "rounds that count"), sizes=((512, 8192), "K"))
