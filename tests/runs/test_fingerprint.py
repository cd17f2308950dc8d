import json
import pathlib

import keras
import pytest

import vqzoo  # noqa: F401  (registers the classes)
from vqzoo.runs.fingerprint import fingerprint

ROOT = pathlib.Path(__file__).parents[2]
GOLDEN = {
    # As they were when the files were made.
    "vqvae2_noisy": "822cc4b6b93420f87c318a29e9312370254a1a9b7a363083f667a073dc50d0a6",
    "vqvae_ema": "60ff23503e3ae1c7f6559805cf6fe3f60482e37c9dd482fd23f47491ee3d9308",
    "vqvae_gradient": (
        "b376a21dd6cf5dbbf9222f85d3c99b4fdcb24d0b66d9aa9f848fd2e91bc1c15d"
    ),
}


@pytest.mark.parametrize("name", GOLDEN)
def test_the_fingerprint_of_a_golden_file_stays(name):
    model = keras.saving.load_model(ROOT / "tests" / "golden" / f"{name}.keras")
    assert fingerprint(model) == GOLDEN[name]


@pytest.mark.parametrize(
    "folder",
    sorted(path.parent for path in ROOT.glob("export/*/pipeline.json")),
    ids=lambda folder: folder.name,
)
def test_committed_priors_still_know_their_model(folder):
    kept = json.loads((folder / "pipeline.json").read_text())["model"]
    model = keras.saving.load_model(folder / "model.keras", compile=False)
    assert fingerprint(model) == kept
