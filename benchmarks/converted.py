"""A converted VQGAN beside its original in PyTorch: encoding, decoding, loading.

    python -m benchmarks.converted [--batches=1,8] [--precisions=float32,bfloat16]

The network is that of taming-transformers with stride 16 and 1,024 codes, 72 million
weights, with images of 256 x 256. Ours is a tf.function, theirs eager with channels
last, as its users run it. In bfloat16 the whole network is, except for our codes and
codebook. Each has a process on the cores that this one may use (`taskset -c 0 python -m
...`), and they take turns. Loading reads a safetensors file with all weights, 289 MB,
in a process that has imported the libraries.
"""

import os
import pathlib
import tempfile
import time

import numpy as np

from benchmarks import measure

SIDE = 256
SIZES = {
    "ch": 128,
    "ch_mult": (1, 1, 2, 2, 4),
    "num_res_blocks": 2,
    "attn_resolutions": (16,),
    "in_channels": 3,
    "resolution": SIDE,
    "z_channels": 256,
    "double_z": False,
    "out_ch": 3,
}


def main(flags):
    """Runs the requested measurements and writes converted.json."""
    results = measure.read("converted")
    results["machine"] = measure.machine()
    if flags.load:
        results["load"] = _measure_load()
        measure.write("converted", results)
    runs = results.setdefault("runs", {})
    for batch in map(int, flags.batches):
        for precision in flags.precisions:
            for what in ("encode", "decode"):
                makers = {
                    who: (make, what, precision, batch)
                    for who, make in (("vqzoo", _ours), ("torch", _theirs))
                }
                taken = measure.take_turns_in_workers(makers, flags.rounds)
                runs[f"{what}, batch {batch}, {precision}"] = {
                    "seconds": {w: measure.spread(s) for w, s in taken.items()},
                    "times_faster": measure.ratio(taken["torch"], taken["vqzoo"]),
                }
                measure.write("converted", results)
                print(what, batch, precision, {w: min(s) for w, s in taken.items()})


def _inputs(what, batch):
    generator = np.random.default_rng(0)
    if what == "decode":
        return generator.integers(1024, size=(batch, SIDE // 16, SIDE // 16))
    return generator.uniform(-0.5, 0.5, (batch, SIDE, SIDE, 3)).astype("float32")


def _ours(what, precision, batch):
    """The timed call of our model."""
    import tensorflow as tf

    from vqzoo.models import cloning, vqgan_f16_1024

    model = cloning.clone(vqgan_f16_1024(), precision)
    inputs = _inputs(what, batch)
    if what == "decode":
        inputs = inputs.astype("int32")
        call = tf.function(lambda codes: model.decode((codes,)))
    else:
        call = tf.function(lambda images: model.encode(images)[0])
    inputs = tf.constant(inputs)
    return measure.repeated(lambda: call(inputs).numpy())


def _theirs(what, precision, batch):
    """The timed call of the original."""
    import torch
    from taming.modules.diffusionmodules.model import Decoder, Encoder
    from taming.modules.vqvae.quantize import VectorQuantizer2

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    book = VectorQuantizer2(1024, 256, 0.25)
    net = (Decoder if what == "decode" else Encoder)(**SIZES).eval()
    between = torch.nn.Conv2d(256, 256, 1)
    kind = getattr(torch, precision)
    for module in (net, between, book):
        module.to(memory_format=torch.channels_last, dtype=kind)
    inputs = torch.from_numpy(_inputs(what, batch))
    if what == "encode":
        inputs = inputs.permute(0, 3, 1, 2).to(kind)
        inputs = inputs.to(memory_format=torch.channels_last)

    @torch.inference_mode()
    def call():
        if what == "encode":
            return book(between(net(inputs)))[2][2]
        vectors = book.get_codebook_entry(inputs.flatten(), (*inputs.shape, 256))
        vectors = vectors.contiguous(memory_format=torch.channels_last)
        return net(between(vectors))

    return measure.repeated(call)


def _load(path):
    """The seconds and the memory of a conversion from a file."""
    from vqzoo import convert
    from vqzoo.models import vqgan_32

    vqgan_32()  # imports all libraries

    def load():
        before, began = measure.peak_bytes(), time.process_time()
        seconds = measure.seconds(lambda: convert.convert(path))
        return {
            "seconds": seconds,
            "processor_seconds": time.process_time() - began,
            "bytes": path.stat().st_size,
            "peak_more": measure.peak_bytes() - before,
        }

    return load


def _measure_load():
    from vqzoo import convert
    from vqzoo.models import vqgan_f16_1024

    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "model.safetensors"
        convert.save_as(vqgan_f16_1024(), path, "taming")
        worker = measure.Worker(_load, path)
        try:
            return worker()
        finally:
            worker.close()


if __name__ == "__main__":
    measure.run(
        main,
        batches=(("1", "8"), "images in a batch"),
        precisions=(("float32", "bfloat16"), "what both compute in"),
        rounds=(3, "rounds that count"),
        load=(True, "whether the load of a file is measured"),
    )
