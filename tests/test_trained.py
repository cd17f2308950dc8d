"""Each kind of path that loads, and each broken one with what is said of it."""

import hashlib
import io
import json
import os
import pathlib
import shutil
import time
import zipfile

import h5py
import keras
import numpy as np
import pytest

import vqzoo
from tests.helpers.pipelines import pipeline_of
from tests.helpers.small_models import (
    METRICS,
    SETTINGS,
    make_images,
    make_model,
    model_of,
    to_floats,
)
from vqzoo import verify
from vqzoo.models import Autoencoder
from vqzoo.priors import PixelCNN
from vqzoo.trained import TrainedError, model_file

EXPORT = pathlib.Path(__file__).parents[1] / "export"
ARTIFACTS = sorted(path.parent for path in EXPORT.glob("*/manifest.json"))
FINGERPRINT = "0123456789abcdef" * 4


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """The folder of a pipeline: a model, two priors, pipeline.json."""
    folder = tmp_path_factory.mktemp("saved")
    pipeline_of().save(folder)
    return folder


@pytest.fixture
def pipeline_dir(saved, tmp_path):
    """A copy of it, to break."""
    return pathlib.Path(shutil.copytree(saved, tmp_path / "pipeline"))


@pytest.fixture
def run_dir(saved, tmp_path):
    """A finished run of a model alone."""
    folder = tmp_path / "run"
    folder.mkdir()
    shutil.copy(saved / "model.keras", folder)
    write(folder / "metrics.json", METRICS)
    write(folder / "recipe.json", SETTINGS)
    return folder


@pytest.fixture
def artifact(pipeline_dir):
    """A folder with a manifest of its files."""
    files = {path.name: {"sha256": sum_of(path)} for path in pipeline_dir.iterdir()}
    training = {"recipe": "small", "dataset": "photos", "dtype_policy": "float32"}
    facts = {"files": files, "training": training, "metrics": METRICS}
    write(pipeline_dir / "manifest.json", facts)
    return pipeline_dir


def write(path, value):
    path.write_text(json.dumps(value))


def sum_of(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def describe(folder, **changes):
    """Changes pipeline.json; `...` takes a key away."""
    path = folder / "pipeline.json"
    changed = {**json.loads(path.read_text()), **changes}
    write(path, {key: value for key, value in changed.items() if value is not ...})


def test_a_run_gives_its_model_settings_and_metrics(run_dir):
    loaded = vqzoo.load(run_dir)
    assert (loaded.settings, loaded.metrics) == (SETTINGS, METRICS)
    assert loaded.pipeline is None
    assert (loaded.path, loaded.file) == (run_dir, run_dir / "model.keras")
    assert not loaded.model.compiled
    known = keras.saving.load_model(run_dir / "model.keras")
    images = to_floats(make_images(2, 16))[:, :, :16]
    np.testing.assert_array_equal(loaded.model(images), known(images))


def test_a_lone_keras_file_has_no_settings_and_no_metrics(run_dir):
    loaded = vqzoo.load(str(run_dir / "model.keras"))
    assert (loaded.settings, loaded.metrics, loaded.pipeline) == ({}, {}, None)
    assert loaded.model.count_params() == model_of(0).count_params()
    assert loaded.run.path == run_dir


def test_a_folder_with_a_model_alone_is_as_the_file(saved, tmp_path):
    shutil.copy(saved / "model.keras", tmp_path)
    loaded = vqzoo.load(tmp_path)
    assert (loaded.settings, loaded.metrics, loaded.pipeline) == ({}, {}, None)


def test_a_saved_pipeline_draws_what_it_drew(tmp_path):
    pipeline = pipeline_of()
    pipeline.save(tmp_path)
    loaded = vqzoo.load(tmp_path, needs_priors=True).pipeline
    assert loaded.class_names == ("cat", "dog")
    first, again = (drawing.sample(3, 0, seed=1) for drawing in (pipeline, loaded))
    assert all(map(np.array_equal, first.codes, again.codes))


def test_a_run_of_a_prior_has_settings_too(pipeline_dir):
    write(pipeline_dir / "metrics.json", METRICS)
    write(pipeline_dir / "recipe.json", SETTINGS)
    loaded = vqzoo.load(pipeline_dir)
    assert loaded.pipeline.tiers == ("top", "bottom")
    assert (loaded.settings, loaded.metrics) == (SETTINGS, METRICS)


def test_an_artifact_gives_what_its_manifest_keeps(artifact):
    loaded = vqzoo.load(artifact)
    assert loaded.pipeline.num_classes == 2
    recipe = {"name": "small", "dataset": "photos"}
    assert loaded.settings == {"recipe": recipe, "dtype_policy": "float32"}
    assert loaded.metrics == METRICS


def test_a_manifest_of_someone_else_beside_a_file_says_nothing(saved, tmp_path):
    shutil.copy(saved / "model.keras", tmp_path)
    for text in ('{"files": ["a.js"]}', "no JSON", "[]"):
        (tmp_path / "manifest.json").write_text(text)
        assert vqzoo.load(tmp_path / "model.keras").model is not None


@pytest.mark.parametrize("folder", ARTIFACTS, ids=lambda folder: folder.name)
def test_every_artifact_loads_with_the_codes_of_its_keras_file(folder):
    loaded = vqzoo.load(folder, needs_codes=True)
    known = keras.saving.load_model(folder / "model.keras")
    shape = (4, *known.image_shape)
    images = np.random.default_rng(0).uniform(-0.5, 0.5, shape).astype("float32")
    for codes, expected in zip(loaded.model.encode(images), known.encode(images)):
        np.testing.assert_array_equal(codes, expected)
    assert (loaded.pipeline is not None) == (folder / "pipeline.json").is_file()
    facts = json.loads((folder / "manifest.json").read_text())
    assert loaded.settings["recipe"]["name"] == facts["training"]["recipe"]
    assert loaded.metrics == facts["metrics"]


def test_code_in_a_strangers_file_is_refused_and_not_run(tmp_path):
    trace = tmp_path / "trace"
    name = str(trace)
    layer = keras.layers.Lambda(lambda x: (open(name, "w").close(), x)[1])
    keras.Sequential([keras.Input((4,)), layer]).save(tmp_path / "stranger.keras")
    assert trace.exists()
    trace.unlink()
    with pytest.raises(TrainedError, match="safe mode.*no code.*Lambda"):
        vqzoo.load(tmp_path / "stranger.keras")
    assert not trace.exists()


def test_a_model_of_others_is_refused(tmp_path):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    model.save(tmp_path / "dense.keras")
    text = "expected a model of vqzoo.models, received Sequential.*no encode, decode"
    with pytest.raises(TrainedError, match=text):
        vqzoo.load(tmp_path / "dense.keras")


def test_a_model_of_real_latents_is_refused_where_codes_are_needed(tmp_path):
    sizes = {"num_channels": 8, "residual_channels": 4, "num_residual_blocks": 1}
    model = Autoencoder(image_shape=(8, 8, 3), latent_dim=4, stride=4, **sizes)
    model.save(tmp_path / "real.keras")
    with pytest.raises(TrainedError, match="expected a model with codes.*Autoencoder"):
        vqzoo.load(tmp_path / "real.keras", needs_codes=True)
    loaded = vqzoo.load(tmp_path / "real.keras")
    assert loaded.model.count_params() == model.count_params()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("nowhere", "a .keras file, received .*nowhere, which is not there"),
        ("nowhere.keras", "received .*nowhere.keras, which is not there"),
        ("notes.txt", "or a .keras file, received .*notes.txt$"),
        ("", "expected a finished run, received .* without model.keras"),
        ("broken.keras", "broken.keras does not load in safe mode"),
    ],
)
def test_what_is_no_model_is_refused(name, text, tmp_path):
    (tmp_path / "notes.txt").write_text("nothing")
    (tmp_path / "broken.keras").write_bytes(b"PK no zip")
    with pytest.raises(TrainedError, match=text):
        vqzoo.load(tmp_path / name)


@pytest.mark.parametrize("name", ["model.keras", "metrics.json", "recipe.json"])
def test_a_run_that_is_not_finished_is_refused(name, run_dir):
    (run_dir / name).unlink()
    with pytest.raises(
        TrainedError, match=f"expected a finished run, received .* without {name}"
    ):
        vqzoo.load(run_dir)


def test_where_priors_are_needed_a_model_is_not_enough(run_dir):
    text = "finished run of a prior, received .*run without pipeline.json"
    with pytest.raises(TrainedError, match=text):
        vqzoo.load(run_dir, needs_priors=True)
    with pytest.raises(TrainedError, match="finished run of a prior, received"):
        vqzoo.load(run_dir / "model.keras", needs_priors=True)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"tiers": ["../x", "bottom"]}, r"expected tiers in .*received \['../x'"),
        ({"tiers": ["/etc/x", "bottom"]}, r"expected tiers in .*'/etc/x'"),
        ({"tiers": ["a/b", "bottom"]}, r"expected tiers in .*'a/b'"),
        ({"tiers": ["..", "bottom"]}, r"expected tiers in .*'\.\.'"),
        ({"tiers": ["", "bottom"]}, r"expected tiers in .*''"),
        ({"tiers": ["a\0b", "bottom"]}, "expected tiers in"),
        ({"tiers": ["top", "model"]}, r"expected tiers in .*'model'"),
        ({"tiers": ["top", "top"]}, r"expected tiers in .*'top', 'top'"),
        ({"tiers": None}, "expected tiers in .* received None"),
        ({"tiers": ...}, "expected tiers in .* received None"),
        ({"tiers": []}, r"expected tiers in .* received \[\]"),
        ({"tiers": "bottom"}, "expected tiers in .* received 'bottom'"),
        ({"tiers": [0, 1]}, r"expected tiers in .* received \[0, 1\]"),
        ({"tiers": {"top": 1}}, "expected tiers in .* received {'top'"),
        ({"tiers": ["bottom", "top"]}, r"to be \['top', 'bottom'\], those of VQVAE2"),
        ({"tiers": ["bottom"]}, r"to be \['top', 'bottom'\], those of VQVAE2"),
        ({"tiers": ["high", "bottom"]}, "received .*pipeline without high.keras"),
        ({"class_names": None}, "expected class_names in .* received None"),
        ({"class_names": "cat"}, "expected class_names in .* received 'cat'"),
        ({"class_names": [1, 2]}, r"expected class_names in .* received \[1, 2\]"),
        ({"class_names": ["cat"]}, "2 classes.*received 1 class_names"),
        ({"class_names": list("abc")}, "2 classes.*received 3 class_names"),
        ({"model": None}, "expected model in .* 64 hexadecimal.* received None"),
        ({"model": ...}, "expected model in .* 64 hexadecimal.* received None"),
        ({"model": 7}, "expected model in .* received 7"),
        ({"model": "f" * 63}, "expected model in .* received 'ffff"),
        ({"model": "F" * 64}, "expected model in .* received 'FFFF"),
        ({"model": FINGERPRINT}, "the model whose codes.*0123456789ab, received"),
    ],
)
def test_a_wrong_pipeline_json_is_refused_with_its_value(changes, text, pipeline_dir):
    describe(pipeline_dir, **changes)
    with pytest.raises(TrainedError, match=text):
        vqzoo.load(pipeline_dir)


@pytest.mark.parametrize("name", ["pipeline.json", "manifest.json", "recipe.json"])
@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"[1, 2]", r"expected an object in .*, received \[1, 2\]"),
        (b"7", "expected an object in .*, received 7"),
        (b"null", "expected an object in .*, received None"),
        (b"", "is no JSON"),
        (b"{", "is no JSON"),
        (b'{"a": "\xff"}', "is no JSON"),
        (b"[" * 100_000, "is no JSON"),
    ],
)
def test_json_that_holds_something_else_is_refused(name, data, text, pipeline_dir):
    for other in ("recipe.json", "metrics.json"):
        write(pipeline_dir / other, {})
    (pipeline_dir / name).write_bytes(data)
    with pytest.raises(TrainedError, match=text):
        vqzoo.load(pipeline_dir)


@pytest.mark.parametrize("name", ["files", "training", "metrics"])
def test_a_manifest_with_lists_in_it_is_refused(name, artifact):
    facts = json.loads((artifact / "manifest.json").read_text())
    write(artifact / "manifest.json", {**facts, name: [1]})
    text = rf"expected {name} in .*manifest.json to be an object, received \[1\]"
    with pytest.raises(TrainedError, match=text):
        vqzoo.load(artifact)


@pytest.mark.parametrize("name", ["model.keras", "top.keras", "bottom.keras"])
def test_bytes_that_differ_from_the_manifest_are_refused(name, artifact):
    data = bytearray((artifact / name).read_bytes())
    data[len(data) // 2] ^= 1
    (artifact / name).write_bytes(data)
    with pytest.raises(TrainedError, match=f"expected .*{name} as manifest.json"):
        vqzoo.load(artifact)
    if name == "model.keras":
        with pytest.raises(TrainedError, match=f"expected .*{name} as manifest.json"):
            vqzoo.load(artifact / name)


def test_a_sum_that_is_no_object_is_refused(artifact):
    facts = json.loads((artifact / "manifest.json").read_text())
    facts["files"]["top.keras"] = "f00d"
    write(artifact / "manifest.json", facts)
    with pytest.raises(TrainedError, match="expected .*top.keras as manifest.json"):
        vqzoo.load(artifact)


@pytest.mark.parametrize("name", ["model.keras", "bottom.keras"])
def test_a_file_that_is_missing_is_named(name, pipeline_dir):
    (pipeline_dir / name).unlink()
    with pytest.raises(TrainedError, match=f"received .*pipeline without {name}"):
        vqzoo.load(pipeline_dir)


def test_a_prior_is_no_model_and_a_model_no_prior(pipeline_dir):
    with pytest.raises(TrainedError, match="a model of vqzoo.models, received PixelC"):
        vqzoo.load(pipeline_dir / "top.keras")
    shutil.copy(pipeline_dir / "model.keras", pipeline_dir / "top.keras")
    with pytest.raises(TrainedError, match="a prior of vqzoo.priors, received VQVAE2"):
        vqzoo.load(pipeline_dir)
    shutil.copy(pipeline_dir / "bottom.keras", pipeline_dir / "model.keras")
    with pytest.raises(TrainedError, match="a model of vqzoo.models, received PixelC"):
        vqzoo.load(pipeline_dir)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_weight_that_is_not_finite_is_refused(value, pipeline_dir, tmp_path):
    model = make_model("one tier")
    model.projection.bias.assign(np.array([0, value, 0]))
    model.save(tmp_path / "nan.keras")
    with pytest.raises(TrainedError, match="finite weights.*projection/bias"):
        vqzoo.load(tmp_path / "nan.keras")
    prior = keras.saving.load_model(pipeline_dir / "bottom.keras")
    weight = prior.trainable_weights[-1]
    weight.assign(np.full(weight.shape, value))
    prior.save(pipeline_dir / "bottom.keras")
    with pytest.raises(TrainedError, match="finite weights.*bottom.keras"):
        vqzoo.load(pipeline_dir)


@pytest.mark.parametrize(
    ("sizes", "num_classes", "text"),
    [
        (((2, 2), 9), 0, "8 codes of the top tier, received num_embeddings=9"),
        (((2, 2), 8), 3, r"equally many classes, received num_classes=\[3, 2\]"),
        (((4, 4), 8), 0, r"bottom tier .* \(\(\(4, 4\), 8\),\), received context="),
    ],
)
def test_priors_that_do_not_fit_together_are_refused(
    sizes, num_classes, text, pipeline_dir
):
    options = {"num_blocks": 1, "num_channels": 8, "first_kernel_size": 3}
    PixelCNN(*sizes, num_classes=num_classes, **options).save(
        pipeline_dir / "top.keras"
    )
    with pytest.raises(TrainedError, match=f"the priors in .* do not fit: .*{text}"):
        vqzoo.load(pipeline_dir)


def test_priors_whose_files_are_exchanged_are_refused(pipeline_dir):
    top, bottom, aside = (pipeline_dir / f"{n}.keras" for n in ("top", "bottom", "x"))
    os.rename(top, aside)
    os.rename(bottom, top)
    os.rename(aside, bottom)
    with pytest.raises(TrainedError, match="the priors in .* do not fit"):
        vqzoo.load(pipeline_dir)


def changed_file(source, target, config=None, weights=None):
    """A `.keras` file with another configuration, or with other bytes of weights."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            data = old.read(name)
            if config and name == "config.json":
                data = json.dumps(config(json.loads(data))).encode()
            if weights and name == "model.weights.h5":
                buffer = io.BytesIO(data)
                with h5py.File(buffer, "r+") as file:
                    weights(file)
                data = buffer.getvalue()
            new.writestr(name, data)


def link_out(file):
    file["layers/x"] = h5py.ExternalLink("/etc/hosts", "/")


def link_soft(file):
    file["layers/x"] = h5py.SoftLink("/layers")


def link_round(file):
    file["layers/x"] = file["layers"]


def keep_outside(file):
    place = [("/etc/hosts", 0, 8)]
    file.create_dataset("layers/x", (2,), "float32", external=place)


def lie_elsewhere(file):
    layout = h5py.VirtualLayout((4,), "float32")
    layout[:] = h5py.VirtualSource("/etc/hosts", "x", (4,))
    file.create_virtual_dataset("layers/x", layout)


def claim_much(file):
    file.create_dataset("layers/x", (2**40,), "float32")


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (link_out, "layers/x is a link to elsewhere"),
        (link_soft, "layers/x is a link to elsewhere"),
        (link_round, "layers contains itself|layers/x contains itself"),
        (keep_outside, "layers/x lies in another file"),
        (lie_elsewhere, "layers/x lies in another file"),
        (claim_much, r"layers/x claims a shape of \(1099511627776,\)"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_weights_that_lie_elsewhere_or_nowhere_are_refused(
    change, text, saved, tmp_path
):
    changed_file(saved / "model.keras", tmp_path / "x.keras", weights=change)
    with pytest.raises(TrainedError, match=text):
        vqzoo.load(tmp_path / "x.keras")


def having(**changes):
    def change(config):
        config["config"].update(changes)
        return config

    return change


def many_codes(config):
    for layer in config["config"]["quantizers"]:
        layer["config"]["num_embeddings"] = 2**36
    return config


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (having(image_shape=[2**20, 2**20, 3]), "image_shape of .* beyond all images"),
        (having(num_channels=2**20), "asks for weights of .* cannot fill"),
        (having(num_residual_blocks=10**6), "num_residual_blocks=1000000 for a file"),
        (many_codes, "num_embeddings=68719476736 for a file of"),
    ],
    ids=["image", "channels", "blocks", "codes"],
)
def test_sizes_that_the_weights_cannot_fill_are_refused_before_they_are_built(
    change, text, saved, tmp_path
):
    changed_file(saved / "model.keras", tmp_path / "x.keras", config=change)
    began = time.monotonic()
    with pytest.raises(TrainedError, match=text):
        vqzoo.load(tmp_path / "x.keras")
    assert time.monotonic() - began < 30


def test_a_file_that_unpacks_to_far_more_than_it_is_is_refused(saved, tmp_path):
    path = tmp_path / "x.keras"
    shutil.copy(saved / "model.keras", path)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("assets/x", bytes(2**26))
    with pytest.raises(TrainedError, match="it unpacks to [0-9,]{10} bytes"):
        vqzoo.load(path)


def test_a_manifest_without_the_sum_of_a_file_says_so(artifact):
    facts = json.loads((artifact / "manifest.json").read_text())
    del facts["files"]["model.keras"]
    write(artifact / "manifest.json", facts)
    with pytest.warns(UserWarning, match="manifest.json beside .* has no sum of it"):
        assert vqzoo.load(artifact).pipeline is not None


def test_verify_lists_what_differs_from_the_manifest(artifact, capsys):
    command = ["vqzoo verify", str(artifact)]
    assert verify.main(command) == 0
    text = "4 files are as manifest.json says; VQVAE2 and its priors load"
    assert text in capsys.readouterr().out
    with open(artifact / "top.keras", "ab") as file:
        file.write(b"x")
    (artifact / "bottom.keras").unlink()
    (artifact / "notes.txt").write_text("x")
    facts = json.loads((artifact / "manifest.json").read_text())
    facts["files"]["../x"] = {}
    write(artifact / "manifest.json", facts)
    assert verify.main(command) == 1
    lines = capsys.readouterr().err
    for line in (
        "top.keras: has other bytes",
        "bottom.keras: is missing",
        "notes.txt: is not in it",
        "../x: leads out of the folder",
        "4 files of ",
    ):
        assert line in lines
    assert verify.main(["vqzoo verify", str(artifact / "nowhere")]) == 1
    assert "expected an artifact, received" in capsys.readouterr().err


def test_the_file_of_a_model_is_named_without_loading(run_dir):
    assert model_file(run_dir) == run_dir / "model.keras"
    assert model_file(str(run_dir / "model.keras")) == run_dir / "model.keras"


WITHOUT_KERAS = """
import importlib.util
import pathlib
import sys
import time
import types

# The package as such, so that nothing but this module and what it needs is imported.
package = types.ModuleType("vqzoo")
package.__path__ = [sys.argv[1]]
sys.modules["vqzoo"] = package
began = time.monotonic()
from vqzoo.trained import TrainedError, load

for path in sys.argv[2:]:
    try:
        load(path, needs_priors=True)
    except TrainedError as error:
        print(error)
assert time.monotonic() - began < 2
assert {"keras", "tensorflow"} & set(sys.modules) == set()
"""


def test_a_wrong_path_is_told_before_keras_is_imported(
    run_dir, artifact, run_python, tmp_path
):
    (artifact / "top.keras").write_bytes(b"altered")
    paths = [str(path) for path in (tmp_path / "nowhere", run_dir, artifact)]
    package = str(pathlib.Path(vqzoo.__file__).parent)
    finished = run_python("-c", WITHOUT_KERAS, package, *paths, backend="tensorflow")
    for line, text in zip(
        finished.stdout.splitlines(),
        ("which is not there", "without pipeline.json", "was damaged or replaced"),
        strict=True,
    ):
        assert text in line
