"""From a training run to the folder of an artifact."""

import json
import pathlib
import tempfile

import keras

from vqzoo import pipeline
from vqzoo.export import files, manifest, serving, signatures, source, verification
from vqzoo.export.files import ExportError


def export(run, target, *, overwrite=False):
    """Exports a trained model: Keras file, SavedModel, manifest, serving files.

    Everything is written aside and compared with the trained model by a fresh process;
    only then does it take its place. The SavedModel computes in float32 even where the
    model was trained in mixed precision, so that its codes do not depend on what
    bfloat16 hardware a server has; model.keras stays as it was trained.

    Args:
        run: path of a finished run's folder, or of a `.keras` file.
        target: path of the artifact's folder; its last part is the served name.
        overwrite: bool. Whether an artifact at `target` is replaced as a whole; if not
            it keeps its SavedModels and gets one more, under the next version number.

    Returns:
        `(target, version)`: `pathlib.Path`, and the int of the new SavedModel.

    Raises:
        ExportError: if that cannot be done, for a reason that the user can mend; what
            stood at `target` stays as it was.
    """
    if keras.backend.backend() != "tensorflow":
        raise ExportError(
            "expected Keras to run on TensorFlow (KERAS_BACKEND=tensorflow), received "
            f"{keras.backend.backend()}"
        )
    import tensorflow as tf

    target = pathlib.Path(target).resolve()
    version = files.check_target(target, overwrite)
    trained = source.read(pathlib.Path(run))
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(
            prefix=f".{target.name}.", dir=target.parent
        ) as aside:
            # The inner folder gets the usual permissions, which a server needs.
            folder = pathlib.Path(aside) / target.name
            folder.mkdir()
            earlier = {} if overwrite else files.checksums_of_versions(target)
            _write(folder, trained, version, earlier)
            files.place(folder, target, version, overwrite)
    except (OSError, tf.errors.OpError) as error:
        raise ExportError(f"cannot write {target}: {error}") from error
    return target, version


def _write(folder, trained, version, earlier):
    """Writes all files of an artifact, and checks the two that compute."""
    served = source.float32_clone(trained.model)
    trained.model.save(folder / "model.keras")
    drawn = None
    if trained.drawn is not None:
        trained.drawn.save(folder)
        priors = [source.float32_clone(prior) for prior in trained.drawn.priors]
        drawn = pipeline.Pipeline(served, priors, trained.drawn.class_names)
    saved_model = folder / "saved_model" / str(version)
    described, weights = signatures.save(served, saved_model, drawn)
    checked = verification.verify(folder, version, trained.model, served)
    facts = manifest.describe(trained, served, version, described, weights, checked)
    (folder / "models.config").write_text(serving.config(folder.name))
    (folder / "README.md").write_text(serving.readme(folder.name, facts))
    facts["files"] = {**earlier, **files.checksums(folder)}
    text = json.dumps(facts, indent=2) + "\n"
    (folder / files.MANIFEST).write_text(text)
