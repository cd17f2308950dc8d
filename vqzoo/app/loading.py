"""What a page explores: a model, and priors of it."""

import pathlib
import shlex

from vqzoo.export import source
from vqzoo.export.files import ExportError
from vqzoo.priors import pipeline
from vqzoo.runs.fingerprint import fingerprint


def load(model, prior):
    """A model and its pipeline, in safe mode: no code that the files bring runs.

    Args:
        model: str, a `.keras` file, the folder of an artifact or a run, or empty for
            the model of the prior.
        prior: str, the folder of a prior's run or of an exported pipeline, or empty.

    Returns:
        `(model, drawn, path)`: the model, `pipeline.Pipeline` or None, and the path of
        the model's file as a shell takes it.

    Raises:
        ValueError: if neither is named, or the priors are of another model.
        ExportError: if the model does not load or has no codes.
        FileNotFoundError: if a file of the priors is missing.
    """
    if not model and not prior:
        raise ValueError("expected --model=FILE.keras or --model=FOLDER, received none")
    path = pathlib.Path(model or prior)
    path = path / "model.keras" if path.is_dir() else path
    if not path.is_file():
        raise ExportError(
            f"expected a .keras file or a folder with model.keras, received {path}"
        )
    loaded, drawn = source.load(path), None
    if prior:
        drawn = pipeline.load(prior)
        if drawn.model_fingerprint != fingerprint(loaded):
            raise ValueError(
                f"expected priors of the model {path}, received --prior={prior}, whose "
                "priors learned the codes of another model"
            )
        loaded = drawn.model
    return loaded, drawn, shlex.quote(str(path))
