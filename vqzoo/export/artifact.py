"""From a training run to the folder of an artifact."""

import dataclasses
import json
import pathlib
import tempfile
import typing

from vqzoo import trained
from vqzoo.export import files, readme, serving
from vqzoo.export.files import ExportError
from vqzoo.registry import lazily
from vqzoo.runs.folder import MANIFEST, MODEL

# They import Keras, which takes seconds: a wrong path is an error before it.
keras = lazily("keras")
cloning = lazily("vqzoo.models.cloning")
pipelines = lazily("vqzoo.priors.pipeline")
manifest = lazily("vqzoo.export.manifest")
portable = lazily("vqzoo.export.portable")
signatures = lazily("vqzoo.export.signatures")
verification = lazily("vqzoo.export.verification")
warmup = lazily("vqzoo.export.warmup")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Saved:
    """A SavedModel that was written.

    Args:
        model: the model that it holds.
        path: `pathlib.Path` of the version's folder.
        signatures: dict of `signatures.save`.
        weights: int, how many it holds.
        warmup_requests: int.
    """

    model: typing.Any
    path: pathlib.Path
    signatures: dict
    weights: int
    warmup_requests: int


def export(run, target, *, overwrite=False, bfloat16=False, formats=(), terms=""):
    """Exports a trained model: Keras file, SavedModels, manifest, serving files.

    Everything is written aside and compared with the trained model by a fresh process;
    only then does it take its place. The SavedModel computes in float32 even where the
    model was trained in mixed precision, so that its codes do not depend on what
    bfloat16 hardware a server has; model.keras stays as it was trained.

    Args:
        run: path of a finished run's folder, of an artifact, or of a `.keras` file.
        target: path of the artifact's folder; its last part is the served name.
        overwrite: bool. Whether an artifact at `target` is replaced as a whole; if not
            it keeps its SavedModels and gets one more, under the next version number,
            while its model and priors make room for the new ones.
        bfloat16: bool. Whether there is a second SavedModel that computes in bfloat16,
            of half the size, served under another name; an artifact that has one keeps
            getting it.
        formats: of `"onnx"`, `"litert"`, `"openvino"`, beside the SavedModel.
        terms: str, what the artifact may be used for; empty: what the data set that it
            was trained on may be used for, where that is known.

    Returns:
        `(target, version)`: `pathlib.Path`, and the int of the new SavedModel.

    Raises:
        TrainedError: if `run` is no trained model, or one without codes.
        ExportError: if that cannot be done, for a reason that the user can fix; what
            stood at `target` stays as it was.
    """
    target = pathlib.Path(target).resolve()
    version = files.check_target(target, overwrite)
    source = trained.load(run, needs_codes=True)
    if keras.backend.backend() != "tensorflow":
        raise ExportError(
            "expected Keras to run on TensorFlow (KERAS_BACKEND=tensorflow), received "
            f"{keras.backend.backend()}"
        )
    import tensorflow as tf

    try:
        earlier = {} if overwrite else files.checksums_of_versions(target)
        kept = any(path.startswith(files.FOLDERS["bfloat16"]) for path in earlier)
        precisions = ("float32", "bfloat16") if bfloat16 or kept else ("float32",)
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(
            prefix=f".{target.name}.", dir=target.parent
        ) as aside:
            # The inner folder gets the usual permissions, which a server needs.
            folder = pathlib.Path(aside) / target.name
            folder.mkdir()
            _write(folder, source, version, precisions, earlier, formats, terms)
            files.place(folder, target, version, overwrite)
    except (OSError, tf.errors.OpError) as error:
        raise ExportError(f"cannot write {target}: {error}") from error
    return target, version


def _write(folder, source, version, precisions, earlier, formats, terms):
    """Writes all files of an artifact, and checks those that compute."""
    source.model.save(folder / MODEL)
    if source.pipeline is not None:
        source.pipeline.save(folder)
    saved = {name: _save(folder, source, version, name) for name in precisions}
    models = {precision: written.model for precision, written in saved.items()}
    for name in (name for name in formats if name in files.PORTABLE):
        portable.save(models["float32"], folder / name, name)
    checked = verification.verify(folder, version, source.model, models)
    facts = manifest.describe(source, folder.name, version, saved, checked, terms)
    serving.write(folder, precisions)
    (folder / "README.md").write_text(readme.text(folder.name, facts))
    facts["files"] = {**earlier, **files.checksums(folder)}
    text = json.dumps(facts, indent=2) + "\n"
    (folder / MANIFEST).write_text(text)


def _save(folder, source, version, precision):
    """Writes the SavedModel of a precision with its requests for warming up.

    Priors stay float32, so that a seed draws the same codes in every precision.
    """
    model = cloning.clone(source.model, precision)
    pipeline = None
    if source.pipeline is not None:
        priors = [cloning.clone(prior) for prior in source.pipeline.priors]
        pipeline = pipelines.Pipeline(model, priors, source.pipeline.class_names)
    path = folder / files.FOLDERS[precision] / str(version)
    described, weights = signatures.save(model, path, pipeline)
    name = files.served_name(folder.name, precision)
    return Saved(
        model=model,
        path=path,
        signatures=described,
        weights=weights,
        warmup_requests=warmup.write(path, name, described, model.item_shape),
    )
