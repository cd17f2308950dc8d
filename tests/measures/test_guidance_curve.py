"""Guidance of stand-ins for priors and judge, whose figures are known."""

import types

import numpy as np
import pytest

from tests.helpers import subject as small
from vqzoo.measures import Skipped, guidance, measure
from vqzoo.measures.sets import frechet_distance

SCALES = (1.0, 1.5, 2.0, 3.0, 4.0)


def subject_of(asked, label_dropout):
    """A subject whose samples become brighter with the scale."""

    def sample(count, labels, *, guidance, **options):
        asked.append({"count": count, "guidance": guidance, **options})
        images, labels = small.images_of(count, 3)
        return types.SimpleNamespace(images=images + guidance / 10, labels=labels)

    prior = types.SimpleNamespace(label_dropout=label_dropout)
    subject = small.subject_of(
        pipeline=types.SimpleNamespace(priors=[prior], sample=sample),
        options={
            "drawing": {"guidance": 1.5, "temperature": 0.9},
            "guidance_scales": SCALES,
        },
    )
    subject.__dict__["judge"] = types.SimpleNamespace(
        features=lambda images: images.mean(axis=(1, 2)),
        accuracy=lambda images, labels: float(images.mean()),
    )
    return subject


def test_each_scale_has_the_figures_of_its_own_samples():
    asked = []
    subject = subject_of(asked, 0.1)
    (section,) = measure(subject, ["guidance"])
    assert not section.skipped
    assert [each["guidance"] for each in asked] == list(SCALES)
    assert {each["temperature"] for each in asked} == {0.9}
    images = small.images_of(12, 3)[0]
    for scale in SCALES:
        drawn = np.clip(images + scale / 10, -0.5, 0.5)
        expected = frechet_distance(
            subject.train_features, drawn.mean(axis=(1, 2), dtype="float32")
        )
        found = section.metrics[f"{scale:g}_fd_resnet"]
        assert found == pytest.approx(expected, rel=1e-4)
        right = section.metrics[f"{scale:g}_of_the_class"]
        assert right == pytest.approx(drawn.mean(), rel=1e-4)
    assert section.metrics["4_recall"] < 1
    (picture,) = section.pictures
    assert len(picture.figure.axes) == 2 and len(section.tables[0].rows) == 5


def test_samples_are_drawn_as_the_options_say():
    subject, asked = subject_of([], 0.1), []
    subject.options["draw"] = lambda *count, **drawing: asked.append((count, drawing))
    subject.draw(guidance=2.0)
    ((count, drawing),) = asked
    assert count == (12, None) and drawing.pop("progress")
    assert drawing == {"guidance": 2.0, "temperature": 0.9, "seed": 0}


def test_priors_that_always_saw_their_class_have_no_curve():
    with pytest.raises(Skipped, match="prior_options=label_dropout=0.1"):
        guidance.measure(subject_of([], 0.0), None)
    subject = subject_of([], 0.1)
    subject.options["guidance_scales"] = []
    with pytest.raises(Skipped, match="takes long: --guidance_scales=1,1.5,2,3"):
        guidance.measure(subject, None)
