import numpy as np
import pytest

from vqzoo.app import interpolate, pictures, reconstruct
from vqzoo.measures.reconstruction import reconstruction_error


def test_the_reconstruction_has_its_figures_beside_it(three_tiers, images_of):
    images = images_of(three_tiers.image_shape)
    shown = [0, 1, 2]
    image, rebuilt, errors, text = reconstruct.look(three_tiers, images, shown)
    assert np.array_equal(image, pictures.picture(images[0]))
    expected = three_tiers.reconstruct(images[:1], shown)
    assert np.array_equal(rebuilt, pictures.picture(expected[0]))
    assert errors.shape == rebuilt.shape and errors.max() == 255
    found = reconstruction_error(images[:1], expected)
    assert f"PSNR {found['psnr']:.2f} dB, SSIM {found['ssim']:.3f}" in text
    assert "768 bytes; its 84 codes have 32 (1.00 bits per pixel)" in text


def test_fewer_tiers_make_another_image(two_tiers, images_of):
    images = images_of(two_tiers.image_shape)
    both, top = (
        reconstruct.look(two_tiers, images, shown)[1] for shown in ([0, 1], [0])
    )
    assert not np.array_equal(both, top)


def test_without_tiers_only_the_image_is_left(two_tiers, images_of):
    images = images_of(two_tiers.image_shape)
    image, rebuilt, errors, text = reconstruct.look(two_tiers, images, [])
    assert image.shape == (256, 256, 3) and rebuilt is errors is None
    assert "All tiers are off" in text


def test_images_too_small_for_ssim_have_psnr_alone(two_codes, images_of):
    text = reconstruct.look(two_codes, images_of(two_codes.image_shape), [0])[3]
    assert "PSNR" in text and "SSIM" not in text


@pytest.mark.parametrize("space", ["indices", "codes", "latents", "pixels"])
@pytest.mark.parametrize("name", ["one_tier", "two_tiers", "two_codes"])
def test_a_strip_begins_with_one_image_and_ends_with_the_other(
    name, space, request, images_of
):
    explored = request.getfixturevalue(name)
    images = images_of(explored.image_shape)
    found = interpolate.strip(explored, images, 5, space)
    ends = images if space == "pixels" else explored.decode(explored.encode(images))
    expected = pictures.sheet(ends, 2, least_side=96)
    width = pictures.sheet(ends[:1], 1, least_side=96).shape[1]
    assert found.shape[0] == expected.shape[0]
    for part in (np.s_[:, :width], np.s_[:, -width:]):
        difference = np.abs(found[part].astype(int) - expected[part])
        assert difference.max() <= 1
    middle = found[:, width : 2 * width]
    assert not np.array_equal(middle, found[:, :width])


@pytest.mark.parametrize("steps", [2, 16])
def test_strips_have_a_length_that_can_be_seen(two_tiers, images_of, steps):
    with pytest.raises(ValueError, match=f"3 to 15 steps, received {steps}"):
        interpolate.strip(two_tiers, images_of(two_tiers.image_shape), steps, "codes")
