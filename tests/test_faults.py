"""Quick twins of the campaign of faults: a few altered files of every format."""

import collections
import json

import numpy as np
import pytest

from tests import faults


def test_altered_files_of_every_format_are_read_or_refused_and_never_lost():
    made = faults.formats()
    # What a model's file takes to load is the business of the campaign.
    quick = {name: kind for name, kind in made.items() if kind.cost < 8}
    assert len(quick) >= 18
    for name, kind in quick.items():
        outcomes, notes = faults.fuzz(kind, 8, seed=1)
        bad = outcomes["lost"], outcomes["silent"], notes
        assert bad == (0, 0, []), name
        assert outcomes["survived"] + outcomes["refused"] == outcomes.total() > 0


def fault(read, **options):
    def make(folder):
        (folder / "x").write_bytes(bytes(range(64)))
        return folder / "x"

    return faults.Format(make, read, (ValueError,), **options)


def refusing(path):
    if path.read_bytes() != bytes(range(64)):
        raise ValueError("altered")
    return [0]


def failing(path):
    if path.read_bytes() != bytes(range(64)):
        raise KeyError("x")
    return [0]


def believing(path):
    return [np.frombuffer(path.read_bytes(), "uint8")]


@pytest.mark.parametrize(
    ("made", "outcome"),
    [
        (fault(refusing), "refused"),
        (fault(failing), "lost"),
        (fault(believing, is_summed=True), "silent"),
        (fault(believing), "survived"),
    ],
    ids=["refused", "lost", "silent", "survived"],
)
def test_each_outcome_is_told_from_the_others(made, outcome):
    outcomes, notes = faults.fuzz(made, 20)
    # A file that is overwritten with what it held is none.
    assert outcomes[outcome] >= 18
    assert len(notes) == outcomes["lost"] + outcomes["silent"]


def test_the_page_counts_what_was_tried():
    rows = {"kills": {"survived": 3}, "bombs": {"refused": 4, "lost": 1}}
    text = faults.page({"date": "2026-01-01", "minutes": 3.2, "rows": rows})
    assert "| kills | 3 | 3 | 0 | 0 | 0 |" in text
    assert "| bombs | 5 | 0 | 4 | 1 | 0 |" in text
    assert "| **all** | 8 | 3 | 4 | 1 | 0 |" in text


def test_the_page_is_that_of_the_numbers_beside_it_and_nothing_was_lost():
    results = json.loads(faults.PAGE.read_text())
    assert faults.PAGE.with_suffix(".md").read_text() == faults.page(results)
    total = collections.Counter()
    for row in results["rows"].values():
        total.update(row)
    assert (total["lost"], total["silent"]) == (0, 0)
    assert total["refused"] > 1000
