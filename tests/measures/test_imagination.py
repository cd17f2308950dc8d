import types

import numpy as np
import pytest

from tests.helpers import subject as small
from vqzoo.datasets import experience
from vqzoo.measures import imagination, measure
from vqzoo.measures.findings import Skipped
from vqzoo.world.actions import Actions

SHAPE = (8, 8, 1)
KNOWN, LENGTH = 2, 8


def game(count=4, seed=0):
    """Rows of a dot that moves one pixel to the right with each frame."""
    generator = np.random.default_rng(seed)
    rows = np.zeros((count, LENGTH), experience.row_type(SHAPE))
    for row in rows:
        start = generator.integers(8)
        for time, frame in enumerate(row["frame"]):
            frame[2, (start + time) % 8] = 255
    return rows


class World:
    """A world whose latents are the pixels; `foresee` says what it dreams."""

    frame_shape = SHAPE
    actions = Actions(count=2)
    environment = "dot"

    def __init__(self, foresee):
        self.memory = types.SimpleNamespace(
            dream=lambda known, actions, num_frames, temperature, seed: {
                "latents": foresee(known, num_frames)
            },
            log_prob=lambda latents, actions: (
                -np.tile(np.arange(latents.shape[1], dtype=float), (len(latents), 1))
            ),
        )

    def encode(self, frames):
        return frames.reshape(len(frames), -1).astype("float32")

    def decode(self, latents):
        return latents.reshape(-1, *SHAPE).astype("uint8")


def knows(known, count):
    """The true game: the dot goes on."""
    film = [known[:, i] for i in range(known.shape[1])]
    while len(film) < count:
        film.append(np.roll(film[-1].reshape(-1, *SHAPE), 1, axis=2).reshape(-1, 64))
    return np.stack(film, axis=1)


def noise(known, count):
    shape = (len(known), count, known.shape[2])
    return np.random.default_rng(0).integers(256, size=shape).astype("float32")


def copies(known, count):
    return np.repeat(known[:, -1:], count, axis=1)


class Rows:
    """An episode of some rows."""

    def __init__(self, rows):
        self.rows = rows

    def __len__(self):
        return len(self.rows) - 1


def dreamed(foresee):
    return imagination.Dreamed(World(foresee), game(), known=KNOWN)


def test_who_knows_the_game_foresees_it_and_stays_in_it():
    found = dreamed(knows)
    for horizon in (1, 6):
        figures = found.figures(horizon)
        assert figures["psnr"] == figures["reconstruction_psnr"] > 59.9
        assert found.drift(horizon) == {"decodable": 1, "objects": 1}
    # A dot that is elsewhere: two of 64 pixels are wrong by 1.
    expected = 10 * np.log10(32)
    assert found.figures(3)["copy_psnr"] == pytest.approx(expected, abs=1e-3)


def test_the_last_known_frame_foresees_as_much_as_a_copy():
    figures = dreamed(copies).figures(4)
    assert figures["psnr"] == figures["copy_psnr"] < figures["reconstruction_psnr"]


def test_noise_foresees_nothing_and_has_no_objects():
    found = dreamed(noise)
    assert found.figures(1)["psnr"] < 6
    assert found.drift(5)["objects"] == 0


def test_nats_are_a_mean_over_the_next_frames():
    found = dreamed(knows)
    assert found.nats(1) == KNOWN
    assert found.nats(3) == KNOWN + 1


def test_windows_are_of_episodes_that_are_long_enough():
    rows = game(3).reshape(3, LENGTH)
    episodes = [Rows(row) for row in (rows[0][:3], *rows)]
    held = types.SimpleNamespace(episodes=lambda split: episodes)
    found = imagination.windows(held, 5, 6)
    assert found.shape == (5, 6) and found["frame"].max() == 255
    with pytest.raises(Skipped, match="no test episode has 9 frames"):
        imagination.windows(held, 5, 9)


def test_a_model_alone_dreams_nothing():
    (section,) = measure(small.subject_of(), ["imagination"])
    assert "give the folder of a world model" in next(iter(section.skipped.values()))


def test_a_report_has_a_row_for_each_horizon_that_an_episode_is_long_enough_for(
    monkeypatch,
):
    class Episodes(experience.Experience):
        def __init__(self):
            pass

        def episodes(self, split):
            assert split == "test"
            return [Rows(rows) for rows in game(3)]

    subject = small.subject_of()
    subject.options["world"] = World(knows)
    subject.data = types.SimpleNamespace(table=Episodes())
    monkeypatch.setattr(imagination, "CONTEXT", KNOWN)
    (section,) = measure(subject, ["imagination"])
    assert section.skipped == {}
    assert [row[0] for row in section.tables[0].rows] == ["1", "5"]
    assert section.metrics["psnr_5"] > 59 and section.metrics["decodable_5"] == 1
    assert len(section.pictures) == 1
