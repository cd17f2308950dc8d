"""What happens beside the steps of a run: saves, signals, measurements."""

import math
import signal

import keras

from vqzoo.runs import files


class RunState(keras.callbacks.Callback):
    """Saves the state of the run, ends it on a signal, and stops at a NaN.

    Args:
        run: `Run`, whose header counts the steps.
        save_steps: int, steps between two saves; the end of an epoch saves too.
        steps_per_epoch: int.
    Raises: Stopped: after SIGTERM or SIGINT, once the state is saved.
        Diverged: when a loss or a weight is not finite; the last saved state stays.
    """

    def __init__(self, run, save_steps, steps_per_epoch):
        super().__init__()
        self.run = run
        self.save_steps = save_steps
        self.steps_per_epoch = steps_per_epoch
        in_epoch = run.header["step"] % steps_per_epoch
        self.metric_state = run.restored_metrics if in_epoch else None
        self.signal = None

    def catch_signals(self):
        """Takes SIGTERM and SIGINT; returns the handlers that stood before."""

        def handler(number, frame):
            self.signal = number

        return {n: signal.signal(n, handler) for n in (signal.SIGTERM, signal.SIGINT)}

    def on_epoch_begin(self, epoch, logs=None):
        # Keras has just set the running means to zero; in an epoch that a restored
        # run is in the middle of, they go on from where they stood.
        if self.metric_state is not None:
            for variable, value in zip(self.model.metrics_variables, self.metric_state):
                variable.assign(value)
            self.metric_state = None

    def on_train_batch_end(self, batch, logs=None):
        self.run.header["step"] += 1
        step = self.run.header["step"]
        if not all(math.isfinite(float(value)) for value in logs.values()):
            self._fail(f"the {_broken_term(logs)} loss is not finite at step {step}")
        in_epoch = step % self.steps_per_epoch
        if self.signal is not None:
            self.save()
            raise files.Stopped(self._farewell(), 128 + self.signal)
        if in_epoch and step % self.save_steps == 0:
            self.save()

    def save(self):
        """Saves the state; a worker that writes nothing takes part in reading it."""
        try:
            self.run.save_state(self.model)
        except FloatingPointError as error:
            self._fail(f"{error} at step {self.run.header['step']}")

    def _fail(self, what):
        raise files.Diverged(
            f"{what}. The last good state stays in {self.run.path}; a lower "
            "--learning_rate often helps"
        )

    def _farewell(self):
        name = signal.Signals(self.signal).name
        where = f"; its state is saved in {self.run.path}" if self.run.writes else ""
        return (
            f"{name}: the run stopped at step {self.run.header['step']}{where}. The "
            "same command with --resume goes on from there."
        )


def _broken_term(logs):
    """The term of the loss that is not finite; what is not rebuilt is committed."""
    if "reconstruction" not in logs:
        return "training"
    finite = math.isfinite(float(logs["reconstruction"]))
    return "commitment" if finite else "reconstruction"


class Divergence(keras.callbacks.Callback):
    """Stops a GAN whose critic's loss has gone out of all bounds.

    Args:
        limit: float, of the absolute value of any term.
    Raises: Diverged: with the term and its value.
    """

    def __init__(self, limit):
        super().__init__()
        self.limit = limit

    def on_train_batch_end(self, batch, logs=None):
        for name, value in logs.items():
            if abs(float(value)) > self.limit:
                raise files.Diverged(
                    f"the GAN diverges: {name} is {float(value):.3g}, beyond "
                    f"{self.limit:.3g}. The last good state stays; lower learning "
                    "rates often help"
                )
