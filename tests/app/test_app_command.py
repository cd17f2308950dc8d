import importlib.util

import numpy as np
import pytest

from tests.helpers.pipelines import pipeline_of
from tests.helpers.small_models import model_of
from vqzoo.app import __main__ as command
from vqzoo.app import loading, page
from vqzoo.models import Autoencoder
from vqzoo.trained import TrainedError


@pytest.fixture(scope="module")
def artifact(tmp_path_factory):
    folder = tmp_path_factory.mktemp("my model")
    model_of(0).save(folder / "model.keras")
    return folder


@pytest.fixture(scope="module")
def prior(tmp_path_factory):
    folder = tmp_path_factory.mktemp("prior")
    pipeline_of().save(folder)
    return folder


def test_a_model_is_a_file_or_the_folder_that_it_lies_in(artifact):
    for name in (artifact, artifact / "model.keras"):
        loaded = loading.load(str(name), "")
        assert loaded.model.image_shape == (16, 16, 3) and loaded.pipeline is None
        assert loaded.file == artifact / "model.keras"


def test_priors_come_with_their_model(artifact, prior):
    for name in (str(artifact), ""):
        loaded = loading.load(name, str(prior))
        assert loaded.model is loaded.pipeline.model
        assert loaded.pipeline.tiers == ("top", "bottom")
        assert loaded.run.path == (artifact if name else prior)


def test_priors_of_another_model_are_refused(prior, tmp_path):
    model_of(1).save(tmp_path / "model.keras")
    with pytest.raises(TrainedError, match="learned the codes of another model"):
        loading.load(str(tmp_path), str(prior))


def test_what_is_missing_is_named(tmp_path, artifact):
    with pytest.raises(ValueError, match="expected --model=FILE.keras"):
        loading.load("", "")
    with pytest.raises(TrainedError, match="nowhere"):
        loading.load("nowhere", "")
    with pytest.raises(TrainedError, match="finished run of a prior"):
        loading.load(str(artifact), str(tmp_path))


def test_a_model_without_codes_is_refused(tmp_path):
    sizes = {"num_channels": 8, "residual_channels": 4, "num_residual_blocks": 1}
    model = Autoencoder(image_shape=(8, 8, 3), latent_dim=4, **sizes)
    model.save(tmp_path / "model.keras")
    with pytest.raises(TrainedError, match="expected a model with codes"):
        loading.load(str(tmp_path), "")


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        ([], 2, "--model=FOLDER"),
        (["--model=m", "--ports=3"], 2, "ports"),
        (["--model=m", "--port=three"], 2, "port"),
        (
            ["--model=m", "--port=70000"],
            2,
            "--port to be at most 65535, received 70000",
        ),
        (["--model=m", "--port=-1"], 2, "--port to be at least 0, received -1"),
        (["--model=m", "three"], 2, "received ['three']"),
    ],
)
def test_a_wrong_command_line_says_why(arguments, code, text, capsys):
    assert command.main(["app", *arguments]) == code
    assert text in capsys.readouterr().err


def test_help_lists_every_flag(capsys):
    assert command.main(["app", "--help"]) == 0
    text = capsys.readouterr().out
    for flag in ("model", "prior", "dataset", "data_dir", "classes", "host", "port"):
        assert f"--{flag}" in text


def test_without_gradio_the_way_to_get_it_is_said(monkeypatch, capsys):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert command.main(["app", "--model=m"]) == 1
    assert "pip install vqzoo[app]" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (
            ["--model=nowhere"],
            "expected the folder of a run or of an artifact, or a .keras",
        ),
        (["--model={}", "--prior=nowhere"], "run of a prior, received nowhere"),
        (["--model={}", "--dataset=folder"], "expected --data_dir"),
    ],
)
def test_what_the_user_can_mend_is_an_error_without_a_traceback(
    arguments, text, artifact, monkeypatch, capsys
):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: True)
    filled = [argument.format(artifact) for argument in arguments]
    assert command.main(["app", *filled]) == 1
    assert text in capsys.readouterr().err


def test_the_page_is_told_to_send_nothing(monkeypatch):
    """What gradio reads when it is imported."""
    monkeypatch.setattr(page, "os", type("", (), {"environ": {"NO_PROXY": "a.b"}}))
    monkeypatch.setitem(__import__("sys").modules, "gradio", np)
    assert page.import_gradio("somewhere") is np
    assert page.os.environ["GRADIO_ANALYTICS_ENABLED"] == "False"
    assert page.os.environ["HF_HUB_OFFLINE"] == "1"
    assert page.os.environ["GRADIO_TEMP_DIR"] == "somewhere"
    assert page.os.environ["no_proxy"] == "127.0.0.1,localhost,a.b"
