"""What a run writes while it goes: epochs, losses, codebooks, TensorBoard events."""

import math
import time

import keras
import numpy as np

LOSS_STEPS = 10  # between two rows of losses.csv
SNAPSHOTS = 6  # of the codebooks
LARGEST = 4096  # codes of a codebook that is kept


class Records(keras.callbacks.Callback):
    """Keeps the history, and the best and the last model that a run delivers.

    Args:
        run: `Run`; `best` and `history` of its header are saved with the state.
        delivered: model that is saved: the fitted one, or one that it moves.
    """

    def __init__(self, run, delivered):
        super().__init__()
        self.run = run
        self.delivered = delivered
        self.began = None

    def on_epoch_begin(self, epoch, logs=None):
        self.began = time.monotonic()

    def on_epoch_end(self, epoch, logs=None):
        header = self.run.header
        row = {"epoch": epoch + 1, "step": header["step"]}
        row["seconds"] = round(time.monotonic() - self.began, 2)
        row.update({name: float(value) for name, value in logs.items()})
        self.run.add_epoch(row)
        is_best = row["val_loss"] <= header["best"]
        if is_best:
            header["best"] = row["val_loss"]
        for name in ("best", "last") if is_best else ("last",):
            self.run.save_model(self.delivered, name)


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
            if _is_learned(layer) and layer.num_embeddings <= LARGEST:
                codebook = keras.ops.convert_to_numpy(layer.codebooks[0])
                self.kept.setdefault(tier, {})[step] = codebook.astype("float32")
        if self.kept:
            self.run.save_codebooks(self.kept)


def _is_learned(layer):
    """Whether the codes of a quantizer move in training."""
    return any("codebook" in variable.path.split("/")[-1] for variable in layer.weights)


class TensorBoard(keras.callbacks.Callback):
    """Writes scalars, and what a function shows of the model, as TensorBoard events.

    Args:
        run: `Run`.
        show: function from the model and `tf.summary` that writes pictures, or None.
    """

    def __init__(self, run, show):
        super().__init__()
        import tensorflow as tf

        self.summary = tf.summary
        self.show = show
        self.writer = tf.summary.create_file_writer(str(run.events_path))

    def on_epoch_end(self, epoch, logs=None):
        with self.writer.as_default(step=epoch + 1):
            for name, value in logs.items():
                self.summary.scalar(name, float(value))
            if self.show is not None:
                self.show(self.model, self.summary)
        self.writer.flush()
