"""The check of published advisories, and the list of what a wheel was tested with."""

import importlib.util
import json
import pathlib

import pytest

ROOT = pathlib.Path(__file__).parents[1]


def program(name):
    path = ROOT / ".ci" / f"{name}.py"
    if not path.exists():
        pytest.skip("needs the checkout")
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_pins_and_floors_are_free_of_what_is_published(capsys):
    assert program("advisories").main([]) == 0
    text = capsys.readouterr().out
    assert "advisories of 20" in text and "Accepted" in text


@pytest.mark.parametrize(
    ("package", "version", "ids"),
    [
        ("keras", "3.13.1", 5),
        ("keras", "3.13.2", 2),
        ("keras", "3.14.1", 0),
        ("pillow", "12.1.0", 4),
        ("pillow", "12.3", 2),
        ("pillow", "13.0.0", 0),
        ("numpy", "1.0", 0),
    ],
)
def test_a_version_is_affected_until_the_first_that_is_patched(package, version, ids):
    advisories = program("advisories")
    known = json.loads((ROOT / ".ci" / "advisories.json").read_text())["advisories"]
    assert len(advisories.found({package: version}, known)) == ids


def test_pins_and_floors_are_read():
    advisories = program("advisories")
    pinned = advisories.pins("# text\nKeras==3.15.1  # why\nnumpy>=2\n")
    assert pinned == {"keras": "3.15.1"}
    project = {"project": {"dependencies": ["Pillow>=12.3", "tqdm", "numpy<3,>=1.26"]}}
    assert advisories.floors(project) == {"pillow": "12.3", "numpy": "1.26"}


def test_a_wheel_is_listed_with_what_it_was_tested_with(tmp_path):
    path = program("sbom").main(tmp_path / "vqzoo-0.1.0-py3-none-any.whl")
    document = json.loads(path.read_text())
    assert path.name == "vqzoo-0.1.0.cdx.json"
    assert document["metadata"]["component"]["purl"] == "pkg:pypi/vqzoo@0.1.0"
    keras = [part for part in document["components"] if part["name"] == "keras"]
    assert keras[0]["purl"].startswith("pkg:pypi/keras@3.")
