import concurrent.futures
import io
import socket
import time

import numpy as np
import pytest
from PIL import Image

from tests.helpers.small_models import make_images, to_files, to_floats, to_levels
from vqzoo import trained
from vqzoo.serving import MAX_BATCH_SIZE, Client, ServingError
from vqzoo.serving.protocol import MAX_REQUEST_BYTES, rows_of_request

IMAGES = make_images(5)


@pytest.fixture(scope="module")
def model(artifact):
    return trained.load(artifact).model


def count_rows(client, monkeypatch):
    """A list that gets the rows of each request that the client sends."""
    rows = []
    predict = client._transport.predict

    def counting(signature, arrays, timeout):
        rows.append(len(next(iter(arrays.values()))))
        return predict(signature, arrays, timeout)

    monkeypatch.setattr(client._transport, "predict", counting)
    return rows


def test_codes_and_images_are_those_of_the_model(client, model):
    codes = client.encode(IMAGES)
    for found, known in zip(codes, model.encode(to_floats(IMAGES))):
        assert found.dtype == np.int32
        np.testing.assert_array_equal(found, known)
    expected = to_levels(model.decode(codes))
    for images in (client.decode(codes), client.reconstruct(IMAGES)):
        assert images.dtype == np.uint8
        np.testing.assert_allclose(images, expected, rtol=0, atol=1)
    assert len(np.unique(codes[1])) > 2


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_image_files_mean_the_pixels_that_they_hold(kind, client):
    files = to_files(IMAGES, kind)
    pixels = np.stack([np.asarray(Image.open(io.BytesIO(file))) for file in files])
    for found, known in zip(client.encode(files), client.encode(pixels)):
        np.testing.assert_array_equal(found, known)
    rebuilt = client.reconstruct(files)
    np.testing.assert_array_equal(rebuilt, client.reconstruct(pixels))
    assert rebuilt.shape == IMAGES.shape


def test_a_batch_is_split_to_the_limit_and_put_together_in_order(
    host, client, monkeypatch
):
    with Client(host, "drawn", max_batch_size=2) as splitting:
        rows = count_rows(splitting, monkeypatch)
        for found, known in zip(splitting.encode(IMAGES), client.encode(IMAGES)):
            np.testing.assert_array_equal(found, known)
    assert rows == [2, 2, 1]


def test_rows_of_a_request_stay_below_the_size_of_a_message():
    small = {"images": np.zeros((100, 32, 32, 3), "uint8")}
    assert rows_of_request(small, 32) == 32
    large = {"images": np.zeros((8, 1024, 1024, 3), "uint8")}
    assert rows_of_request(large, 32) == 1
    codes = {name: np.zeros((64, 256, 256), "int32") for name in "ab"}
    rows = rows_of_request(codes, 32)
    assert rows == 7
    assert rows * 2 * 256 * 256 * 4 <= MAX_REQUEST_BYTES < 4 * 2**20
    files = {"image_bytes": np.array([b"x" * 10**6, b"y"], object)}
    assert rows_of_request(files, 32) == 4


def test_a_seed_draws_the_same_images_however_they_are_asked_for(host, client):
    drawn = client.sample(1, 5, temperature=0.9, seed=3)
    assert drawn.labels.tolist() == [1] * 5
    assert [codes.shape for codes in drawn.codes] == [(5, 8, 8), (5, 16, 16)]
    np.testing.assert_allclose(
        client.decode(drawn.codes).astype(int), drawn.images, rtol=0, atol=1
    )
    with Client(host, "drawn", max_batch_size=2) as splitting:
        again = splitting.sample(1, 3, temperature=0.9, seed=3)
    np.testing.assert_array_equal(again.codes[1], drawn.codes[1][:3])
    other = client.sample(1, 5, temperature=0.9, seed=4)
    assert np.any(other.codes[1] != drawn.codes[1])
    assert len(np.unique(drawn.codes[1], axis=0)) == 5
    assert set(client.sample(None, 8).labels) == {0, 1}


def test_the_bfloat16_variant_is_served_beside_the_other(host, client):
    with Client(host, "drawn_bfloat16") as other:
        top, bottom = other.encode(IMAGES)
        images = other.decode(client.encode(IMAGES))
    # A small untrained model has codes close to each other.
    assert np.mean(bottom == client.encode(IMAGES)[1]) > 0.7
    known = client.decode(client.encode(IMAGES))
    np.testing.assert_allclose(images.astype(int), known, rtol=0, atol=16)
    assert np.any(images != known)
    assert top.shape == (5, 8, 8)


WRONG = {
    "another size": (
        lambda c: c.encode(IMAGES[:, :16]),
        "INVALID_ARGUMENT",
        "[?,32,32,3]",
    ),
    "a code beyond": (
        lambda c: c.decode([code + 16 for code in c.encode(IMAGES)]),
        "INVALID_ARGUMENT",
        "expected top_codes in [0, 16), received values from] [16]",
    ),
    "no image file": (
        lambda c: c.encode([b"GIF89a"]),
        "INVALID_ARGUMENT",
        "expected the bytes of JPEG or PNG files, received other bytes",
    ),
    "a file of another size": (
        lambda c: c.reconstruct(to_files(make_images(1, 64), "JPEG")),
        "INVALID_ARGUMENT",
        "expected images of 32 x 32 (height x width), received] [64] [x] [64]",
    ),
    "half a file": (
        lambda c: c.encode([to_files(IMAGES[:1], "JPEG")[0][:700]]),
        "INVALID_ARGUMENT",
        "Invalid JPEG data",
    ),
    "a class beyond": (
        lambda c: c.sample(2),
        "INVALID_ARGUMENT",
        "expected label in [-1, 2), received values from] [2] [to] [2]",
    ),
    "no temperature": (
        lambda c: c.sample(0, temperature=0),
        "INVALID_ARGUMENT",
        "expected a temperature above 0, received] [0]",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_an_error_repeats_the_reason_of_the_server(name, client):
    ask, code, reason = WRONG[name]
    with pytest.raises(ServingError) as caught:
        ask(client)
    assert caught.value.code == code
    assert reason in caught.value.reason
    assert "of drawn at" in str(caught.value)
    # The server goes on.
    assert client.encode(IMAGES[:1])[0].shape == (1, 8, 8)


def test_a_model_that_is_not_served_is_not_found(host):
    with Client(host, "unknown") as client:
        assert not client.is_ready()
        with pytest.raises(ServingError, match="NOT_FOUND: Servable not found"):
            client.encode(IMAGES)


def test_what_cannot_be_meant_is_refused_before_it_is_sent(client):
    with pytest.raises(ValueError, match="expected images of dtype uint8.*float32"):
        client.encode(to_floats(IMAGES))
    with pytest.raises(ValueError, match="top_codes, bottom_codes, received 1"):
        client.decode([np.zeros((1, 8, 8), "int32")])
    with pytest.raises(ValueError, match="bottom_codes of int32.*float64"):
        client.decode([np.zeros((1, 8, 8), "int32"), np.zeros((1, 16, 16))])
    with pytest.raises(ValueError, match="at least one sample, received 0"):
        client.sample(0, 0)


@pytest.mark.parametrize(
    "option", [{"timeout": 0}, {"retries": -1}, {"max_batch_size": 0}]
)
def test_an_impossible_option_is_named(option):
    (name,) = option
    with pytest.raises(ValueError, match=f"expected {name} >= .*received {name}="):
        Client("http://127.0.0.1:1", "x", **option)


@pytest.mark.parametrize("prefix", ["", "http://"])
def test_nobody_at_the_address_is_unavailable_within_the_time(prefix):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    began = time.monotonic()
    with Client(f"{prefix}127.0.0.1:{port}", "drawn", retries=2) as client:
        assert not client.is_ready()
        with pytest.raises(ServingError) as caught:
            client.encode(IMAGES)
    assert caught.value.code == "UNAVAILABLE"
    assert time.monotonic() - began < 5


def test_threads_that_share_a_client_get_their_own_answers(client):
    known = client.encode(IMAGES)[1]
    order = np.random.default_rng(0).integers(0, len(IMAGES), 40)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(client.encode, IMAGES[row : row + 1]) for row in order]
        for row, answer in zip(order, asked):
            np.testing.assert_array_equal(answer.result()[1][0], known[row])


WITHOUT_TENSORFLOW = """
import sys

import numpy as np

from vqzoo.serving import Client

client = Client(sys.argv[1], "drawn")
top, bottom = client.encode(np.zeros((2, 32, 32, 3), "uint8"))
print(bottom.shape, "tensorflow" in sys.modules, "grpc" in sys.modules)
"""


def test_rest_needs_neither_tensorflow_nor_grpc(ports, run_python):
    host = f"http://127.0.0.1:{ports['rest']}"
    finished = run_python("-c", WITHOUT_TENSORFLOW, host, backend="jax")
    assert finished.stdout.split("\n")[0] == "(2, 16, 16) False False"


def test_the_client_sends_what_the_artifact_lets_a_server_put_together(artifact):
    text = (artifact / "batching_parameters.txt").read_text()
    assert f"max_batch_size {{ value: {MAX_BATCH_SIZE} }}" in text
