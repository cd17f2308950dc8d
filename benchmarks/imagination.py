"""Imagined frames per second of a transformer over codes: cached or recomputed.

    python -m benchmarks.imagination [--rounds=3]

8 x 8 codes, K = 512, batch 16, contexts of 4 and of 8 frames. All frames of a context
but the last are known. The last one is drawn from the state, or by the network over the
whole context for each code; the benchmark checks that both draw the same codes. Weights
are random, as speed does not depend on them. A round takes 20 seconds of one core.
"""

import keras
import numpy as np

from benchmarks import measure
from vqzoo.priors import CodeLSTM, FrameTransformer

RESULTS = "imagination"
BATCH, CONTEXTS, TIERS = 16, (4, 8), (((8, 8), 512),)
TARGET = 20


def inputs(frames):
    """Codes and actions of so many frames."""
    generator = np.random.default_rng(0)
    codes = generator.integers(512, size=(BATCH, frames, 64)).astype("int32")
    return codes, generator.integers(6, size=(BATCH, frames)).astype("int32")


def dream(memory, cached):
    """The last frame, given those before it."""
    codes, actions = inputs(memory.num_frames)
    options = {"seed": 2, "cached": cached}
    return memory.dream(codes[:, :-1], actions, **options)["latents"][:, -1]


def from_state(memory):
    """A function that draws the last frame from the state before it."""
    codes, actions = inputs(memory.num_frames)
    state = memory.start(BATCH)
    for frame in range(memory.num_frames - 1):
        led = actions[:, frame - 1] if frame else None
        state = memory.observe(state, codes[:, frame], led)
    return lambda: memory.imagine(state, actions[:, -2], seed=2)


def main(flags):
    """Measures all, writes the results and prints them."""
    results = {"contexts": {}, "target": TARGET, "same_codes": True}
    known = {"num_actions": 6, "reward_values": (-1.0, 0.0, 1.0)}
    for frames in CONTEXTS:
        keras.utils.set_random_seed(0)
        sizes = {**known, "num_frames": frames}
        memory = FrameTransformer(TIERS, context=frames, **sizes)
        np.testing.assert_array_equal(dream(memory, True), dream(memory, False))
        ways = {
            "cached": from_state(memory),
            "whole": lambda memory=memory: dream(memory, False),
            "code_lstm": from_state(CodeLSTM(TIERS, **sizes)),
        }
        timed = {
            name: lambda way=way: measure.seconds(way) for name, way in ways.items()
        }
        taken = measure.take_turns(timed, flags.rounds)
        rates = {
            name: measure.spread([BATCH / each for each in seconds])
            for name, seconds in taken.items()
        }
        ratio = measure.ratio(taken["whole"], taken["cached"])
        results["contexts"][frames] = {"frames_a_second": rates, "ratio": ratio}
        results["machine"] = measure.machine()
        measure.write(RESULTS, results)
        for name, spread in rates.items():
            print(f"{frames}, {name}: {spread['median']:.2f} frames a second")
        print(f"{frames}: {ratio['median']:.1f}x, target {TARGET}x", flush=True)


if __name__ == "__main__":
    measure.run(main, rounds=(3, "rounds"))
