import numpy as np
import pytest

from vqzoo.datasets.images import open_image
from vqzoo.runs import films

pytestmark = pytest.mark.once


def test_a_film_has_its_frames_and_its_pace(tmp_path):
    frames = np.zeros((3, 4, 6, 1), "uint8")
    frames[1], frames[2, :, :3] = 255, 255
    written = films.save(frames, tmp_path / "film", rate=10, scale=2)
    assert written[0] == tmp_path / "film.gif"
    with open_image(written[0].read_bytes()) as image:
        assert (image.n_frames, image.size) == (3, (12, 8))
        assert image.info["duration"] == 100
        for number, frame in enumerate(frames):
            image.seek(number)
            shown = np.asarray(image.convert("L"))[::2, ::2]
            np.testing.assert_array_equal(shown, frame[..., 0])
    assert sorted(tmp_path.iterdir()) == sorted(written)


def test_what_is_no_film_is_refused(tmp_path):
    for frames in (np.zeros((2, 4, 4, 3)), np.zeros((0, 4, 4, 3), "uint8")):
        with pytest.raises(ValueError, match="uint8 frames of"):
            films.save(frames, tmp_path / "film")
