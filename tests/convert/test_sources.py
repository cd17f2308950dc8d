"""Files of strangers: what is read of them, and that none of their code runs."""

import argparse
import json
import pathlib
import pickle
import sys
import types

import numpy as np
import pytest

from vqzoo.convert import ConvertError, hub, sources

numpy_files = pytest.importorskip("safetensors.numpy")
RAN = []


class Runs:
    """Something whose pickle runs code."""

    def __reduce__(self):
        return RAN.append, (1,)


def save(path, **tensors):
    numpy_files.save_file({k: np.float32(v) for k, v in tensors.items()}, path)
    return path


def test_a_file_that_is_cut_off_is_refused(tmp_path):
    path = save(tmp_path / "a.safetensors", x=[1, 2, 3])
    for length in (4, 40, path.stat().st_size - 1):
        short = tmp_path / "b.safetensors"
        short.write_bytes(path.read_bytes()[:length])
        with pytest.raises(ConvertError, match=r"b\.safetensors is damaged"):
            sources.open_source(short)


@pytest.mark.parametrize("name", ["encoder.pkl", "a.pickle", "a.joblib"])
def test_a_pickle_is_refused_and_none_of_it_runs(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(pickle.dumps(Runs()))
    with pytest.raises(ConvertError, match="runs what code it names.*state_dict"):
        sources.open_source(path)
    assert RAN == []


@pytest.mark.parametrize("name", ["a.pt", "a.pth", "a.ckpt", "a.bin"])
def test_a_file_of_pytorch_that_runs_code_is_refused_and_nothing_ran(tmp_path, name):
    torch = pytest.importorskip("torch")
    path = tmp_path / name
    torch.save({"x": torch.ones(2), "hook": Runs()}, path)
    with pytest.raises(ConvertError, match="none of its code runs"):
        sources.open_source(path)
    path.write_bytes(pickle.dumps(Runs()))
    with pytest.raises(ConvertError, match="none of its code runs"):
        sources.open_source(path)
    assert RAN == []


@pytest.fixture
def lightning(monkeypatch):
    """Classes of a package that is gone when the files are read."""
    module = types.ModuleType("pytorch_lightning.callbacks")
    for name, base in (("ModelCheckpoint", object), ("AttributeDict", dict)):
        made = type(name, (base,), {"__module__": module.__name__})
        setattr(module, name, made)
    for name in ("pytorch_lightning", module.__name__):
        monkeypatch.setitem(sys.modules, name, module)
    return module


@pytest.mark.parametrize("zipped", [True, False])
def test_objects_of_training_do_not_keep_the_weights_from_being_read(
    lightning, monkeypatch, tmp_path, zipped
):
    torch = pytest.importorskip("torch")
    callback = lightning.ModelCheckpoint()
    callback.best = np.float64(0.5)
    whole = {
        "state_dict": {"x": torch.ones(2)},
        "callbacks": {lightning.ModelCheckpoint: {"scores": np.ones(2)}, "c": callback},
        "hyper_parameters": lightning.AttributeDict(n=3),
        "args": argparse.Namespace(folder=pathlib.Path("a")),
        "ema": {},
    }
    path = tmp_path / "last.ckpt"
    torch.save(whole, path, _use_new_zipfile_serialization=zipped)
    torch.save({**whole, "hook": Runs()}, tmp_path / "bad.ckpt")
    monkeypatch.undo()
    safe = set(torch.serialization.get_safe_globals())
    assert list(sources.open_source(path).tensors) == ["x"]
    with pytest.raises(ConvertError, match="none of its code runs"):
        sources.open_source(tmp_path / "bad.ckpt")
    assert RAN == [] and set(torch.serialization.get_safe_globals()) == safe


def test_an_old_pytorch_is_refused(monkeypatch, tmp_path):
    torch = pytest.importorskip("torch")
    torch.save({"x": torch.ones(2)}, tmp_path / "a.pt")
    monkeypatch.setattr(torch, "__version__", "2.5.1+cpu")
    with pytest.raises(ConvertError, match="2.6 or later, received 2.5.1"):
        sources.open_source(tmp_path / "a.pt")


@pytest.mark.parametrize("inside", [(), ("model",), ("ema", "model"), ("state_dict",)])
def test_what_training_scripts_save_is_looked_into(tmp_path, inside):
    torch = pytest.importorskip("torch")
    held = {"x": torch.ones(2, dtype=torch.bfloat16)}
    whole = {key: {"x": torch.zeros(2)} for key in inside} | {"steps": 3}
    whole = {**whole, inside[0]: held} if inside else {**held, "steps": 3}
    torch.save(whole, tmp_path / "a.pt")
    found = sources.open_source(tmp_path / "a.pt").tensors
    assert list(found) == ["x"] and found["x"].shape == (2,)
    np.testing.assert_array_equal(found["x"].read(), np.ones(2, "float32"))


def shards(folder, names):
    """Two files of tensors and the index that says which has which."""
    index = {"weight_map": {name: f"{name}.safetensors" for name in names}}
    for name in ("a", "b"):
        save(folder / f"{name}.safetensors", **{name: [1.0]})
    path = folder / "model.safetensors.index.json"
    path.write_text(json.dumps(index))
    return path


def test_the_files_of_an_index_are_read_together(tmp_path):
    shards(tmp_path, "ab")
    assert sorted(sources.open_source(tmp_path).tensors) == ["a", "b"]


def test_an_index_that_its_files_do_not_fill_is_refused(tmp_path):
    path = shards(tmp_path, "abc")
    with pytest.raises(ConvertError, match=r"c\.safetensors is not there"):
        sources.open_source(path)
    path.write_text(
        json.dumps({"weight_map": {"a": "a.safetensors", "z": "b.safetensors"}})
    )
    with pytest.raises(ConvertError, match=r"no file has: \['z'\]"):
        sources.open_source(path)
    path.write_text(json.dumps({"weight_map": {"a": "../a.safetensors"}}))
    with pytest.raises(ConvertError, match="files beside .*'../a.safetensors'"):
        sources.open_source(path)


def test_a_folder_names_its_one_file_of_weights(tmp_path):
    with pytest.raises(ConvertError, match="received nothing"):
        sources.open_source(tmp_path)
    save(tmp_path / "b.safetensors", x=[1])
    assert sources.open_source(tmp_path).path.name == "b.safetensors"
    save(tmp_path / "a.safetensors", x=[1])
    with pytest.raises(ConvertError, match=r"a\.safetensors, b\.safetensors: name one"):
        sources.open_source(tmp_path)
    save(tmp_path / "diffusion_pytorch_model.safetensors", x=[1])
    assert sources.open_source(tmp_path).path.name.startswith("diffusion")


def test_a_path_that_is_not_there_and_a_kind_that_is_none_are_refused(tmp_path):
    with pytest.raises(ConvertError, match="nowhere.safetensors is not there"):
        sources.open_source(tmp_path / "nowhere.safetensors")
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(ConvertError, match=r"\.safetensors, \.pt.*notes\.txt"):
        sources.open_source(tmp_path / "notes.txt")
    path = save(tmp_path / "a.safetensors", x=[1])
    (tmp_path / "config.json").write_text("[")
    with pytest.raises(ConvertError, match="config.json is not a configuration"):
        sources.open_source(path)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A hub's cache with one model in it, and no network."""
    constants = pytest.importorskip("huggingface_hub.constants")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    root = tmp_path / "models--owner--name"
    (root / "refs").mkdir(parents=True)
    commit = 40 * "1"
    for name in ("main", "v2"):
        (root / "refs" / name).write_text(commit)
    folder = root / "snapshots" / commit / "vqvae"
    folder.mkdir(parents=True)
    save(folder / "model.safetensors", x=[1, 2])
    (folder / "config.json").write_text('{"sample_size": 32}')
    return folder


@pytest.mark.parametrize(
    "name",
    ["owner/name/vqvae", "owner/name/vqvae@v2", "owner/name/vqvae/model.safetensors"],
)
def test_a_name_of_the_hub_is_found_in_its_cache(cache, name):
    found = sources.open_source(f"hf://{name}")
    assert found.path == cache / "model.safetensors"
    assert (found.config, found.name) == ({"sample_size": 32}, f"hf://{name}")


def test_without_network_the_error_says_which_files_to_put_where(cache):
    for name in ("owner/other/vqvae", "owner/name/vqvae@v3"):
        with pytest.raises(ConvertError) as error:
            sources.open_source(f"hf://{name}")
        text = str(error.value)
        assert "not in the hub's cache" in text and "give that folder" in text
        assert "vqvae/config.json, vqvae/*.safetensors" in text
        assert "hf://owner/" in text


@pytest.mark.parametrize("name", ["hf://owner", "hf://a/b/../c", "hf://a/b@", "hf://"])
def test_a_name_that_is_none_is_refused(name):
    with pytest.raises(ConvertError, match="hf://owner/name"):
        hub.fetch(name)


def test_what_the_hub_refuses_is_said_in_words(monkeypatch):
    client = pytest.importorskip("huggingface_hub")
    errors = pytest.importorskip("huggingface_hub.errors")
    httpx = pytest.importorskip("httpx")
    request = httpx.Request("GET", "https://hub.example")
    for error, status, said in (
        (errors.RepositoryNotFoundError, 404, "no model 'a/b', or it is private"),
        (errors.RevisionNotFoundError, 404, "no revision 'c'"),
        (errors.GatedRepoError, 403, "HF_TOKEN"),
    ):
        response = httpx.Response(status, request=request)

        def fail(*args, error=error, response=response, **kwargs):
            raise error("no", response=response)

        monkeypatch.setattr(client, "snapshot_download", fail)
        with pytest.raises(ConvertError, match=said):
            hub.fetch("hf://a/b@c")
