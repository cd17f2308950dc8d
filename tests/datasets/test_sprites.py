import numpy as np
import pytest

from vqzoo.datasets import sprites


def area(image):
    return int((image > 0).sum())


def center(image):
    rows, columns = np.nonzero(image[..., 0] > 0)
    return columns.mean(), rows.mean()


def test_images_hold_one_shape_in_two_values():
    factors = sprites.sample_factors(200, np.random.default_rng(0))
    images = sprites.images(factors)
    assert images.shape == (200, 64, 64, 1) and images.dtype == np.float32
    assert set(np.unique(images)) == {-0.5, 0.5}
    areas = [area(image) for image in images]
    assert min(areas) > 30 and max(areas) < 64 * 64 / 4
    edge = np.concatenate([images[:, [0, -1]].ravel(), images[:, :, [0, -1]].ravel()])
    assert (edge < 0).all()


def test_each_factor_changes_what_it_says():
    base = np.array([[0, 3, 0, 16, 16]])
    image = sprites.images(base)[0]
    right, down = base.copy(), base.copy()
    right[0, 3], down[0, 4] = 31, 31
    x, y = center(image)
    moved_right, moved_down = (sprites.images(f)[0] for f in (right, down))
    assert center(moved_right)[0] > x + 10
    assert center(moved_right)[1] == pytest.approx(y, abs=0.6)
    assert center(moved_down)[1] > y + 10
    larger, smaller = base.copy(), base.copy()
    larger[0, 1], smaller[0, 1] = 5, 0
    sizes = [area(sprites.images(f)[0]) for f in (smaller, base, larger)]
    assert sizes[0] < sizes[1] < sizes[2]
    assert sizes[2] / sizes[0] == pytest.approx(4, rel=0.1)  # half the radius
    turned = base.copy()
    turned[0, 2] = 5  # an eighth of a turn
    other = sprites.images(turned)[0]
    assert (other != image).sum() > 20
    assert area(other) == pytest.approx(area(image), rel=0.1)


def test_the_three_shapes_differ_and_the_heart_points_down():
    shapes = [sprites.images(np.array([[s, 5, 0, 16, 16]]))[0] for s in range(3)]
    for first, second in ((0, 1), (0, 2), (1, 2)):
        assert (shapes[first] != shapes[second]).mean() > 0.01
    widths = (shapes[2][..., 0] > 0).sum(axis=1)
    rows = np.nonzero(widths)[0]
    assert widths[rows[-1]] < widths[rows[len(rows) // 3]]


def test_equal_factors_give_equal_images_and_none_gives_none():
    factors = sprites.sample_factors(3, np.random.default_rng(1))
    assert np.array_equal(sprites.images(factors), sprites.images(factors))
    assert sprites.images(np.zeros((0, 5), int)).shape == (0, 64, 64, 1)


@pytest.mark.parametrize(
    "factors", [np.zeros((1, 4), int), np.array([[3, 0, 0, 0, 0]]), -np.ones((1, 5))]
)
def test_factors_out_of_range_are_refused(factors):
    with pytest.raises(ValueError, match="expected factors"):
        sprites.images(factors)


def test_splits_are_the_same_each_time_and_name_the_shape():
    splits = sprites.load_sprites(32, 3)
    assert splits.image_shape == (32, 32, 3)
    assert splits.class_names == ("square", "ellipse", "heart")
    assert (splits.train.size, splits.test.size) == (100_000, 10_000)
    (batch,) = splits.test.batches(300, epochs=1).take(1).as_numpy_iterator()
    assert batch["image"].shape == (300, 32, 32, 3)
    assert set(np.unique(batch["label"])) == {0, 1, 2}
    again = next(sprites.load_sprites(32, 3).test.batches(300).as_numpy_iterator())
    assert np.array_equal(batch["image"], again["image"])
    square = batch["image"][batch["label"] == 0][0, ..., 0] > 0
    rows, columns = np.nonzero(square)
    assert square.sum() > 10 and np.ptp(rows) < 20 and np.ptp(columns) < 20


def test_images_of_any_side_show_the_same():
    factors = sprites.sample_factors(20, np.random.default_rng(0))
    small, large = sprites.images(factors, 32), sprites.images(factors, 64)
    halved = large.reshape(20, 32, 2, 32, 2, 1).mean(axis=(2, 4))
    assert np.abs(small - halved).mean() < 0.02


def test_sprites_too_small_to_see_are_refused():
    with pytest.raises(ValueError, match="16 pixels or more, received 8"):
        sprites.load_sprites(8)
