import hashlib
import json
import re
import subprocess
import zipfile

import keras
import numpy as np
import pytest
import tensorflow as tf
from small_models import METRICS, make_images, make_model, to_floats

from vqzoo.export import ExportError, export, verification
from vqzoo.export.__main__ import main


def read_manifest(folder):
    return json.loads((folder / "manifest.json").read_text())


@pytest.fixture
def unverified(monkeypatch):
    """Spares the fresh process where a test is about something else."""
    monkeypatch.setattr(verification, "verify", lambda *arguments: {})


@pytest.fixture(scope="module")
def small_file(tmp_path_factory):
    """A lone Keras file of the smallest model."""
    path = tmp_path_factory.mktemp("small") / "small.keras"
    make_model("one tier").save(path)
    return path


def test_the_manifest_has_the_sum_and_size_of_every_other_file(artifact):
    paths = [path for path in artifact.rglob("*") if path.is_file()]
    names = {path.relative_to(artifact).as_posix(): path for path in paths}
    names.pop("manifest.json")
    files = read_manifest(artifact)["files"]
    assert set(files) == set(names)
    assert {"model.keras", "models.config", "README.md"} < set(files)
    for name, path in names.items():
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        assert files[name] == {"sha256": sha256, "bytes": path.stat().st_size}


def test_the_manifest_says_what_the_model_is_and_where_it_comes_from(artifact):
    facts = read_manifest(artifact)
    assert facts["model"] == {
        "class": "VQVAE2",
        "name": "vqvae2_32",
        "weights": 6381,
        "trainable_weights": 6091,
    }
    assert facts["images"]["shape"] == [32, 32, 3]
    sizes = {"num_embeddings": 16, "embedding_dim": 4}
    assert facts["tiers"] == [
        {"name": "top", "grid": [8, 8], **sizes},
        {"name": "bottom", "grid": [16, 16], **sizes},
    ]
    assert facts["saved_model"]["weights"] == 6091 + 2 * 16 * 4
    assert facts["metrics"] == METRICS
    assert facts["training"] == {
        "recipe": "small_recipe",
        "dataset": "photos",
        "data_fingerprint": "f00d",
        "dtype_policy": "float32",
        "versions": {"keras": "3.15.1"},
    }
    assert facts["versions"]["keras"] == keras.__version__


def test_a_fresh_process_has_found_equal_codes_and_images(artifact):
    equal = {"codes": 6 * 320, "differing_codes": 0}
    found = read_manifest(artifact)["verification"]
    assert found.pop("images") == 6
    assert set(found) == {"model.keras", "saved_model"}
    for facts in found.values():
        assert facts.pop("largest_image_difference") <= 1
        assert facts == equal


def test_the_keras_file_holds_the_model_and_no_optimizer(artifact, run_dir):
    size = (artifact / "model.keras").stat().st_size
    assert size < 0.7 * (run_dir / "model.keras").stat().st_size
    with zipfile.ZipFile(artifact / "model.keras") as file:
        assert b"Adam" not in file.read("config.json")
    known = keras.saving.load_model(run_dir / "model.keras")
    found = keras.saving.load_model(artifact / "model.keras")
    assert not found.compiled
    images = to_floats(make_images(2))
    for codes, expected in zip(found.encode(images), known.encode(images)):
        np.testing.assert_array_equal(codes, expected)


def test_the_server_is_told_a_folder_of_versions_and_nothing_else(artifact):
    config = (artifact / "models.config").read_text()
    assert 'name: "small-model"' in config
    assert 'base_path: "/models/small-model/saved_model"' in config
    assert [path.name for path in (artifact / "saved_model").iterdir()] == ["1"]
    assert (artifact / "saved_model" / "1" / "saved_model.pb").is_file()
    readme = (artifact / "README.md").read_text()
    assert '-v "$PWD:/models/small-model:ro"' in readme
    assert "--model_config_file=/models/small-model/models.config" in readme
    assert "| psnr | 21.5 |" in readme


def test_the_requests_of_the_readme_are_answered(artifact):
    readme = (artifact / "README.md").read_text()
    commands = re.findall(r"^(python3 -c '.*?') \|$", readme, re.DOTALL | re.MULTILINE)
    texts = [subprocess.check_output(["bash", "-c", text]) for text in commands]
    encode, decode = (json.loads(text) for text in texts)
    loaded = tf.saved_model.load(artifact / "saved_model" / "1").signatures
    assert encode["signature_name"] == "encode"
    black = tf.constant(encode["instances"], tf.uint8)
    codes = loaded["encode"](images=black)
    assert {n: c.shape for n, c in codes.items()} == {
        "top_codes": (1, 8, 8),
        "bottom_codes": (1, 16, 16),
    }
    assert decode["signature_name"] == "decode"
    (instance,) = decode["instances"]
    instance = {name: tf.constant([value]) for name, value in instance.items()}
    assert loaded["decode"](**instance)["images"].shape == (1, 32, 32, 3)


def test_the_next_export_adds_a_version_and_overwriting_begins_anew(
    small_file, tmp_path, unverified
):
    target = tmp_path / "export" / "x"
    command = ["vqzoo.export", str(small_file), str(target)]
    assert main(command) == 0
    first = read_manifest(target)["files"]
    assert export(small_file, target) == (target, 2)
    facts = read_manifest(target)
    assert facts["saved_model"]["version"] == 2
    for name in ("saved_model.pb", "variables/variables.index"):
        assert facts["files"][f"saved_model/1/{name}"] == first[f"saved_model/1/{name}"]
        assert f"saved_model/2/{name}" in facts["files"]
    assert main([*command, "--overwrite"]) == 0
    assert [path.name for path in (target / "saved_model").iterdir()] == ["1"]
    assert [path.name for path in (tmp_path / "export").iterdir()] == ["x"]


def test_an_artifact_that_fails_its_check_is_not_left_behind(
    small_file, tmp_path, monkeypatch
):
    def fail(*arguments):
        raise ExportError("saved_model gives 9 of 10 codes another value")

    monkeypatch.setattr(verification, "verify", fail)
    with pytest.raises(ExportError, match="9 of 10 codes"):
        export(small_file, tmp_path / "x")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_an_error(small_file, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ExportError, match="cannot write .*file/x"):
        export(small_file, tmp_path / "file" / "x")


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ([], "expected RUN and TARGET, received []"),
        (["run"], "expected RUN and TARGET, received ['run']"),
        (["run", "x", "y"], "expected RUN and TARGET, received ['run', 'x', 'y']"),
        (["run", "x", "--force"], "Unknown command line flag 'force'"),
    ],
)
def test_a_wrong_command_is_answered_with_the_usage(arguments, text, capsys):
    assert main(["vqzoo.export", *arguments]) == 2
    error = capsys.readouterr().err
    assert text in error
    assert "Usage: python -m vqzoo.export RUN TARGET [--overwrite]" in error


def test_an_export_that_cannot_be_made_ends_with_its_reason(tmp_path, capsys):
    assert main(["vqzoo.export", str(tmp_path / "none"), str(tmp_path / "x")]) == 1
    assert "Error: expected a run's folder or a .keras file" in capsys.readouterr().err


def test_help_names_the_flag_and_writes_nothing(capsys):
    assert main(["vqzoo.export", "--help"]) == 0
    assert "--[no]overwrite" in capsys.readouterr().out
