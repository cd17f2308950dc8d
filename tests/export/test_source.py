import keras
import numpy as np
import pytest

from tests.helpers.small_models import (
    METRICS,
    SETTINGS,
    make_images,
    make_model,
    to_floats,
)
from vqzoo.export import ExportError, source
from vqzoo.models import Autoencoder


def test_a_run_gives_its_model_settings_and_metrics(run_dir):
    found = source.read(run_dir)
    assert (found.settings, found.metrics) == (SETTINGS, METRICS)
    assert not found.model.compiled
    known = keras.saving.load_model(run_dir / "model.keras")
    images = to_floats(make_images(2))
    np.testing.assert_array_equal(found.model(images), known(images))


def test_a_lone_keras_file_has_no_settings_and_no_metrics(run_dir):
    found = source.read(run_dir / "model.keras")
    assert (found.settings, found.metrics) == ({}, {})
    assert found.model.count_params() == 6381


def test_code_in_a_strangers_file_is_refused_and_not_run(tmp_path):
    trace = tmp_path / "trace"
    name = str(trace)
    layer = keras.layers.Lambda(lambda x: (open(name, "w").close(), x)[1])
    keras.Sequential([keras.Input((4,)), layer]).save(tmp_path / "stranger.keras")
    assert trace.exists()
    trace.unlink()
    with pytest.raises(ExportError, match="safe mode.*no code.*Lambda"):
        source.read(tmp_path / "stranger.keras")
    assert not trace.exists()


def test_a_model_without_codes_is_refused(tmp_path):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    model.save(tmp_path / "dense.keras")
    text = "expected a model of vqzoo.models, received Sequential.*no encode, decode"
    with pytest.raises(ExportError, match=text):
        source.read(tmp_path / "dense.keras")


def test_a_model_of_real_latents_loads_where_no_codes_are_needed(tmp_path):
    sizes = {"num_channels": 8, "residual_channels": 4, "num_residual_blocks": 1}
    model = Autoencoder(image_shape=(8, 8, 3), latent_dim=4, stride=4, **sizes)
    model.save(tmp_path / "real.keras")
    with pytest.raises(ExportError, match="expected a model with codes"):
        source.load(tmp_path / "real.keras")
    loaded = source.load(tmp_path / "real.keras", needs_codes=False)
    assert loaded.count_params() == model.count_params()


def test_a_file_that_is_no_model_is_refused(tmp_path):
    (tmp_path / "broken.keras").write_bytes(b"PK no zip")
    with pytest.raises(ExportError, match="broken.keras does not load"):
        source.read(tmp_path / "broken.keras")


def test_a_run_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(ExportError, match="expected a run's folder or a .keras file"):
        source.read(tmp_path / "runs")


@pytest.mark.parametrize("name", ["model.keras", "metrics.json", "recipe.json"])
def test_a_run_that_is_not_finished_is_refused(name, tmp_path):
    for other in {"model.keras", "metrics.json", "recipe.json"} - {name}:
        (tmp_path / other).write_text("{}")
    with pytest.raises(ExportError, match=f"finished run, received .* without {name}"):
        source.read(tmp_path)


def test_a_weight_that_is_not_finite_is_refused(tmp_path):
    model = make_model("one tier")
    model.projection.bias.assign(np.array([0, np.nan, 0]))
    model.save(tmp_path / "nan.keras")
    with pytest.raises(ExportError, match="finite weights.*projection/bias"):
        source.read(tmp_path / "nan.keras")


def test_a_clone_of_mixed_precision_is_float32_throughout():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = make_model("two tiers")
        clone = source.clone(model)
        assert keras.config.dtype_policy().name == "mixed_bfloat16"
    finally:
        keras.config.set_dtype_policy("float32")
    policies = {layer.dtype_policy.name for layer in clone._flatten_layers()}
    assert policies == {"float32"}
    assert len(clone.weights) == len(model.weights)
    for weight, known in zip(clone.get_weights(), model.get_weights()):
        np.testing.assert_array_equal(weight, known)


@pytest.mark.parametrize("kind", ["one tier", "two tiers"])
def test_a_clone_in_bfloat16_keeps_codebooks_and_distances_in_float32(kind):
    model = make_model(kind)
    clone = source.clone(model, "bfloat16")
    kept = [each for layer in clone.quantizers for each in layer.weights]
    assert {str(weight.dtype) for weight in kept} == {"float32"}
    others = [w for w in clone.weights if id(w) not in {id(each) for each in kept}]
    assert {str(weight.dtype) for weight in others} == {"bfloat16"}
    images = to_floats(make_images(4, model.image_shape[0]))
    codes = model.encode(images)
    np.testing.assert_allclose(clone.decode(codes), model.decode(codes), atol=0.03)
    assert not np.array_equal(clone.decode(codes), model.decode(codes))


def test_an_artifact_is_read_with_what_its_manifest_keeps(artifact):
    found = source.read(artifact)
    assert found.metrics == METRICS
    assert found.settings == SETTINGS
    assert found.model.count_params() == 6381
