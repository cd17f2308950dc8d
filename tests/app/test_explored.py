import keras
import numpy as np
import pytest

from tests.helpers.case import FEW_CHANNELS
from tests.helpers.small_models import plain_quantizer
from vqzoo.app.explored import Explored
from vqzoo.layers import ProjectedLatents
from vqzoo.models import HQA, VQVAE, SeparateVQVAEs


def clipped(images):
    return np.clip(np.asarray(images), -0.5, 0.5)


@pytest.mark.parametrize("name", ["one_tier", "two_tiers", "three_tiers", "two_codes"])
def test_codes_and_images_are_the_models_own(name, request, images_of):
    explored = request.getfixturevalue(name)
    images = images_of(explored.image_shape)
    codes = explored.encode(images)
    assert {c.ndim for c in codes} == {4}
    for found, expected in zip(codes, explored.model.encode(images)):
        expected = np.asarray(expected)
        assert np.array_equal(found.reshape(expected.shape), expected)
    expected = clipped(explored.model(images, training=False))
    np.testing.assert_allclose(explored.decode(codes), expected, atol=1e-5)
    np.testing.assert_allclose(explored.reconstruct(images), expected, atol=1e-5)


def test_a_tier_that_is_off_is_none_to_the_model(two_tiers, images_of):
    codes = two_tiers.encode(images_of(two_tiers.image_shape))
    top, bottom = (c[..., 0] for c in codes)
    for shown, given in (([0], (top, None)), ([1], (None, bottom))):
        expected = clipped(two_tiers.model.decode(given))
        np.testing.assert_allclose(two_tiers.decode(codes, shown), expected, atol=1e-5)
    both = two_tiers.decode(codes, [1, 0])
    np.testing.assert_allclose(both, two_tiers.decode(codes), atol=1e-6)
    assert np.abs(both - two_tiers.decode(codes, [0])).max() > 1e-4


def test_without_any_tier_there_is_no_image(two_tiers, images_of):
    codes = two_tiers.encode(images_of(two_tiers.image_shape))
    with pytest.raises(ValueError, match="at least one tier to be on"):
        two_tiers.decode(codes, [])


@pytest.mark.parametrize(
    ("make", "options"),
    [(HQA, {"bottom_stride": 2}), (SeparateVQVAEs, {"strides": (4, 2)})],
)
def test_tiers_that_decide_alone_are_shown_alone(make, options, images_of):
    keras.utils.set_random_seed(0)
    quantizers = [plain_quantizer(), plain_quantizer()]
    model = make(quantizers, image_shape=(8, 8, 3), **options, **FEW_CHANNELS)
    explored = Explored(model)
    images = images_of((8, 8, 3))
    expected = clipped(model.decode((model.encode(images)[0], None)))
    codes = explored.encode(images)
    np.testing.assert_allclose(explored.decode(codes, [0]), expected, atol=1e-5)


def test_a_hybrid_model_reconstructs_with_its_real_numbers(images_of):
    keras.utils.set_random_seed(0)
    layer = ProjectedLatents(plain_quantizer())
    model = VQVAE(layer, image_shape=(8, 8, 3), **FEW_CHANNELS)
    explored = Explored(model)
    images = images_of((8, 8, 3))
    rebuilt = explored.reconstruct(images, [0])
    np.testing.assert_allclose(rebuilt, clipped(model(images)), atol=1e-5)
    assert explored.model.is_hybrid
    assert np.abs(rebuilt - explored.decode(explored.encode(images))).max() > 1e-4


def test_codes_are_counted_and_weighed(two_tiers, two_codes):
    assert two_tiers.num_codes == 4 + 16
    assert two_tiers.num_bytes == 10  # 4 * 3 + 16 * 4 = 76 bits
    assert two_codes.num_codes == 8
    assert two_codes.num_bytes == 3  # 8 codes of 3 bits


def test_every_index_of_a_latent_is_a_map_of_its_own(two_tiers, two_codes):
    assert [m.name for m in two_tiers.maps] == ["top", "bottom"]
    assert [m.grid for m in two_tiers.maps] == [(2, 2), (4, 4)]
    assert [m.num_embeddings for m in two_tiers.maps] == [8, 16]
    names = [m.name for m in two_codes.maps]
    assert names == ["bottom, code 1 of 2", "bottom, code 2 of 2"]
    assert [two_codes.several_codes(0), two_tiers.several_codes(1)] == [True, False]
    books = [two_codes.codebook(m) for m in two_codes.maps]
    stages = two_codes.model.quantizer.quantizers
    for book, stage in zip(books, stages):
        assert np.array_equal(book, np.asarray(stage.codebook))
    assert not np.array_equal(*books)


def test_the_model_is_described_in_one_line(two_tiers, two_codes):
    text = two_tiers.describe()
    assert text.endswith(
        "images 16 x 16 x 3; codes top 2 x 2, K = 8; bottom 4 x 4, K = 16"
    )
    assert "bottom 2 x 2 with 2 codes each, K = 8" in two_codes.describe()
