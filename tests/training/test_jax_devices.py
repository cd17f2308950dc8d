import dataclasses
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys

import pytest

from tests.helpers import processes

pytestmark = pytest.mark.distributed

# Trains one model on some devices and prints how far from one device it ends.
TRAINING = """
import json, os, sys
import keras, numpy as np, tensorflow as tf
from vqzoo.datasets import Split
from vqzoo.layers import NoisyAssignment, VectorQuantizer, VectorQuantizerEMA
from vqzoo.models import vqvae2_32
from vqzoo.runs import state
from vqzoo.training import devices, fitting

images = np.random.default_rng(0).uniform(-0.5, 0.5, (48, 32, 32, 3)).astype("float32")
split = Split(size=48, load=lambda rows, seed: {"image": tf.gather(images, rows)})
path, counts = sys.argv[1], [int(number) for number in sys.argv[2:]]

def trained(strategy, top):
    keras.utils.set_random_seed(1)
    noise = NoisyAssignment(1.0, seed=3)
    tiers = [
        VectorQuantizer(8, 8) if top == "gradient"
        else VectorQuantizerEMA(8, 8, assignment=noise, seed=5, restart_threshold=0.9),
        VectorQuantizerEMA(8, 8, seed=6, restart_threshold=0.9),
    ]
    model = vqvae2_32(lambda tier: tiers[tier], num_channels=8, residual_channels=4)
    # With Keras' own epsilon the last bit of a gradient near 0 would be a whole step.
    model.compile(keras.optimizers.Adam(3e-4, epsilon=1e-5), "mse")
    batches = devices.distributed(
        strategy,
        lambda part: fitting.endless(split, 8, 0, 0, part).map(
            lambda batch: (batch["image"], batch["image"])
        ),
        8,
    )
    model.fit(batches, steps_per_epoch=6, epochs=2, shuffle=False, verbose=0)
    return [
        np.asarray(keras.ops.convert_to_numpy(v), "float64")
        for v in state.variables(model)
    ]

def on(strategy, top):
    with devices.scope(strategy):
        return trained(strategy, top)

found = {}
for top in ("ema", "gradient"):
    file = f"{path}_{top}.npz"
    if not os.path.exists(file):
        np.savez(file, *on(None, top))
    with np.load(file) as opened:
        alone = [opened[name] for name in opened.files]
    strategies = {
        str(count): keras.distribution.DataParallel(
            devices=keras.distribution.list_devices()[:count], auto_shard_dataset=False
        )
        # Restarts and noise have to agree on any number of devices.
        for count in (counts if top == "ema" else counts[:1])
    } or {"all": devices.make_strategy("jax")}
    for name, strategy in strategies.items():
        several = on(strategy, top)
        assert len(several) == len(alone)
        apart = max(np.abs(a - b).max() for a, b in zip(alone, several))
        found[f"{top} {name}"] = [apart, devices.num_replicas(strategy)]
print("FOUND", json.dumps(found))
"""


def of_jax(virtual):
    """The environment of a process with some virtual devices of its CPU."""
    flags = f"--xla_force_host_platform_device_count={virtual}"
    return {"KERAS_BACKEND": "jax", "XLA_FLAGS": flags}


def start(*arguments, virtual, **environment):
    return subprocess.Popen(
        [sys.executable, "-c", TRAINING, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, **of_jax(virtual), **environment},
    )


def found(process):
    output, _ = process.communicate(timeout=500)
    assert process.returncode == 0, output
    line = next(x for x in output.splitlines() if x.startswith("FOUND"))
    return json.loads(line.removeprefix("FOUND"))


def environments():
    """What two processes on loopback are told."""
    sockets = [socket.socket() for _ in range(2)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    names = [f"127.0.0.1:{each.getsockname()[1]}" for each in sockets]
    for each in sockets:
        each.close()
    return [
        {
            "KERAS_DISTRIBUTION_JOB_ADDRESSES": ",".join(names),
            "KERAS_DISTRIBUTION_NUM_PROCESSES": "2",
            "KERAS_DISTRIBUTION_PROCESS_ID": str(number),
        }
        for number in range(2)
    ]


# Weights, moments, codebooks and their statistics, restarts and seeds of the noise.
def test_devices_and_processes_of_jax_equal_one_device_on_the_joined_batch(tmp_path):
    path = tmp_path / "alone"
    one_process = found(start(path, 2, 4, 8, virtual=8))
    assert {count for _, count in one_process.values()} == {2, 4, 8}
    two = [start(path, virtual=2, **each) for each in environments()]
    for each in map(found, two):
        assert {count for _, count in each.values()} == {4}
        assert max(apart for apart, _ in each.values()) < 1e-5, each
    assert max(apart for apart, _ in one_process.values()) < 1e-5, one_process


def test_two_processes_of_jax_go_on_where_one_was_killed(tiny):
    recipe = dataclasses.replace(tiny, strategy="jax")

    def both(recipe, kill_second_after):
        return [
            processes.start(recipe, kill, **of_jax(1), **environment)
            for kill, environment in zip((0, kill_second_after), environments())
        ]

    first, second = both(recipe, 4)
    assert processes.finish(second)[0] == -signal.SIGKILL
    code, output = processes.finish(first)
    assert code not in (0, None), output
    for code, output in map(
        processes.finish, both(dataclasses.replace(recipe, resume=True), 0)
    ):
        assert code == 0, output
    (run_dir,) = pathlib.Path(recipe.runs_dir, "tiny").iterdir()
    assert (run_dir / "metrics.json").exists()
