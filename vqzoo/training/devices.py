"""Devices of a run: distribution strategy, precision, and a workaround for Keras."""

import contextlib
import json
import os
import pathlib
import platform
import re

import keras

from vqzoo.runs import state
from vqzoo.runs.files import RunError

BFLOAT16_CPU_FLAGS = ("amx_bf16", "avx512_bf16")


def make_strategy(name):
    """The distribution strategy that a recipe asks for.

    Args:
        name: `"auto"` (several workers where TF_CONFIG is set, mirrored where there are
            several GPUs), `"none"`, `"mirrored"` or `"multi_worker"`, of TensorFlow; or
            `"jax"`, all devices of all processes, which the variables
            KERAS_DISTRIBUTION_JOB_ADDRESSES, KERAS_DISTRIBUTION_NUM_PROCESSES and
            KERAS_DISTRIBUTION_PROCESS_ID of the environment name.

    Returns:
        A `tf.distribute.Strategy`, a `keras.distribution.DataParallel`, or None for a
        single device.

    Raises:
        RunError: if `name` is `"multi_worker"` and TF_CONFIG names no cluster, or
            `"jax"` on another backend.
    """
    backend = keras.backend.backend()
    if name == "jax":
        if backend != "jax":
            raise RunError(
                "--strategy=jax needs the environment variable KERAS_BACKEND=jax, the "
                f"backend is {backend}"
            )
        return _data_parallel()
    if name == "none" or backend != "tensorflow":
        return None
    import tensorflow as tf

    cluster = json.loads(os.environ.get("TF_CONFIG") or "{}").get("cluster")
    if name == "multi_worker" and not cluster:
        raise RunError(
            "--strategy=multi_worker needs the environment variable TF_CONFIG with a "
            "cluster and a task"
        )
    if cluster and name in ("auto", "multi_worker"):
        return tf.distribute.MultiWorkerMirroredStrategy()
    if name == "mirrored" or len(tf.config.list_physical_devices("GPU")) > 1:
        return tf.distribute.MirroredStrategy()
    return None


def _data_parallel():
    """Data parallelism over all devices of all processes."""
    import jax

    if any(name.startswith("KERAS_DISTRIBUTION_") for name in os.environ):
        if not jax.distributed.is_initialized():
            keras.distribution.initialize()
    # Each process makes its own part of the batches.
    return keras.distribution.DataParallel(auto_shard_dataset=False)


def scope(strategy):
    """The strategy's scope, or one that does nothing."""
    return strategy.scope() if strategy else contextlib.nullcontext()


def of_run(strategy):
    """The scope of a whole run: that of JAX's devices, in which `fit` is too."""
    return contextlib.nullcontext() if is_of_tensorflow(strategy) else scope(strategy)


@contextlib.contextmanager
def alone():
    """Work of one process of many: what it makes is no concern of the others."""
    if keras.backend.backend() != "jax":
        yield
        return
    together = keras.distribution.distribution()
    keras.distribution.set_distribution(None)
    try:
        yield
    finally:
        keras.distribution.set_distribution(together)


def part(model, strategy):
    """Ends the work of several JAX processes, each of which keeps the whole model.

    Args:
        model: `keras.Model` that was fitted under a strategy.
        strategy: strategy or None.
    """
    if strategy is None or is_of_tensorflow(strategy):
        return
    keras.distribution.set_distribution(None)
    for variable in state.variables(model):
        value = keras.ops.convert_to_numpy(variable)
        variable._layout = None  # Keras has no other way to say so.
        variable.assign(value)
    model.train_function = model.test_function = model.predict_function = None
    if is_multi_worker(strategy):
        import jax

        jax.distributed.shutdown()  # Else the others would wait for the report.


def is_of_tensorflow(strategy):
    """Whether a strategy is one of TensorFlow's."""
    return bool(strategy) and keras.backend.backend() == "tensorflow"


def num_replicas(strategy):
    """Devices that divide a batch."""
    if strategy is None:
        return 1
    of_tensorflow = is_of_tensorflow(strategy)
    return getattr(
        strategy, "num_replicas_in_sync" if of_tensorflow else "num_model_replicas"
    )


def num_workers(strategy):
    """Processes that train together."""
    if not is_of_tensorflow(strategy):
        return strategy.num_processes if strategy else 1
    if not getattr(strategy.extended, "_in_multi_worker_mode", bool)():
        return 1
    cluster = strategy.cluster_resolver.cluster_spec().as_dict()
    return sum(len(cluster.get(job, ())) for job in ("chief", "worker"))


def is_chief():
    """Whether this process writes files: the first worker, or the only one."""
    if keras.backend.backend() == "jax":
        return int(os.environ.get("KERAS_DISTRIBUTION_PROCESS_ID") or 0) == 0
    task = json.loads(os.environ.get("TF_CONFIG") or "{}").get("task", {})
    return task.get("type", "worker") in ("chief", "worker") and not task.get(
        "index", 0
    )


def is_multi_worker(strategy):
    """Whether several processes train together."""
    return num_workers(strategy) > 1


def distributed(strategy, batches, batch_size):
    """What `fit` takes: each worker loads its part of the batches alone.

    Args:
        strategy: strategy or None.
        batches: function from the number of a worker and of all to a dataset of its
            part of each batch.
        batch_size: int, of all workers together.
    """
    workers = num_workers(strategy)
    if workers == 1:
        return batches((0, 1))
    if not is_of_tensorflow(strategy):
        return batches((strategy.data_shard_id, workers))

    def of_worker(context):
        part = context.input_pipeline_id, context.num_input_pipelines
        return batches(part).rebatch(batch_size // context.num_replicas_in_sync)

    return strategy.distribute_datasets_from_function(of_worker)


def resolve_precision(name):
    """The dtype policy that a recipe's precision means on this machine."""
    if name != "auto":
        return name
    return "mixed_bfloat16" if _has_bfloat16() else "float32"


def describe():
    """What this process computes on, in words: GPUs, or the cores of a CPU."""
    gpus = [name for name in _devices() if "gpu" in name.lower()]
    if gpus:
        return f"{len(gpus)} GPU{'s' if len(gpus) > 1 else ''}"
    names = re.findall(r"model name\s*:\s*(.+)", _cpu_info())
    cores = _num_cores()
    what = "1 core" if cores == 1 else f"{cores} cores"
    return f"{what}, {names[0] if names else platform.machine()}"


def _devices():
    if keras.backend.backend() != "torch":
        return keras.distribution.list_devices()
    import torch  # Keras names none there.

    return ["gpu"] * torch.cuda.device_count()


def _num_cores():
    """Cores that this process may run on, where the system says so."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count()


def _has_bfloat16():
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        gpus = tf.config.list_physical_devices("GPU")
        if gpus:
            details = tf.config.experimental.get_device_details(gpus[0])
            return details.get("compute_capability", (0, 0)) >= (8, 0)
    words = set(_cpu_info().split())
    return any(flag in words for flag in BFLOAT16_CPU_FLAGS)


def _cpu_info():
    """What Linux says about the CPU, or nothing."""
    with contextlib.suppress(OSError):
        return pathlib.Path("/proc/cpuinfo").read_text()
    return ""


def build(model, batch, strategy):
    """Builds the optimizer, the loss and the metrics of a compiled model.

    It comes before `fit` because their variables must exist before a saved state can
    be put into them. Under `MultiWorkerMirroredStrategy` it also mends two faults of
    Keras 3 (keras issue 20585), which are kept here and nowhere else: `fit` reduces its
    first batch over the workers to build what is built here already, and fails; and it
    reduces the scalar logs of a step over an axis that scalars lack, which logs of
    shape (1,) have.

    Args:
        model: compiled `keras.Model`.
        batch: `(inputs, targets)`, numpy arrays or dicts of them, 1 or more of each.
        strategy: the strategy that the model was built under, or None.
    """
    with scope(strategy):
        model._symbolic_build(data_batch=batch)
        model.optimizer.build(model.trainable_variables)
    if is_of_tensorflow(strategy) and is_multi_worker(strategy):
        model._maybe_symbolic_build = lambda **kwargs: None
        model.train_step = _with_vector_logs(model.train_step)


def _with_vector_logs(step):
    def train_step(data):
        logs = step(data)
        return {name: keras.ops.reshape(value, (1,)) for name, value in logs.items()}

    return train_step


@contextlib.contextmanager
def lost_workers_are_errors(strategy):
    """Turns the errors of a collective operation into one clear RunError.

    Raises:
        RunError: when another worker is gone.
    """
    if is_of_tensorflow(strategy):
        from tensorflow import errors

        gone = (
            errors.UnavailableError,
            errors.AbortedError,
            errors.CancelledError,
            errors.DeadlineExceededError,
            errors.InternalError,
        )
    elif is_multi_worker(strategy):
        from jax.errors import JaxRuntimeError as gone
    else:
        yield
        return
    try:
        yield
    except gone as error:
        raise RunError(
            "another worker is gone, so this one cannot continue: start all workers "
            f"again with --resume ({str(error).splitlines()[0][:200]})"
        ) from error
