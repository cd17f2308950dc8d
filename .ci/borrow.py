"""Links what a package requires, and no more, into the site-packages of another venv.

    .venv/bin/python .ci/borrow.py vqzoo OTHER/lib/python3.11/site-packages

A wheel is tested with its own requirements alone, and TensorFlow is installed once.
"""

import importlib.metadata
import pathlib
import sys

from packaging.requirements import Requirement


def required(name):
    """All distributions that one requires, and those that these require."""
    todo, distributions = [Requirement(name)], {}
    done = set()
    while todo:
        requirement = todo.pop()
        if (key := (requirement.name, *sorted(requirement.extras))) in done:
            continue
        done.add(key)
        distribution = importlib.metadata.distribution(requirement.name)
        distributions[requirement.name] = distribution
        for needed in map(Requirement, distribution.requires or ()):
            extras = ("", *requirement.extras)
            marker = needed.marker
            if not marker or any(marker.evaluate({"extra": e}) for e in extras):
                todo.append(needed)
    del distributions[name]
    return distributions.values()


def main(name, target):
    """Links the files of all that a distribution requires into a folder."""
    for distribution in required(name):
        for part in {path.parts[0] for path in distribution.files}:
            if part in ("..", "__pycache__"):
                continue
            link = pathlib.Path(target, part)
            if not link.exists():
                link.symlink_to(distribution.locate_file(part))


if __name__ == "__main__":
    main(*sys.argv[1:])
