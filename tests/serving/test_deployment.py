"""The files of an artifact, as a server and its users take them."""

import base64
import io
import json
import re
import subprocess
import urllib.request

import numpy as np
import pytest
import tensorflow as tf
import yaml
from google.protobuf import text_format
from PIL import Image
from tensorflow_serving.apis import prediction_log_pb2
from tensorflow_serving.config import model_server_config_pb2

from tests.helpers.small_models import make_images
from vqzoo.export import serving, warmup
from vqzoo.serving import MAX_BATCH_SIZE, Client

IMAGES = make_images(2)
# The fields of BatchingParameters, which the published stubs leave out.
BATCHING_FIELDS = {
    "max_batch_size",
    "batch_timeout_micros",
    "max_enqueued_batches",
    "num_batch_threads",
}


@pytest.fixture
def url(ports):
    return f"http://127.0.0.1:{ports['rest']}/v1/models/drawn"


@pytest.fixture
def with_ports(ports):
    """A function that puts the test's ports in the place of the usual ones."""

    def replace(text):
        text = text.replace("8500", str(ports["grpc"]))
        return text.replace("8501", str(ports["rest"]))

    return replace


def post(url, body):
    request = urllib.request.Request(f"{url}:predict", json.dumps(body).encode())
    with urllib.request.urlopen(request) as response:
        return json.load(response)


def shell(command, **options):
    return subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, check=False, **options
    )


def sections(artifact, language):
    """The blocks of a language in the README, as a service."""
    readme = (artifact / "README.md").read_text().split("## As a service")[1]
    return re.findall(rf"```{language}\n(.*?)```", readme, re.DOTALL)


def test_the_configuration_names_each_precision_and_its_folder(artifact):
    config = text_format.Parse(
        (artifact / "models.config").read_text(),
        model_server_config_pb2.ModelServerConfig(),
    )
    found = {m.name: m.base_path for m in config.model_config_list.config}
    assert found == {
        "drawn": "/models/drawn/saved_model",
        "drawn_bfloat16": "/models/drawn/saved_model_bfloat16",
    }
    for path in found.values():
        folder = artifact / path.removeprefix("/models/drawn/")
        assert (folder / "1" / "saved_model.pb").is_file()


def test_the_batching_parameters_are_those_that_a_server_knows(artifact):
    lines = (artifact / "batching_parameters.txt").read_text().splitlines()
    found = dict(
        re.fullmatch(r"(\w+) \{ value: (\d+) \}", line).groups() for line in lines
    )
    assert set(found) == BATCHING_FIELDS
    assert int(found["max_batch_size"]) == MAX_BATCH_SIZE


def test_compose_starts_the_official_image_on_the_loopback(artifact):
    services = yaml.safe_load((artifact / "docker-compose.yml").read_text())["services"]
    assert set(services) == {"serving", "serving-batching"}
    for name, service in services.items():
        assert service["image"] == serving.IMAGE
        assert all(port.startswith("127.0.0.1:") for port in service["ports"])
        assert service["volumes"] == [".:/models/drawn:ro"]
        assert "--model_config_file=/models/drawn/models.config" in service["command"]
        batched = "--enable_batching" in service["command"]
        assert batched == (name == "serving-batching") == ("profiles" in service)


def test_the_health_check_finds_the_models_loaded(artifact, with_ports):
    service = yaml.safe_load((artifact / "docker-compose.yml").read_text())
    kind, *command = service["services"]["serving"]["healthcheck"]["test"]
    assert (kind, command[:2]) == ("CMD", ["bash", "-c"])
    check = with_ports(command[2])
    assert shell(check, timeout=20).returncode == 0
    missing = check.replace("drawn_bfloat16", "drawn_float16")
    assert shell(missing, timeout=20).returncode == 1
    nobody = re.sub(r"/dev/tcp/127.0.0.1/\d+", "/dev/tcp/127.0.0.1/1", check)
    assert shell(nobody, timeout=20).returncode == 1


def test_the_requests_for_warming_up_are_those_of_clients(artifact):
    for folder, served in (
        ("saved_model", "drawn"),
        ("saved_model_bfloat16", "drawn_bfloat16"),
    ):
        path = artifact / folder / "1"
        records = tf.data.TFRecordDataset(str(path / warmup.FILE))
        for record in records:
            log = prediction_log_pb2.PredictionLog.FromString(record.numpy())
            assert log.WhichOneof("log_type") == "predict_log"
            assert log.predict_log.request.model_spec.name == served
        rows = {}
        for signature, arrays in warmup.read(path):
            assert len({len(array) for array in arrays.values()}) == 1
            rows.setdefault(signature, []).append(len(next(iter(arrays.values()))))
        both = [1, MAX_BATCH_SIZE]
        assert rows == {
            "serving_default": both,
            "encode": both,
            "decode": both,
            "sample": [1],
            "encode_bytes": [1],
            "decode_bytes": [1],
            "reconstruct_bytes": [1],
            "sample_bytes": [1],
        }


def test_large_images_are_warmed_up_with_fewer_rows():
    described = {"encode": {}, "encode_bytes": {}}
    assert warmup._batches(described, (256, 256, 3)) == [
        ("encode", 1),
        ("encode", 4),
        ("encode_bytes", 1),
    ]
    assert warmup._batches(described, (1024, 1024, 3))[:2] == [
        ("encode", 1),
        ("encode_bytes", 1),
    ]


def test_the_shell_lines_of_the_readme_are_answered(artifact, with_ports, tmp_path):
    Image.fromarray(IMAGES[0]).save(tmp_path / "image.jpg")
    blocks = [
        with_ports(text) for text in sections(artifact, "sh") if "docker" not in text
    ]
    url, *requests = blocks
    state = shell(url, cwd=tmp_path).stdout
    assert '"AVAILABLE"' in state and '"signature_def"' in state
    line = url.splitlines()[0]
    answers = [
        json.loads(shell(f"{line}\n{text}", cwd=tmp_path).stdout) for text in requests
    ]
    codes, images, files, drawn = answers
    assert np.shape(codes["predictions"][0]["top_codes"]) == (8, 8)
    assert np.shape(images["predictions"]) == (1, 32, 32, 3)
    data = base64.b64decode(files["predictions"][0]["b64"])
    assert Image.open(io.BytesIO(data)).size == (32, 32)
    assert np.shape(drawn["outputs"]["images"]) == (2, 32, 32, 3)


def test_the_python_lines_of_the_readme_work(artifact, with_ports):
    client, by_stub = (with_ports(text) for text in sections(artifact, "python"))
    names = {"images": IMAGES}
    exec(client, names)
    assert names["images"].shape == (8, 32, 32, 3)
    names["client"].close()
    other = {"images": IMAGES}
    exec(by_stub, other)
    other["channel"].close()
    with Client(with_ports("http://127.0.0.1:8501"), "drawn") as rest:
        np.testing.assert_array_equal(
            other["codes"]["bottom_codes"], rest.encode(IMAGES)[1]
        )


def test_rest_answers_rows_and_columns_in_their_kind(url):
    rows = post(url, {"instances": IMAGES.tolist()})["predictions"]
    named = post(url, {"instances": [{"images": i.tolist()} for i in IMAGES]})
    columns = post(url, {"inputs": {"images": IMAGES.tolist()}})["outputs"]
    assert rows == named["predictions"] == columns
    encoded = {"signature_name": "encode", "instances": IMAGES.tolist()}
    first, second = post(url, encoded)["predictions"]
    assert set(first) == {"top_codes", "bottom_codes"}
    assert first != second


def test_samples_come_as_files_with_their_codes(url):
    inputs = {"label": [0, 1], "temperature": [1.0, 1.0], "seed": [5, 6]}
    body = {"signature_name": "sample_bytes", "inputs": inputs}
    answer = post(url, body)["outputs"]
    drawn = post(url, {**body, "signature_name": "sample"})["outputs"]
    for file, pixels in zip(answer["image_bytes"], drawn["images"]):
        image = Image.open(io.BytesIO(base64.b64decode(file["b64"])))
        np.testing.assert_array_equal(np.asarray(image), pixels)
    assert answer["bottom_codes"] == drawn["bottom_codes"]
    assert answer["label"] == [0, 1]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"instances": [[300]], "signature_name": "encode"}, "not compatible with"),
        ({"signature_name": "unknown", "instances": [1]}, "not found in signature"),
        ({"signature_name": "decode", "instances": [1]}, "expecting list of objects"),
        ({"instances": [[0.5]]}, "not of expected type: uint8"),
        ({"instances": [[1], [1, 2]]}, "unexpected size"),
        ({"signature_name": "encode_bytes", "instances": [{"b64": "%"}]}, "base64"),
        ({}, "Missing 'inputs' or 'instances' key"),
    ],
)
def test_a_wrong_body_fails_that_request_alone(body, reason, url):
    with pytest.raises(urllib.error.HTTPError) as caught:
        post(url, body)
    with caught.value as error:
        assert error.code == 400
        assert reason in json.load(error)["error"]
    assert len(post(url, {"instances": IMAGES.tolist()})["predictions"]) == 2
