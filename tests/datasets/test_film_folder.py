import numpy as np
import pytest

from vqzoo import datasets
from vqzoo.datasets import films, moving_sprites
from vqzoo.datasets.bounds import BOUNDS, BoundError
from vqzoo.runs import films as saving

pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Four films of 6 frames of 24 x 16 in few colors, two of them equal."""
    path = tmp_path_factory.mktemp("films")
    for number in (0, 1, 2, 2):
        frames = np.zeros((6, 16, 24, 3), np.uint8)
        for index, frame in enumerate(frames):
            frame[:, 4 * number + index] = 255
        name = "again" if (path / f"film_{number}.gif").exists() else "film"
        saving.save(frames, path / f"{name}_{number}")
    (path / "notes.txt").write_text("no film")
    return path


def test_a_film_is_read_as_square_frames(folder):
    read = films.read(folder / "film_1.gif", 16)
    assert read.shape == (6, 16, 16, 3) and read.dtype == np.uint8
    # The center of the width is kept, which begins at its fourth column.
    np.testing.assert_array_equal(read[:, 8, :, 0].argmax(axis=1), np.arange(6))
    assert films.read(folder / "film_1.gif", 8).shape == (6, 8, 8, 3)


def test_equal_films_are_in_one_split(folder):
    found = films.read_folder(folder, 16)
    counts = {name: len(some) for name, some in found.by_split().items()}
    assert sum(counts.values()) == 4 and min(counts.values()) >= 1
    everywhere = [
        {film.tobytes() for film in some} for some in found.by_split().values()
    ]
    assert len(set.union(*everywhere)) == sum(map(len, everywhere)) == 3
    again = films.read_folder(folder, 16)
    assert again.fingerprint == found.fingerprint
    assert films.read_folder(folder, 8).fingerprint != found.fingerprint


def test_frames_are_a_data_set(folder):
    splits = datasets.load("films", data_dir=folder, image_size=16, channels=1)
    assert splits.image_shape == (16, 16, 1) and splits.summary["images"] == 24
    images, _ = splits.test.arrays()
    (film,) = films.read_folder(folder, 16).test[:1]
    np.testing.assert_allclose(images[:6, ..., 0], film[..., 0] / 255 - 0.5, atol=0.01)


def test_what_is_no_film_is_named(folder, tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError, match="folder of films"):
        films.read_folder(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="at least 3 different films"):
        films.read_folder(tmp_path)
    whole = (folder / "film_0.gif").read_bytes()
    for name, data, message in (
        ("cut.gif", whole[:40], "received .*cut.gif"),
        ("other.gif", b"no film", "can be decoded, received .*other.gif"),
    ):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(ValueError, match=message):
            films.read(tmp_path / name)
    saving.save(np.zeros((1, 16, 16, 3), np.uint8), tmp_path / "one")
    with pytest.raises(ValueError, match="at least 2 frames, received .*one.gif of 1"):
        films.read(tmp_path / "one.gif")
    monkeypatch.setattr(BOUNDS, "bytes", 4000)
    with pytest.raises(BoundError, match="at most 4,000 bytes of the frames"):
        films.read(folder / "film_0.gif", 16)


def test_a_video_without_the_package_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr(films.importlib.util, "find_spec", lambda name: None)
    (tmp_path / "film.mp4").write_bytes(b"")
    with pytest.raises(ValueError, match="pip install imageio-ffmpeg"):
        films.read(tmp_path / "film.mp4")


def test_a_video_that_does_not_decode_is_named(tmp_path):
    pytest.importorskip("imageio_ffmpeg", reason="needs imageio-ffmpeg")
    (tmp_path / "film.mp4").write_bytes(b"no film")
    with pytest.raises(ValueError, match="film.mp4, which ffmpeg does not decode"):
        films.read(tmp_path / "film.mp4")


def test_sprites_move_at_constant_speed_and_bounce():
    rendered = moving_sprites.render(8, 32, 40, seed=1)
    assert rendered.shape == (8, 40, 32, 32, 3) and rendered.dtype == np.uint8
    np.testing.assert_array_equal(rendered, moving_sprites.render(8, 32, 40, seed=1))
    assert np.any(rendered != moving_sprites.render(8, 32, 40, seed=2))
    shown = rendered.max(axis=-1) > 0
    assert shown.any(axis=(2, 3)).all()
    assert np.any(rendered[:, 1:] != rendered[:, :-1], axis=(2, 3, 4)).mean() > 0.9
    places = moving_sprites._bounced(np.arange(0, 50, 5.0), 20)
    np.testing.assert_array_equal(places, [0, 5, 10, 15, 20, 15, 10, 5, 0, 5])
    with pytest.raises(ValueError, match="16 pixels or more, received 8"):
        moving_sprites.render(1, 8)


def test_digits_and_shapes_are_those_they_are():
    digits = list(moving_sprites._digits(16))
    np.testing.assert_array_equal(
        digits[1], np.array([[0, 1, 0], [1, 1, 0], [0, 1, 0], [0, 1, 0], [1, 1, 1]])
    )
    assert [each.shape for each in moving_sprites._digits(64)] == [(20, 12)] * 10
    square, ellipse, heart = moving_sprites._shapes(64)
    assert square.all() and 0.6 < ellipse.mean() < 0.9 and 0.5 < heart.mean() < 0.9


def test_rendered_films_are_a_data_set():
    splits = moving_sprites.films_of(16, 0.01).frames(1)
    assert splits.image_shape == (16, 16, 1)
    assert (splits.train.size, splits.test.size) == (10 * 20, 2 * 20)
    assert splits.train.arrays(limit=3)[0].min() == -0.5
