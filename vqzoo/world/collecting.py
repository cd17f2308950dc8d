"""Collecting experience: several processes play a real game and save episodes."""

import hashlib
import json
import os
import pathlib
import pickle
import shutil
import subprocess
import sys
import threading

import numpy as np

from vqzoo.datasets import experience
from vqzoo.runs import files
from vqzoo.world.environments import PixelEnvironment
from vqzoo.world.policies import POLICIES

# A worker's program; it does not import the user's, and so starts fast.
WORKER = (
    "import sys; sys.argv = ['vqzoo']; "
    "from vqzoo.world import collecting; collecting.work()"
)


def play(environment, policy, seed, index):
    """One episode as a structured array `(T + 1,)` of `experience.row_type`.

    Args:
        environment: `PixelEnvironment`.
        policy: `Policy`.
        seed, index: ints; equal ones give equal episodes.
    """
    generator = np.random.default_rng((seed, index))
    frame = environment.reset(seed=int(generator.integers(2**31)))
    policy.start(generator)
    frames, states, steps = [frame], [environment.state()], []
    while not steps or not (steps[-1][2] or steps[-1][3]):
        action = policy.act(frame)
        frame, *outcome = environment.step(action)
        frames.append(frame)
        states.append(environment.state())
        steps.append((action, *outcome))
    actions = environment.actions
    kind = experience.row_type(
        environment.frame_shape, actions.action_dim, len(environment.state_names)
    )
    rows = np.zeros(len(frames), kind)
    rows["frame"], rows["state"] = frames, np.reshape(states, rows["state"].shape)
    names = ("action", "reward", "terminated", "truncated")
    for name, values in zip(names, zip(*steps)):
        rows[name][:-1] = values
    return rows


def collect(
    folder,
    environment,
    *,
    episodes,
    policy="random",
    seed=0,
    processes=1,
    progress=None,
    earlier=None,
    **options,
):
    """Plays the episodes that a folder lacks, and writes its card.

    An episode depends only on the seed and its number, so a resumed collection gives
    the same episodes as an uninterrupted one.

    Args:
        folder: path.
        environment: str, name of the game.
        episodes: int, at least 1; those of `earlier` do not count.
        policy: name in `POLICIES`, or a function from `Actions` to a `Policy`. Several
            processes import it: it must be in a module, not in `__main__`.
        seed: int.
        processes: int, at least 1.
        progress: function that gets the number of each finished episode, or None.
        earlier: `Experience` of the same game with which the folder begins, or None.
            Its files are linked, or copied from another disk.
        **options: arguments of `PixelEnvironment`.

    Returns:
        `Experience`.

    Raises:
        MissingExtra, ValueError: as in `PixelEnvironment`.
        ValueError: if the folder has episodes of another game, policy or seed, the
            earlier ones are of another game, or several processes cannot import the
            policy.
        RunError: if a file cannot be written or a process ended without its episodes.
    """
    folder = pathlib.Path(folder)
    if processes > 1 and getattr(policy, "__module__", "") == "__main__":
        raise ValueError(
            f"expected a policy in a module, which {processes=} import, received "
            f"{policy} of __main__: move it, or take processes=1"
        )
    game = PixelEnvironment(environment, **options)
    about = {
        "environment": environment,
        "options": options,
        "frame_shape": list(game.frame_shape),
        "actions": game.actions.as_json(),
        "states": list(game.state_names),
        "policy": policy if isinstance(policy, str) else repr(policy),
        "seed": seed,
    }
    with files.writing(folder):
        (folder / experience.EPISODES).mkdir(parents=True, exist_ok=True)
    files.remove_left(folder / experience.EPISODES)
    # A policy of one's own may be large: only those make it that play.
    chosen = _policy(policy, game.actions) if isinstance(policy, str) else None
    _check_card(folder, about)
    policies = [] if earlier is None else _begin_with(earlier, folder, about)
    first, last = len(policies), len(policies) + episodes
    policies += [about["policy"]] * episodes
    paths = [_path(folder, index) for index in range(last)]
    missing = [index for index, path in enumerate(paths) if not path.exists()]
    for index in sorted(set(range(first, last)) - set(missing)):
        _tell(progress, index)
    if processes == 1 or len(missing) < 2:
        chosen = chosen or _policy(policy, game.actions)
        for index in missing:
            _save(paths[index], play(game, chosen, seed, index))
            _tell(progress, index)
    else:
        job = {
            "folder": folder,
            "environment": environment,
            "policy": policy,
            "seed": seed,
            "options": options,
        }
        _share(job, missing, min(processes, len(missing)), progress)
    game.close()
    entries = [{**_entry(p), "policy": name} for p, name in zip(paths, policies)]
    card = {**about, "episodes": entries}
    files.write_json(folder / experience.CARD, card)
    return experience.Experience(folder)


def _check_card(folder, about):
    """Raises ValueError if a folder is of other episodes; writes the first card."""
    path = folder / experience.CARD
    if not path.exists() or not any((folder / experience.EPISODES).iterdir()):
        files.write_json(path, {**about, "episodes": []})
        return
    known, new = files.read_json(path), json.loads(json.dumps(about))
    # The text of a function says where it lies in memory.
    compared = [n for n in new if n != "policy" or new[n] in POLICIES]
    if changed := _changed(known, new, compared):
        raise ValueError(
            f"expected a folder for these episodes, those of {folder} have {changed}: "
            "take another folder"
        )


def _changed(known, new, names):
    """What differs between two cards, as text."""
    return "; ".join(
        f"{name}={known[name]!r}, not {new[name]!r}"
        for name in names
        if name in known and known[name] != new[name]
    )


def _begin_with(earlier, folder, about):
    """Links earlier episodes as the first ones of a folder; returns their policies."""
    names = ("environment", "options", "frame_shape", "actions", "states")
    new = json.loads(json.dumps(about))
    if changed := _changed(earlier.card, new, names):
        raise ValueError(
            f"expected earlier episodes of the same game, those of {earlier.path} have "
            f"{changed}"
        )
    for index, episode in enumerate(earlier.all):
        path = _path(folder, index)
        if path.exists():
            continue
        try:
            os.link(episode.path, path)
        except OSError:  # Another disk, or one without links.
            with files.replacing(path) as aside:
                shutil.copyfile(episode.path, aside)
    same = earlier.card.get("policy")
    return [each.get("policy", same) for each in earlier.card["episodes"]]


def _tell(progress, index):
    if progress is not None:
        progress(index)


def _path(folder, index):
    return folder / experience.EPISODES / f"{index:06d}.npy"


def _policy(policy, actions):
    if isinstance(policy, str):
        if policy not in POLICIES:
            known = ", ".join(POLICIES)
            raise ValueError(f"expected a policy of {known}, received {policy!r}")
        policy = POLICIES[policy]
    return policy(actions)


def _save(path, rows):
    with files.replacing(path) as aside, open(aside, "wb") as file:
        np.save(file, rows)


def _entry(path):
    """The entry of an episode in the card."""
    episode = experience.Episode(path)
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {
        "file": path.name,
        "steps": len(episode),
        "score": float(episode.rewards.sum(dtype="float64")),
        "terminated": bool(episode.terminated[-1]),
        "digest": digest,
    }


def _share(job, missing, count, progress):
    """Has processes play the episodes and reads the numbers of finished ones."""
    paths = [path for path in sys.path if path]
    surroundings = {**os.environ, "PYTHONPATH": os.pathsep.join([os.getcwd(), *paths])}
    workers = []
    for first in range(count):
        worker = subprocess.Popen(
            [sys.executable, "-c", WORKER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=surroundings,
        )
        workers.append(worker)
        pickle.dump({**job, "indices": missing[first::count]}, worker.stdin)
        worker.stdin.flush()
    done = set()
    told = threading.Lock()

    def read(worker):
        for line in worker.stdout:
            with told:
                done.add(json.loads(line))
                _tell(progress, json.loads(line))

    readers = [threading.Thread(target=read, args=(worker,)) for worker in workers]
    try:
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join()
    finally:
        # A worker ends when its input closes, so none outlives a killed parent.
        for worker in workers:
            worker.stdin.close()
            worker.wait()
            worker.stdout.close()
    if done != set(missing):
        raise files.RunError(
            f"{len(missing) - len(done)} of {len(missing)} episodes were not played, "
            "for the reason above: continue with --resume"
        )


def work():
    """Main function of a worker: reads a job, writes numbers of finished episodes."""
    job = pickle.load(sys.stdin.buffer)
    threading.Thread(target=_end_with_input, daemon=True).start()
    game = PixelEnvironment(job["environment"], **job["options"])
    policy = _policy(job["policy"], game.actions)
    for index in job["indices"]:
        _save(_path(job["folder"], index), play(game, policy, job["seed"], index))
        print(json.dumps(index), flush=True)


def _end_with_input():
    # Unbuffered, as the interpreter locks the buffer when it exits.
    while os.read(0, 1024):
        pass
    os._exit(1)
