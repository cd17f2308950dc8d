import numpy as np
import pytest

from tests.helpers import subject as small
from vqzoo.measures import measure
from vqzoo.measures.corruption import corrupted


def test_corruptions_are_of_the_size_that_their_names_say():
    images = np.full((2, 20, 20, 3), 0.25, "float32")
    found = corrupted(images)
    assert (found["masked_0.25"] == 0).all(-1).sum() == 2 * 100
    assert np.unique(found["masked_0.5"]).tolist() == [0, 0.25]
    noise = found["noise_0.1"] - images
    assert noise.std() == pytest.approx(0.1, rel=0.1)
    assert np.abs(found["noise_0.2"]).max() <= 0.5
    assert all(np.array_equal(found[k], v) for k, v in corrupted(images).items())


def test_what_returns_its_input_restores_nothing_and_the_clean_image_all(monkeypatch):
    subject = small.subject_of()
    monkeypatch.setattr(subject, "reconstruct", lambda images: images)
    (section,) = measure(subject, ["corruption"])
    found = section.metrics
    assert found["masked_0.25_psnr"] == found["masked_0.25_input_psnr"]
    assert found["noise_0.1_psnr"] > found["noise_0.2_psnr"]
    clean = subject.images[: subject.sizes.some]
    monkeypatch.setattr(subject, "reconstruct", lambda images: clean)
    (section,) = measure(subject, ["corruption"])
    assert section.metrics["masked_0.5_psnr"] == 100
    assert [row[0] for row in section.tables[0].rows][::2] == [
        "masked 0.25",
        "noise 0.1",
    ]
