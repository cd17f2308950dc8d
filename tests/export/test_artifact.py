import hashlib
import json
import zipfile

import keras
import numpy as np
import pytest

from tests.helpers.pipelines import pipeline_of
from tests.helpers.small_models import (
    METRICS,
    SETTINGS,
    make_images,
    make_model,
    to_floats,
)
from vqzoo import datasets, trained
from vqzoo.export import ExportError, export, signatures, verification, warmup
from vqzoo.export.__main__ import main


def read_manifest(folder):
    return json.loads((folder / "manifest.json").read_text())


@pytest.fixture
def unverified(monkeypatch):
    """Spares the fresh process and the graphs where a test is about the folder."""

    def save(model, path, pipeline=None):
        (path / "variables").mkdir(parents=True)
        for name in ("saved_model.pb", "variables/variables.index"):
            (path / name).write_text(model.layer_dtype.name)
        images = {"dtype": "uint8", "shape": [None, *model.image_shape]}
        return {"encode": {"inputs": {"images": images}, "outputs": {}}}, 7

    monkeypatch.setattr(verification, "verify", lambda *arguments: {})
    monkeypatch.setattr(signatures, "save", save)


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
    assert {"model.keras", "models.config", "README.md", "docker-compose.yml"} < set(
        files
    )
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
    assert facts["variants"] == {}
    assert facts["metrics"] == METRICS
    assert facts["training"] == {
        "recipe": "small_recipe",
        "dataset": "photos",
        "terms": datasets.terms("photos"),
        "data_fingerprint": "f00d",
        "dtype_policy": "float32",
        "versions": {"keras": "3.15.1"},
    }
    assert facts["versions"]["keras"] == keras.__version__


def check_sizes(artifact, saved, bytes_of_weight):
    """Asserts the sizes that a manifest states, and that they are small."""
    folder = artifact / saved["folder"] / "1"
    paths = [path for path in folder.rglob("*") if path.is_file()]
    assert saved["bytes"] == sum(path.stat().st_size for path in paths)
    assert saved["graph_bytes"] == (folder / "saved_model.pb").stat().st_size
    assert saved["warmup_requests"] == 9
    data = folder / "variables" / "variables.data-00000-of-00001"
    # Codebooks always have 4 bytes a value; the rest is what the names take.
    codebooks = 2 * 16 * 4
    needed = bytes_of_weight * (saved["weights"] - codebooks) + 4 * codebooks
    assert 0 < data.stat().st_size - needed < 12_000


def test_the_manifest_states_the_size_of_the_saved_model(artifact):
    saved = read_manifest(artifact)["saved_model"]
    check_sizes(artifact, saved, 4)
    text = (artifact / "README.md").read_text()
    graph = f"a graph of {saved['graph_bytes'] / 1e6:.1f} MB"
    assert f"{saved['weights']:,} weights in 0.0 MB, {graph}" in text


def test_a_fresh_process_has_found_equal_codes_and_images(artifact):
    equal = {"codes": 6 * 320, "differing_codes": 0}
    found = read_manifest(artifact)["verification"]
    assert found.pop("images") == 6
    assert set(found) == {"model.keras", "saved_model"}
    for facts in found.values():
        assert facts.pop("largest_image_difference") <= 1
        assert facts == equal


@pytest.mark.slow
def test_a_variant_in_bfloat16_is_half_the_size_and_proved_too(run_dir, tmp_path):
    artifact, _ = export(run_dir, tmp_path / "small-model", bfloat16=True)
    facts = read_manifest(artifact)
    (saved,) = facts["variants"].values()
    assert (saved["served_name"], saved["folder"], saved["dtype"]) == (
        "small-model_bfloat16",
        "saved_model_bfloat16",
        "bfloat16",
    )
    check_sizes(artifact, saved, 2)
    found = facts["verification"]["saved_model_bfloat16"]
    assert found["codes"] == 6 * 320
    assert 0 < found["differing_codes"] < 6 * 320 / 2
    assert 0.9 < found["error_over_float32"] < 1.1


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


def test_an_artifact_that_has_bfloat16_keeps_getting_it(
    small_file, tmp_path, unverified
):
    target = tmp_path / "x"
    assert main(["vqzoo.export", str(small_file), str(target), "--bfloat16"]) == 0
    assert export(small_file, target) == (target, 2)
    for folder, dtype in (
        ("saved_model", "float32"),
        ("saved_model_bfloat16", "bfloat16"),
    ):
        assert sorted(p.name for p in (target / folder).iterdir()) == ["1", "2"]
        assert (target / folder / "2" / "saved_model.pb").read_text() == dtype
    assert read_manifest(target)["variants"]["bfloat16"]["version"] == 2
    assert 'name: "x_bfloat16"' in (target / "models.config").read_text()


def test_a_model_after_a_pipeline_leaves_no_priors_behind(
    small_file, tmp_path, unverified
):
    run, target = tmp_path / "run", tmp_path / "x"
    pipeline_of().save(run)
    (run / "metrics.json").write_text(json.dumps(METRICS))
    (run / "recipe.json").write_text(json.dumps(SETTINGS))
    export(run, target)
    assert trained.load(target).pipeline is not None
    assert export(small_file, target) == (target, 2)
    assert trained.load(target).pipeline is None
    paths = [path for path in target.rglob("*") if path.is_file()]
    found = {path.relative_to(target).as_posix() for path in paths}
    assert found == {*read_manifest(target)["files"], "manifest.json"}
    assert "saved_model/1/saved_model.pb" in found


def test_an_artifact_can_be_exported_over_itself(small_file, tmp_path, unverified):
    target = tmp_path / "x"
    export(small_file, target, terms="research")
    old = read_manifest(target)
    assert old["training"]["terms"] == "research"
    assert "\nIt may be used for research.\n" in (target / "README.md").read_text()
    export(target, target, overwrite=True, bfloat16=True)
    new = read_manifest(target)
    for key in ("model", "training", "metrics", "tiers"):
        assert new[key] == old[key]
    assert set(new["variants"]) == {"bfloat16"} and old["variants"] == {}


def test_an_export_without_the_serving_package_says_what_is_missing(
    small_file, tmp_path, unverified, monkeypatch, capsys
):
    monkeypatch.setattr(warmup, "is_possible", lambda: False)
    assert main(["vqzoo.export", str(small_file), str(tmp_path / "x")]) == 0
    assert "pip install 'vqzoo[serving]'" in capsys.readouterr().out
    saved_model = tmp_path / "x" / "saved_model" / "1"
    assert not (saved_model / warmup.FILE).exists()
    assert read_manifest(tmp_path / "x")["saved_model"]["warmup_requests"] == 0
    assert "first requests are slow" in (tmp_path / "x" / "README.md").read_text()


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
    assert "Usage: vqzoo.export RUN TARGET [--flag=value ...]" in error


def test_an_export_that_cannot_be_made_ends_with_its_reason(tmp_path, capsys):
    assert main(["vqzoo.export", str(tmp_path / "none"), str(tmp_path / "x")]) == 1
    assert (
        "Error: expected the folder of a run or of an artifact"
        in capsys.readouterr().err
    )


def test_help_names_the_flag_and_writes_nothing(capsys):
    assert main(["vqzoo.export", "--help"]) == 0
    assert "--[no]overwrite" in capsys.readouterr().out
