"""What other runtimes make of an exported model: the codes and images of Keras."""

import json

import keras
import numpy as np
import pytest

import vqzoo
from tests.helpers.small_models import make_images, make_model
from vqzoo.export import export, files, portable
from vqzoo.layers import ResidualQuantizer, VectorQuantizerEMA
from vqzoo.models import SequenceVQVAE, VectorVQVAE

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="needs tf.data"),
    pytest.mark.filterwarnings("ignore"),  # of converters
]


def run_onnx(path, inputs):
    runtime = pytest.importorskip("onnxruntime")
    session = runtime.InferenceSession(str(path))
    names = [each.name for each in session.get_outputs()]
    return dict(zip(names, session.run(None, inputs)))


def run_litert(path, inputs):
    module = pytest.importorskip("ai_edge_litert.interpreter")
    interpreter = module.Interpreter(model_path=str(path))
    for details in interpreter.get_input_details():
        name = details["name"].removeprefix("serving_default_").removesuffix(":0")
        interpreter.resize_tensor_input(details["index"], inputs[name].shape)
    return interpreter.get_signature_runner("serving_default")(**inputs)


def run_openvino(path, inputs):
    runtime = pytest.importorskip("openvino")
    model = runtime.compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return {port.get_any_name(): array for port, array in model(inputs).items()}


RUN = {"onnx": run_onnx, "litert": run_litert, "openvino": run_openvino}


@pytest.mark.parametrize("file_format", RUN)
def test_a_runtime_gives_the_codes_and_images_of_keras(file_format, tmp_path):
    package = files.PORTABLE[file_format][1]
    pytest.importorskip(package)
    model, pixels = make_model("two tiers"), make_images(3)
    paths = portable.save(model, tmp_path / file_format, file_format)
    run, images = RUN[file_format], vqzoo.to_images(pixels)
    codes = dict(zip(("top_codes", "bottom_codes"), model.encode(images)))
    codes = {name: np.asarray(value) for name, value in codes.items()}
    expected = vqzoo.to_uint8(np.asarray(model.reconstruct(images)))
    received = run(paths["encode"], {"images": pixels})
    assert set(received) == set(codes)
    for name, value in codes.items():
        np.testing.assert_array_equal(received[name], value)
        assert len(np.unique(value)) > 4
    # One level: the last bit of a sum decides where a value is rounded to.
    for part, inputs in (("decode", codes), ("reconstruct", {"images": pixels})):
        (rebuilt,) = run(paths[part], inputs).values()
        assert rebuilt.dtype == np.uint8 and rebuilt.shape == pixels.shape
        assert np.abs(rebuilt.astype(int) - expected).max() <= 1
    # More rows than the search for codes has in a block: there is no loop.
    assert run(paths["encode"], {"images": make_images(40)})["top_codes"].shape[0] == 40


def residual(dim):
    stages = [VectorQuantizerEMA(8, dim, seed=stage) for stage in range(2)]
    return ResidualQuantizer(stages)


def vector_model():
    model = VectorVQVAE(residual(4), input_dim=6, hidden_dims=(8,))
    return model, "vectors", (5, 6)


def sequence_model():
    model = SequenceVQVAE(residual(4), sequence_shape=(None, 2), num_channels=8)
    return model, "sequences", (3, 24, 2)


@pytest.mark.parametrize(
    ("file_format", "make"),
    [
        *((name, vector_model) for name in RUN),
        ("onnx", sequence_model),
        ("openvino", sequence_model),
    ],
)
def test_a_runtime_gives_the_codes_of_vectors_and_of_sequences(
    file_format, make, tmp_path
):
    pytest.importorskip(files.PORTABLE[file_format][1])
    model, name, shape = make()
    items = np.random.default_rng(0).normal(size=(64, *shape[1:])).astype("float32")
    model.adapt(items)
    paths = portable.save(model, tmp_path / file_format, file_format)
    run, items = RUN[file_format], items[: shape[0]]
    codes = np.asarray(model.encode(items)[0])
    (received,) = run(paths["encode"], {name: items}).values()
    np.testing.assert_array_equal(received, codes)
    (decoded,) = run(paths["decode"], {"bottom_codes": codes}).values()
    np.testing.assert_allclose(decoded, model.decode(codes), atol=1e-4)
    (rebuilt,) = run(paths["reconstruct"], {name: items}).values()
    np.testing.assert_allclose(rebuilt, model.reconstruct(items), atol=1e-4)


def test_litert_refuses_sequences_of_any_length(tmp_path):
    model, _, _ = sequence_model()
    with pytest.raises(files.ExportError, match="--formats=litert.*onnx and openvino"):
        portable.save(model, tmp_path, "litert")


def test_the_call_of_a_model_is_exported_by_keras(tmp_path):
    pytest.importorskip("onnxruntime")
    model, images = make_model("one tier"), vqzoo.to_images(make_images(3, 16))
    images = images[:, :, :32].repeat(2, axis=2)[:, :, :32]
    model.export(tmp_path / "model.onnx", format="onnx", verbose=False)
    (outputs,) = run_onnx(tmp_path / "model.onnx", {"images": images}).values()
    np.testing.assert_allclose(outputs, model(images), atol=1e-5)


def test_a_missing_package_is_named_with_its_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(files.PORTABLE, "onnx", ("onnx", "no_such_package"))
    with pytest.raises(files.ExportError, match=r"no_such_package.*vqzoo\[onnx\]"):
        portable.save(make_model("one tier"), tmp_path, "onnx")


def test_an_artifact_holds_the_formats_that_were_asked_for(tmp_path):
    model = make_model("one tier")
    model.save(tmp_path / "model.keras")
    target, _ = export(
        tmp_path / "model.keras", tmp_path / "small", formats=("saved_model", "litert")
    )
    facts = json.loads((target / "manifest.json").read_text())["files"]
    written = {name for name in facts if name.startswith("litert/")}
    assert written == {
        f"litert/{part}.tflite" for part in ("encode", "decode", "reconstruct")
    }
    assert all((target / name).stat().st_size > 1000 for name in written)
