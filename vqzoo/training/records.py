"""What a run writes while it goes: epochs, losses, codebooks, TensorBoard events."""

import contextlib
import math
import time

import keras
import numpy as np

from vqzoo.training import devices, energy

LOSS_STEPS = 10  # between two rows of losses.csv
SNAPSHOTS = 6  # of the codebooks
LARGEST = 4096  # codes of a codebook that is kept


class Epochs(keras.callbacks.Callback):
    """Measures and keeps the model after each epoch, then saves the state: the last.

    Where the optimizer keeps a moving average of the weights, that is measured and
    kept.

    Args:
        run_state: `callbacks.RunState`; `best` and `history` of the header of its run
            are saved with the state.
        measure: function from the model to a dict of floats, which the logs take up.
        delivered: model that is saved: the fitted one, or one that it moves.
        events: `Events`, or None.
        newest: bool. Whether the last epoch counts as the best.
    """

    def __init__(self, run_state, measure, delivered, events, newest=False):
        super().__init__()
        self.run_state = run_state
        self.measure = measure
        self.delivered = delivered
        self.events = events
        self.newest = newest
        self.began = None
        self.meter = energy.Meter()

    def on_epoch_begin(self, epoch, logs=None):
        self.began = time.monotonic()
        self.meter.joules()

    def on_epoch_end(self, epoch, logs=None):
        with _averaged(self.model):
            metrics = self.measure(self.model)
            logs.update({f"val_{name}": value for name, value in metrics.items()})
            if self.run_state.run.writes:
                with devices.alone():
                    self._record(epoch, logs)
        self.run_state.save()

    def _record(self, epoch, logs):
        run = self.run_state.run
        row = {"epoch": epoch + 1, "step": run.header["step"]}
        row["seconds"] = round(time.monotonic() - self.began, 2)
        joules, history = self.meter.joules(), run.header["history"]
        # A run that is gone on with elsewhere keeps the columns it began with.
        if "joules" in history[0] if history else joules is not None:
            row["joules"] = math.nan if joules is None else round(joules, 1)
        row.update({name: float(value) for name, value in logs.items()})
        run.add_epoch(row)
        is_best = self.newest or row["val_loss"] <= run.header["best"]
        if is_best:
            run.header["best"] = row["val_loss"]
        for name in ("best", "last") if is_best else ("last",):
            run.save_model(self.delivered, name)
        if self.events is not None:
            self.events.write(self.model, epoch, logs)


@contextlib.contextmanager
def _averaged(model):
    """The weights swapped with their moving average, where the optimizer keeps one.

    Keras's own `SwapEMAWeights` swaps back when the next epoch begins, which is after
    the state was saved.
    """

    def swap():
        averages = model.optimizer._model_variables_moving_average
        for variable, average in zip(model.trainable_variables, averages):
            value = keras.ops.convert_to_numpy(variable)
            variable.assign(keras.ops.convert_to_numpy(average))
            average.assign(value)

    if not model.optimizer.use_ema:
        yield
        return
    swap()
    yield
    swap()


class Losses(keras.callbacks.Callback):
    """Adds a row with the mean loss since the row before, every `LOSS_STEPS` steps.

    It stands before `RunState`, so that a row is written before the state that holds
    it. A restored run drops the rows of steps after its state: they come again.

    Args:
        run: `Run`; `losses` of its header are saved with the state.
        steps_per_epoch: int.
    """

    def __init__(self, run, steps_per_epoch):
        super().__init__()
        self.run = run
        self.steps_per_epoch = steps_per_epoch
        if run.losses():
            run.drop_losses(run.header["step"])

    def on_train_batch_end(self, batch, logs=None):
        step = self.run.header["step"] + 1  # RunState counts it next.
        in_epoch = (step - 1) % self.steps_per_epoch + 1
        # Keras gives the mean over the epoch so far; `total` is the sum of all losses.
        total = in_epoch * float(logs["loss"])
        # A state that was saved without sums begins with a row of its own.
        begun = {"before": 0.0, "step": step, "recorded": total}
        sums = self.run.header.setdefault("losses", begun)
        total += sums["before"]
        if not math.isfinite(total):
            return
        if step % LOSS_STEPS == 0 and step > sums["step"]:
            loss = (total - sums["recorded"]) / (step - sums["step"])
            self.run.add_loss(step, loss)
            sums.update(step=step, recorded=total)
        if in_epoch == self.steps_per_epoch:
            sums["before"] = total


class Snapshots(keras.callbacks.Callback):
    """Keeps the codebooks at steps that lie ever farther apart, first and last ones.

    Of a tier whose latents have several codes it is the first one's. Codebooks of more
    than `LARGEST` codes, and those that are no weights, are left out. It stands before
    `RunState`, so that a state never lacks the codebooks of its step.

    Args:
        run: `Run`.
        num_steps: int, of the whole run.
    """

    def __init__(self, run, num_steps):
        super().__init__()
        self.run = run
        steps = np.geomspace(1, num_steps, SNAPSHOTS).round().astype(int)
        self.steps = set(steps.tolist())
        last = run.header["step"]
        self.kept = {
            tier: {step: array for step, array in arrays.items() if step <= last}
            for tier, arrays in run.codebooks().items()
        }

    def on_train_batch_end(self, batch, logs=None):
        step = self.run.header["step"] + 1
        if step not in self.steps:
            return
        for tier, layer in zip(self.model.tier_names, self.model.quantizers):
            names = {variable.path.split("/")[-1] for variable in layer.weights}
            is_learned = any("codebook" in name for name in names)
            if is_learned and layer.num_embeddings <= LARGEST:
                codebook = keras.ops.convert_to_numpy(layer.codebooks[0])
                self.kept.setdefault(tier, {})[step] = codebook.astype("float32")
        if self.kept:
            self.run.save_codebooks(self.kept)


class Events:
    """TensorBoard's events: scalars, and what a function shows of the model.

    Args:
        run: `Run`.
        show: function from the model and `tf.summary` that writes pictures, or None.
    """

    def __init__(self, run, show):
        import tensorflow as tf

        self.summary = tf.summary
        self.show = show
        self.writer = tf.summary.create_file_writer(str(run.events_path))

    def write(self, model, epoch, logs):
        """Writes those of an epoch."""
        with self.writer.as_default(step=epoch + 1):
            for name, value in logs.items():
                self.summary.scalar(name, float(value))
            if self.show is not None:
                self.show(model, self.summary)
        self.writer.flush()
