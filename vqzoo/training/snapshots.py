"""codebooks.npz: the codebooks of a run at a few steps, to see them take order."""

import keras
import numpy as np

from vqzoo.quantizers import quantization
from vqzoo.runs import files

SNAPSHOTS = "codebooks.npz"
COUNT = 6
LARGEST = 4096  # codes


class Snapshots(keras.callbacks.Callback):
    """Keeps the codebooks at steps that lie ever farther apart, first and last ones.

    Of a tier whose latents have several codes it is the first one's. Codebooks of more
    than `LARGEST` codes, and those that are no weights, are left out. It stands before
    `RunState`, so that a state never lacks the codebooks of its step.

    Args:
        run_dir: `pathlib.Path` of the run.
        num_steps: int, of the whole run.
        header: dict of the saved state, whose `step` is counted after this callback.
    """

    def __init__(self, run_dir, num_steps, header):
        super().__init__()
        self.path = run_dir / SNAPSHOTS
        self.steps = set(np.geomspace(1, num_steps, COUNT).round().astype(int).tolist())
        self.header = header
        self.kept = {}
        if self.path.exists():
            with np.load(self.path) as saved:
                self.kept = {
                    k: v for k, v in saved.items() if _step(k) <= header["step"]
                }

    def on_train_batch_end(self, batch, logs=None):
        step = self.header["step"] + 1
        if step not in self.steps:
            return
        for tier, layer in zip(self.model.tier_names, self.model.quantizers):
            if _is_learned(layer) and layer.num_embeddings <= LARGEST:
                book = keras.ops.convert_to_numpy(quantization.codebooks(layer)[0])
                self.kept[f"{tier}/{step}"] = book.astype("float32")
        if self.kept:
            with files.replacing(self.path) as aside, open(aside, "wb") as file:
                np.savez_compressed(file, **self.kept)


def _is_learned(layer):
    """Whether the codes of a quantizer move in training."""
    return any("codebook" in variable.path.split("/")[-1] for variable in layer.weights)


def _step(key):
    return int(key.rpartition("/")[2])


def read(run_dir):
    """The codebooks of a run over training.

    Args:
        run_dir: `pathlib.Path` of the run.

    Returns:
        dict from tier name to a dict from a step to float `(K, D)`, steps ascending;
        empty where none were kept.
    """
    path = run_dir / SNAPSHOTS
    found = {}
    if path.exists():
        with np.load(path) as saved:
            for key in sorted(saved, key=_step):
                found.setdefault(key.rpartition("/")[0], {})[_step(key)] = saved[key]
    return found
