import hashlib
import json

import numpy as np
import pytest

from vqzoo.datasets import experience
from vqzoo.measures import state_variables
from vqzoo.training import windows

SHAPE = (8, 8, 3)


def episode(seed, steps=5, action_dim=0):
    """Rows of an episode of random numbers."""
    generator = np.random.default_rng(seed)
    rows = np.zeros(steps + 1, experience.row_type(SHAPE, action_dim, 2))
    rows["frame"] = generator.integers(256, size=(steps + 1, *SHAPE))
    rows["action"][:-1] = generator.integers(3, size=rows["action"][:-1].shape)
    rows["reward"][1] = seed
    rows["state"] = generator.normal(size=(steps + 1, 2))
    rows["terminated"][-2] = True
    return rows


def write(folder, episodes):
    (folder / experience.EPISODES).mkdir()
    entries = []
    for number, rows in enumerate(episodes):
        name = f"{number:06d}.npy"
        np.save(folder / experience.EPISODES / name, rows)
        digest = hashlib.sha256(rows.tobytes()).hexdigest()
        entries.append({"file": name, "steps": len(rows) - 1, "digest": digest})
    card = {"frame_shape": SHAPE, "states": ["x", "y"], "episodes": entries}
    (folder / experience.CARD).write_text(json.dumps(card))
    return folder


def test_an_episode_is_mapped_and_has_one_frame_more_than_actions(tmp_path):
    rows = episode(3, action_dim=2)
    read = experience.Experience(write(tmp_path, [rows])).all[0]
    assert isinstance(read.rows, np.memmap)
    assert (len(read), len(read.frames), len(read.states)) == (5, 6, 6)
    np.testing.assert_array_equal(read.frames, rows["frame"])
    np.testing.assert_array_equal(read.actions, rows["action"][:5])
    assert read.rewards.tolist() == [0, 3, 0, 0, 0]
    assert read.terminated.tolist() == [False] * 4 + [True]
    assert not read.truncated.any()


def test_equal_episodes_are_in_one_split_and_stay_when_others_come(tmp_path):
    folders = [tmp_path / "few", tmp_path / "more"]
    for folder, count in zip(folders, (30, 60)):
        folder.mkdir()
        write(folder, [episode(seed % 29) for seed in range(count)])
    places = []
    for folder in folders:
        read = experience.Experience(folder)
        split_of = {}
        for split in experience.SPLITS:
            for each in read.episodes(split):
                split_of.setdefault(float(each.rewards[1]), set()).add(split)
        assert len(split_of) == 29
        assert {len(splits) for splits in split_of.values()} == {1}
        places.append(split_of)
    assert places[0] == places[1]
    assert sum(s == {"train"} for s in places[0].values()) >= 20


def test_three_episodes_fill_three_splits_and_two_do_not(tmp_path):
    read = experience.Experience(write(tmp_path, [episode(seed) for seed in range(3)]))
    assert [len(read.episodes(split)) for split in experience.SPLITS] == [1, 1, 1]
    other = tmp_path / "two"
    other.mkdir()
    read = experience.Experience(write(other, [episode(0), episode(1)]))
    with pytest.raises(ValueError, match="at least 3 different episodes"):
        read.episodes("train")


def test_a_folder_that_is_no_experience_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="world_experience"):
        experience.Experience(tmp_path)
    folder = write(tmp_path, [episode(0)])
    with pytest.raises(ValueError, match="split of"):
        experience.Experience(folder).episodes("tests")
    card = json.loads((folder / experience.CARD).read_text())
    (folder / experience.CARD).write_text(json.dumps(card | {"frame_shape": [4, 4, 3]}))
    with pytest.raises(ValueError, match=r"frames of \(4, 4, 3\).*of \(8, 8, 3\)"):
        experience.Experience(folder)
    (folder / experience.EPISODES / "000000.npy").write_bytes(b"nothing")
    with pytest.raises(ValueError, match="is no episode"):
        experience.Experience(folder)
    (folder / experience.CARD).write_text("[]")
    with pytest.raises(ValueError, match="no card of episodes"):
        experience.Experience(folder)


def test_more_episodes_than_a_process_may_open(tmp_path):
    resource = pytest.importorskip("resource")
    count = 2 * experience.OPEN
    found = experience.Experience(
        write(tmp_path, [episode(seed, steps=2) for seed in range(count)])
    )
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (experience.OPEN + 100, limits[1]))
    try:
        films = [windows.of_episode(each) for each in found.all]
        frames = [film.frames[1] for film in films]
        whole = np.concatenate([np.asarray(film.frames) for film in films])
        _, states = state_variables.frames_of(found, "train", count)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    np.testing.assert_array_equal(whole[1::3], frames)
    assert len(films[0]) == 3 and np.shape(films[0].frames) == (3, *SHAPE)
    assert len(states) == count


def test_a_file_that_was_replaced_is_read_anew(tmp_path):
    for value in (1, 2):
        np.save(tmp_path / "aside.npy", np.full(3, value))
        (tmp_path / "aside.npy").replace(tmp_path / "x.npy")
        assert experience.mapped(tmp_path / "x.npy").tolist() == 3 * [value]
