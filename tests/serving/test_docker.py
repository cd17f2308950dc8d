"""The real server: the official image, started as the artifact's README says."""

import shutil
import subprocess
import time

import numpy as np
import pytest

from tests.helpers.small_models import make_images
from vqzoo import trained
from vqzoo.export import serving
from vqzoo.serving import Client, ServingError

pytestmark = pytest.mark.slow
IMAGES = make_images(40)
START_SECONDS = 180


def docker(*arguments, **options):
    return subprocess.run(
        ["docker", *arguments], capture_output=True, text=True, check=False, **options
    )


def reason_to_skip():
    """Why the server cannot run here, or None."""
    if shutil.which("docker") is None:
        return "Docker is not installed"
    if docker("info").returncode:
        return "no Docker daemon runs"
    if docker("compose", "version").returncode:
        return "Docker has no Compose"
    if docker("image", "inspect", serving.IMAGE).returncode:
        pulled = docker("pull", "--quiet", serving.IMAGE)
        if pulled.returncode:
            return f"{serving.IMAGE} is not to be had: {pulled.stderr.strip()[:200]}"
    return None


@pytest.fixture(scope="module", params=["serving", "serving-batching"])
def server(request):
    """A started service of the artifact's docker-compose.yml."""
    if reason := reason_to_skip():
        pytest.skip(f"needs the server's image: {reason}")
    artifact = request.getfixturevalue("artifact")
    started = docker("compose", "up", "--detach", request.param, cwd=artifact)
    assert started.returncode == 0, started.stderr
    try:
        ends = time.monotonic() + START_SECONDS
        with Client("http://localhost:8501", "drawn", timeout=5) as client:
            while not client.is_ready() and time.monotonic() < ends:
                time.sleep(1)
        yield request.param
    finally:
        docker("compose", "--profile", "batching", "down", cwd=artifact)


@pytest.mark.parametrize("host", ["localhost:8500", "http://localhost:8501"])
def test_the_real_server_answers_as_the_model(host, server, artifact):
    model = trained.load(artifact).model
    with Client(host, "drawn") as client:
        codes = client.encode(IMAGES)
        known = model.encode(IMAGES.astype("float32") / np.float32(255) - 0.5)
        for found, expected in zip(codes, known):
            assert np.mean(found != expected) < 1e-2
        images = client.decode(codes).astype(int)
        np.testing.assert_allclose(images, client.reconstruct(IMAGES), rtol=0, atol=2)
        drawn = client.sample(1, 3, seed=1)
        np.testing.assert_array_equal(client.sample(1, 3, seed=1).images, drawn.images)
        with pytest.raises(ServingError, match=r"top_codes in \[0, 16\)"):
            client.decode([code + 16 for code in codes])
    with Client(host, "drawn_bfloat16") as client:
        assert client.reconstruct(IMAGES).shape == IMAGES.shape


def test_compose_calls_the_real_server_healthy(server, artifact):
    ends = time.monotonic() + START_SECONDS
    while time.monotonic() < ends:
        listed = docker("compose", "ps", "--format", "{{.Health}}", cwd=artifact)
        if "healthy" in listed.stdout.split():
            return
        time.sleep(2)
    raise AssertionError(f"{server} is not healthy: {listed.stdout} {listed.stderr}")
