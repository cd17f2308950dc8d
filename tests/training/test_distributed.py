import dataclasses
import json
import pathlib
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pytest

from tests.helpers.processes import finish, start
from vqzoo.runs import state

pytestmark = pytest.mark.distributed

MIRRORED = """
import json
import keras, numpy as np, tensorflow as tf
from vqzoo.layers import NoisyAssignment, VectorQuantizer, VectorQuantizerEMA
from vqzoo.models import vqvae2_32

tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0],
    [tf.config.LogicalDeviceConfiguration()] * 2,
)

def build(top):
    keras.utils.set_random_seed(1)
    noise = NoisyAssignment(1.0, seed=3)
    tiers = [
        VectorQuantizer(8, 8) if top == "gradient"
        else VectorQuantizerEMA(8, 8, assignment=noise, seed=5, restart_threshold=0.5),
        VectorQuantizerEMA(8, 8, seed=6),
    ]
    model = vqvae2_32(lambda tier: tiers[tier], num_channels=8, residual_channels=4)
    # With Keras' own epsilon the last bit of a gradient near 0 would be a whole step.
    model.compile(
        keras.optimizers.Adam(3e-4, epsilon=1e-5),
        "mse",
        metrics=[keras.metrics.MeanSquaredError(name="reconstruction")],
    )
    return model

images = np.random.default_rng(0).uniform(-0.5, 0.5, (40, 32, 32, 3)).astype("float32")
batches = tf.data.Dataset.from_tensor_slices((images, images)).batch(4)
found = {}
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
for top in ("ema", "gradient"):
    one = build(top)
    alone = one.fit(batches, shuffle=False, verbose=0).history
    with strategy.scope():
        two = build(top)
    mirrored = two.fit(batches, shuffle=False, verbose=0).history
    apart = between = 0.0
    for a, b in zip(one.variables, two.variables):
        copies = strategy.experimental_local_results(b.value)
        copies = [np.asarray(copy, "float64") for copy in copies]
        assert len(copies) == 2
        between = max(between, np.abs(copies[0] - copies[1]).max())
        apart = max(apart, np.abs(np.asarray(a.value, "float64") - copies[0]).max())
    losses = {k: abs(alone[k][0] - mirrored[k][0]) for k in alone}
    found[top] = {"apart": apart, "between": between, **losses}
print("FOUND", json.dumps(found))
"""


# Few vectors and codes: the last bit of a convolution depends on its batch, and of very
# many latents one lies so near the border of two codes that it would change sides.
def test_two_mirrored_devices_equal_one_device_on_the_joined_batch():
    process = subprocess.run(
        [sys.executable, "-c", MIRRORED], capture_output=True, text=True, timeout=300
    )
    assert process.returncode == 0, process.stderr
    line = next(x for x in process.stdout.splitlines() if x.startswith("FOUND"))
    for differences in json.loads(line.removeprefix("FOUND")).values():
        assert differences["between"] == 0
        assert max(differences.values()) < 1e-5


UNEVEN = """
import json, os, sys

# TensorFlow's fused convolutions (2.21, oneDNN) fail on a batch of no images.
os.environ["TF_ENABLE_ONEDNN_OPTS"] = "0"
import keras, numpy as np, tensorflow as tf
from vqzoo import layers, models

tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0],
    [tf.config.LogicalDeviceConfiguration()] * 2,
)
rng = np.random.default_rng(0)
images = rng.uniform(-0.5, 0.5, (5, 8, 8, 3)).astype("float32")
batches = tf.data.Dataset.from_tensor_slices((images, images)).batch(4)
small = {"num_channels": 8, "residual_channels": 4, "num_residual_blocks": 1}
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
found = {}
for name in sys.argv[1:]:
    with strategy.scope():
        keras.utils.set_random_seed(1)
        noise = layers.NoisyAssignment(1.0, seed=3)
        quantizer = {
            "ema": lambda: layers.VectorQuantizerEMA(8, 4, assignment=noise, seed=1),
            "sim_vq": lambda: layers.SimVQ(8, 4, seed=1),
            "soft": lambda: layers.SoftVectorQuantizer(8, 4, seed=1),
            "nsvq": lambda: layers.NSVQ(8, 4, seed=1),
            "ibq": lambda: layers.IndexBackpropagationQuantizer(8, 4, seed=1),
            "lfq": lambda: layers.LookupFreeQuantizer(4),
        }[name]()
        model = models.VQVAE(quantizer, image_shape=(8, 8, 3), stride=4, **small)
        model.compile(keras.optimizers.SGD(0.01), "mse", jit_compile=False)
    fitted = model.fit(batches, epochs=2, shuffle=False, verbose=0).history["loss"]
    evaluated = model.evaluate(batches, verbose=0)
    weights = [np.asarray(w.value) for w in model.weights]
    one = models.VQVAE.from_config(model.get_config())
    one.set_weights(weights)
    one.compile(loss="mse", jit_compile=False)
    found[name] = {
        "fitted": bool(np.isfinite(fitted).all()),
        "finite": bool(all(np.isfinite(w).all() for w in weights)),
        "apart": abs(evaluated - one.evaluate(batches, verbose=0)),
    }
print("FOUND", json.dumps(found))
"""


def test_a_replica_without_a_share_of_the_last_batch_counts_for_nothing():
    names = ["ema", "sim_vq", "soft", "nsvq", "ibq", "lfq"]
    process = subprocess.run(
        [sys.executable, "-c", UNEVEN, *names],
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert process.returncode == 0, process.stderr
    line = next(x for x in process.stdout.splitlines() if x.startswith("FOUND"))
    found = json.loads(line.removeprefix("FOUND"))
    assert list(found) == names
    for name, result in found.items():
        assert result["fitted"] and result["finite"], name
        assert result["apart"] < (1e-5 if name != "lfq" else 1e-3), name


@pytest.fixture
def two_workers(tiny):
    return dataclasses.replace(tiny, strategy="multi_worker", save_steps=1)


def start_both(recipe, kill_second_after=0):
    """Starts two workers on loopback; the second may kill itself after a step."""
    sockets = [socket.socket() for _ in range(2)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    workers = [f"127.0.0.1:{each.getsockname()[1]}" for each in sockets]
    for each in sockets:
        each.close()
    cluster = {"worker": workers}
    return [
        start(
            recipe,
            kill_second_after if index else 0,
            TF_CONFIG=json.dumps(
                {"cluster": cluster, "task": {"type": "worker", "index": index}}
            ),
            STATE_OF_WORKER=str(state_of_worker(recipe, index)),
        )
        for index in range(2)
    ]


def state_of_worker(recipe, index):
    return pathlib.Path(recipe.runs_dir).parent / f"worker_{index}.npz"


def assert_same_weights(recipe):
    (first, header), (second, other) = (
        state.load_arrays(state_of_worker(recipe, index)) for index in range(2)
    )
    assert header["step"] == other["step"] == 6
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)


def test_two_workers_end_with_identical_weights(two_workers):
    for code, output in map(finish, start_both(two_workers)):
        assert code == 0, output
    assert_same_weights(two_workers)
    (run_dir,) = pathlib.Path(two_workers.runs_dir, "tiny").iterdir()
    assert (run_dir / "metrics.json").exists()


def test_a_lost_worker_ends_the_other_and_both_can_go_on(two_workers):
    first, second = start_both(two_workers, kill_second_after=4)
    assert finish(second)[0] == -signal.SIGKILL
    lost = time.monotonic()
    code, output = finish(first, timeout=120)
    assert time.monotonic() - lost < 60
    assert code == 1, output
    assert "another worker is gone" in output
    assert "--resume" in output
    again = dataclasses.replace(two_workers, resume=True)
    for code, output in map(finish, start_both(again)):
        assert code == 0, output
    assert_same_weights(two_workers)
