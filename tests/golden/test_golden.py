"""Models that were saved once, with other versions, load and give what they gave."""

import json
import pathlib
import zipfile

import keras
import numpy as np
import pytest

from tests.helpers import fresh_process

FOLDER = pathlib.Path(__file__).parent
NAMES = sorted(path.stem for path in FOLDER.glob("*.keras"))
each_file = pytest.mark.parametrize("name", NAMES)


def stored(name, what):
    return dict(np.load(FOLDER / f"{name}.{what}.npz"))


def compare(received, name):
    expected = stored(name, "outputs")
    assert set(received) == set(expected)
    for key, value in expected.items():
        if key.startswith("codes"):
            np.testing.assert_array_equal(received[key], value)
            assert len(np.unique(value)) > 2
        else:
            np.testing.assert_allclose(received[key], value, atol=1e-5)
            assert value.std() > 1e-3


def missing(old, new, where="config"):
    """Where `new` drops or changes an entry of `old`; it may add some."""
    if isinstance(old, dict) and isinstance(new, dict):
        keys = set(old) - {"shared_object_id"}  # an address in memory
        if str(old.get("registered_name")).startswith("vqzoo>"):
            keys -= {"module"}  # a class is found by its registered name
        pairs = [(f"{where}.{key}", old[key], new.get(key)) for key in sorted(keys)]
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        pairs = [(f"{where}[{i}]", *pair) for i, pair in enumerate(zip(old, new))]
    else:
        return [] if old == new else [f"{where}: {old!r} became {new!r}"]
    return [line for where, *pair in pairs for line in missing(*pair, where)]


def test_each_quantizer_has_a_golden_file():
    assert {"vqvae_ema", "vqvae_gradient", "vqvae2_noisy"} <= set(NAMES)


@each_file
def test_a_golden_file_still_gives_its_outputs_and_codes(name):
    images = stored(name, "inputs")["images"]
    compare(fresh_process.run_model(FOLDER / f"{name}.keras", images), name)


@each_file
def test_a_golden_file_still_has_its_configuration(name):
    path = FOLDER / f"{name}.keras"
    with zipfile.ZipFile(path) as archive:
        config = json.loads(archive.read("config.json"))
    model = keras.saving.load_model(path)
    again = keras.saving.serialize_keras_object(model)
    for part in ("module", "class_name", "registered_name"):
        assert again[part] == config[part]
    assert missing(config["config"], json.loads(json.dumps(again["config"]))) == []


def test_the_averages_and_the_start_come_back():
    model = keras.saving.load_model(FOLDER / "vqvae_ema.keras")
    layer = model.quantizer
    values = [
        keras.ops.convert_to_numpy(weight.value)
        for weight in (layer.codebook, layer.ema_counts, layer.ema_sums, layer.started)
    ]
    codebook, counts, sums, started = values
    assert started == 1
    assert layer.decay == 0.9 and len(np.unique(counts)) > 2
    np.testing.assert_allclose(sums, counts[:, None] * codebook, rtol=1e-4, atol=1e-6)
