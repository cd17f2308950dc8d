import types

import numpy as np
import pytest

from tests.helpers.pipelines import pipeline_of
from vqzoo.app import likelihood
from vqzoo.app.explored import Explored


@pytest.fixture(scope="module", params=[2, 0])
def pipeline(request):
    return pipeline_of(request.param)


@pytest.fixture
def codes(pipeline, images_of):
    explored = Explored(pipeline.model)
    images = images_of(explored.image_shape)
    return images, tuple(tier[..., 0] for tier in explored.encode(images))


def test_the_bits_of_all_codes_are_the_likelihood_of_the_pipeline(pipeline, codes):
    labels = np.array([1, 0]) if pipeline.num_classes else None
    maps = likelihood.bits(pipeline, codes[1], labels)
    assert [tier.shape for tier in maps] == [tier.shape for tier in codes[1]]
    total = sum(tier.sum(axis=(1, 2)) for tier in maps)
    nats = pipeline.log_prob(codes[1], labels)
    np.testing.assert_allclose(total, -nats / np.log(2), rtol=1e-5)


def test_classes_share_what_the_likelihoods_say(pipeline, codes):
    maps, shares = likelihood.of_classes(pipeline, codes[1])
    assert len(maps[0]) == max(1, pipeline.num_classes) == len(shares)
    np.testing.assert_allclose(shares.sum(axis=0), 1)
    if pipeline.num_classes:
        nats = [pipeline.log_prob(codes[1], np.full(2, label)) for label in range(2)]
        expected = 1 / (1 + np.exp(nats[1] - nats[0]))
        np.testing.assert_allclose(shares[0], expected, rtol=1e-3)


def test_white_is_the_code_that_takes_the_most_bits(pipeline, codes):
    explored = Explored(pipeline.model)
    name = "dog" if pipeline.num_classes else None
    first, second = np.split(
        np.array(likelihood.look(explored, pipeline, codes[0], name), object), 2
    )
    labels = np.array([1, 1]) if pipeline.num_classes else None
    maps = likelihood.bits(pipeline, codes[1], labels)
    for tier, pair in zip(maps, zip(first, second)):
        for image, picture in zip(tier, pair):
            side = len(picture) // len(image)
            shown = picture[side // 2 :: side, side // 2 :: side, 0]
            np.testing.assert_allclose(shown, image / tier.max() * 255, atol=0.6)
    total = sum(tier[0].sum() for tier in maps)
    assert (
        f"**First image: {total:,.0f} bits**, {total / 256:.3f} bits per pixel"
        in first[-1]
    )
    assert ("Likeliest classes" in first[-1]) == bool(pipeline.num_classes)


def test_the_likeliest_class_is_taken_for_each_image(codes):
    pipeline = pipeline_of(2)
    explored = Explored(pipeline.model)
    _, shares = likelihood.of_classes(pipeline, codes[1])
    names = [("cat", "dog")[label] for label in shares.argmax(axis=0)]
    best = likelihood.look(explored, pipeline, codes[0], likelihood.LIKELIEST)
    for part, name in zip((slice(0, 3), slice(3, 6)), names):
        own = likelihood.look(explored, pipeline, codes[0], name)
        assert best[part][-1].split(" Its")[0] == own[part][-1].split(" Its")[0]


def test_without_probabilities_the_tab_says_so():
    assert "There is no prior" in likelihood.missing(None)
    draws = types.SimpleNamespace(priors=[types.SimpleNamespace(likelihood="none")])
    assert "give no probabilities" in likelihood.missing(draws)
    assert likelihood.missing(pipeline_of(0)) == ""
