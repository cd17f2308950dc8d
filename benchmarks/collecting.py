"""Frames of a real game per second, on disk, by one and by two processes.

    python -m benchmarks.collecting [--rounds=5] [--episodes=12]

A random policy plays `ALE/Pong-v5`; frames are 64 x 64, with the variables of the RAM.
Counted is all of `vqzoo.world.collecting.collect`, from an empty folder to the card:
the start of the processes too. Needs the extra `world`.
"""

import tempfile

from benchmarks import measure
from vqzoo.datasets.experience import Experience
from vqzoo.world.collecting import collect

RESULTS = "collecting"
GAME, PROCESSES = "ALE/Pong-v5", (1, 2)
TARGET = 2500


def rate(processes, episodes):
    """Frames per second of one collection."""
    with tempfile.TemporaryDirectory() as folder:
        options = {"episodes": episodes, "processes": processes}
        seconds = measure.seconds(lambda: collect(folder, GAME, **options))
        played = Experience(folder)
        splits = ("train", "validation", "test")
        found = [each for split in splits for each in played.episodes(split)]
        return sum(len(episode.frames) for episode in found) / seconds


def main(flags):
    """Measures both, writes the results and prints them."""
    ways = {
        count: lambda count=count: rate(count, flags.episodes) for count in PROCESSES
    }
    taken = measure.take_turns(ways, flags.rounds)
    rates = {count: measure.spread(values) for count, values in taken.items()}
    results = {
        "game": GAME,
        "episodes": flags.episodes,
        "frames_a_second": rates,
        "target": TARGET,
        "machine": measure.machine(),
    }
    measure.write(RESULTS, results)
    for count, spread in rates.items():
        print(f"{count} processes: {spread['median']:.0f} frames a second")


if __name__ == "__main__":
    measure.run(main, rounds=(5, "rounds"), episodes=(12, "episodes of a collection"))
