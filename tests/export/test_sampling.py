import json

import numpy as np
import pytest

from tests.helpers.small_models import METRICS, SETTINGS, make_model
from vqzoo import export, trained
from vqzoo.priors import MaskGIT, PixelCNN, ProgressiveGAN
from vqzoo.priors.pipeline import Pipeline

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("sampling export")]
SMALL = {"num_blocks": 1, "num_channels": 8, "first_kernel_size": 3}


def request(*labels, temperature=1.0, guidance=1.0, seeds=None):
    seeds = range(len(labels)) if seeds is None else seeds
    arguments = {
        "label": np.array(labels, "int32"),
        "temperature": np.full(len(labels), temperature, "float32"),
        "guidance": np.full(len(labels), guidance, "float32"),
        "seed": np.array(seeds, "int32"),
    }
    return "sample", arguments


REFUSED = {
    "a class beyond": (
        request(0, 2),
        "expected label in [-1, 2), received values from] [0] [to] [2]",
    ),
    "no temperature": (request(0, temperature=0.0), "expected a temperature above 0"),
    "no number": (request(0, temperature=np.nan), "expected a temperature above 0"),
    "guided backwards": (
        request(0, guidance=-1.0),
        "expected guidance of at least 0, received] [-1]",
    ),
    "guided without end": (
        request(0, guidance=np.inf),
        "expected guidance of at least 0, received]",
    ),
    "an empty batch": (request(), "expected a batch of 1 or more labels"),
    "too few seeds": (
        request(0, 1, seeds=[3]),
        "[expected as many seed as label, received] [1] [and] [2]",
    ),
}


@pytest.fixture(scope="module")
def artifact(tmp_path_factory):
    """An exported pipeline: an autoregressive prior and a masked one, two classes."""
    run = tmp_path_factory.mktemp("run")
    top = PixelCNN((8, 8), 16, num_classes=2, label_dropout=0.1, **SMALL)
    bottom = MaskGIT(
        (16, 16),
        16,
        context=[((8, 8), 16)],
        num_layers=1,
        num_channels=8,
        num_heads=2,
    )
    Pipeline(make_model("two tiers"), [top, bottom], ("cat", "dog")).save(run)
    (run / "metrics.json").write_text(json.dumps(METRICS))
    (run / "recipe.json").write_text(json.dumps(SETTINGS))
    return export.export(run, tmp_path_factory.mktemp("export") / "drawn")[0]


@pytest.fixture(scope="module")
def answers(artifact, run_c_api):
    """What TensorFlow's C library answers, by request."""
    requests = {
        "first": request(0, 1, -1, seeds=[3, 4, 5]),
        "again": request(0, 1, -1, seeds=[3, 4, 5]),
        "other": request(0, 1, -1, seeds=[6, 7, 8]),
        "merged": request(1, 1, -1, 0, seeds=[9, 4, 5, 3]),
        "alone": request(1, seeds=[4]),
        "guided": request(0, 1, guidance=8.0, seeds=[3, 4]),
    }
    requests |= {name: asked for name, (asked, _) in REFUSED.items()}
    return run_c_api(artifact / "saved_model" / "1", requests)


def test_the_c_library_draws_images_of_codes_by_seed(answers, artifact):
    codes = [answers[f"first|{tier}_codes"] for tier in ("top", "bottom")]
    assert [c.shape for c in codes] == [(3, 8, 8), (3, 16, 16)]
    assert all(0 <= c.min() and c.max() < 16 and c.dtype == np.int32 for c in codes)
    assert answers["first|label"].tolist()[:2] == [0, 1]
    assert answers["first|label"][2] in (0, 1)
    images = answers["first|images"]
    assert images.dtype == np.uint8
    model = trained.load(artifact).model
    decoded = np.asarray(model.decode(codes))
    levels = np.clip(np.round((decoded + 0.5) * 255), 0, 255)
    assert np.abs(levels - images.astype(float)).max() <= 1
    assert np.array_equal(answers["again|bottom_codes"], codes[1])
    assert not np.array_equal(answers["other|bottom_codes"], codes[1])


def test_rows_that_a_server_puts_together_are_drawn_as_alone(answers):
    for output in ("top_codes", "bottom_codes", "label"):
        first, merged = answers[f"first|{output}"], answers[f"merged|{output}"]
        np.testing.assert_array_equal(merged[[3, 1, 2]], first)
        np.testing.assert_array_equal(answers[f"alone|{output}"], first[1:2])
    assert len(np.unique(answers["merged|bottom_codes"], axis=0)) == 4


def test_guidance_changes_what_is_drawn(answers):
    plain, guided = answers["first|top_codes"][:2], answers["guided|top_codes"]
    assert guided.shape == plain.shape and (guided != plain).any()


@pytest.mark.parametrize("name", REFUSED)
def test_a_wrong_request_is_an_error(name, answers):
    assert REFUSED[name][1] in str(answers[f"{name}|error"])


def test_the_artifact_is_a_pipeline_with_its_facts(artifact):
    facts = json.loads((artifact / "manifest.json").read_text())
    assert facts["priors"]["class_names"] == ["cat", "dog"]
    assert facts["priors"]["tiers"]["bottom"]["class"] == "MaskGIT"
    described = facts["saved_model"]["signatures"]["sample"]
    assert set(described["inputs"]) == {"label", "temperature", "seed", "guidance"}
    assert '"guidance": [2.0, 2.0]' in (artifact / "README.md").read_text()
    assert set(described["outputs"]) == {
        "images",
        "label",
        "top_codes",
        "bottom_codes",
    }
    assert '"signature_name": "sample"' in (artifact / "README.md").read_text()
    samples = trained.load(artifact).pipeline.sample(2, 1, seed=0)
    assert samples.images.shape == (2, 32, 32, 3)


def test_a_gan_draws_in_the_graph_as_outside(tmp_path):
    gan = ProgressiveGAN((8, 8), 16, 4, channels=(8, 8), noise_dim=6)
    noise = np.random.default_rng(0).normal(size=(3, 6)).astype("float32")
    drawn = gan.sampler()({"noise": noise, "temperature": np.ones(3, "float32")})
    expected = gan.codes_of(gan.predict_on_batch(noise))
    np.testing.assert_array_equal(drawn, expected)


def test_priors_that_do_not_load_are_refused(artifact, tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    for name in ("model.keras", "pipeline.json"):
        (run / name).write_bytes((artifact / name).read_bytes())
    for name in ("metrics", "recipe"):
        (run / f"{name}.json").write_text("{}")
    message = "expected all files of a model and its priors, .* without top.keras"
    with pytest.raises(trained.TrainedError, match=message):
        export.export(run, tmp_path / "target")
