"""An artifact with priors, in two precisions, behind a server on the loopback."""

import json
import pathlib
import subprocess
import sys

import pytest

from tests.helpers.small_models import METRICS, SETTINGS, make_model
from vqzoo import export
from vqzoo.export import verification
from vqzoo.priors import PixelCNN
from vqzoo.priors.pipeline import Pipeline
from vqzoo.serving import Client

SMALL = {"num_blocks": 1, "num_channels": 8, "first_kernel_size": 3}
CLASSES = ("cat", "dog")


@pytest.fixture(scope="session")
def artifact(tmp_path_factory):
    """The folder of an artifact: a model of two tiers and priors of two classes."""
    run = tmp_path_factory.mktemp("run")
    top = PixelCNN((8, 8), 16, num_classes=2, **SMALL)
    bottom = PixelCNN((16, 16), 16, num_classes=2, context=[((8, 8), 16)], **SMALL)
    Pipeline(make_model("two tiers"), [top, bottom], CLASSES).save(run)
    (run / "metrics.json").write_text(json.dumps(METRICS))
    (run / "recipe.json").write_text(json.dumps(SETTINGS))
    target = tmp_path_factory.mktemp("export") / "drawn"
    with pytest.MonkeyPatch.context() as patch:
        # tests/export is about the fresh process that compares.
        patch.setattr(verification, "verify", lambda *arguments: {})
        return export.export(run, target, bfloat16=True)[0]


@pytest.fixture(scope="session")
def ports(artifact):
    """Ports of the server, `{"grpc": int, "rest": int}`."""
    script = pathlib.Path(__file__).with_name("endpoint.py")
    with subprocess.Popen(
        [sys.executable, script, artifact], stdout=subprocess.PIPE, text=True
    ) as process:
        yield json.loads(process.stdout.readline())
        process.terminate()


@pytest.fixture(params=["grpc", "rest"])
def host(ports, request):
    """The server's address, over each protocol."""
    prefix = "http://" if request.param == "rest" else ""
    return f"{prefix}127.0.0.1:{ports[request.param]}"


@pytest.fixture
def client(host):
    """A client of the float32 model, over each protocol."""
    with Client(host, "drawn") as client:
        yield client
