import numpy as np
import pytest

from vqzoo import registry
from vqzoo.measures import findings
from vqzoo.measures.findings import Section, Skipped


def section():
    return Section(name="some", title="Some", text="What it is.")


def test_numbers_that_are_not_finite_are_skipped_with_what_they_were():
    found = section()
    found.add({"a": np.float32(1.5), "b": float("nan"), "c": float("inf")}, "top_")
    assert found.metrics == {"top_a": 1.5}
    assert found.skipped == {"top_b": "came out as nan", "top_c": "came out as inf"}


def test_what_cannot_be_measured_keeps_its_reason_and_stops_nothing():
    found = section()
    for error in (Skipped("no labels"), ValueError("expected 2, received 1")):
        with found.attempt(type(error).__name__):
            raise error
    assert found.skipped == {
        "Skipped": "no labels",
        "ValueError": "expected 2, received 1",
    }


def test_a_fault_of_the_program_is_not_swallowed():
    with pytest.raises(TypeError), section().attempt("something"):
        raise TypeError("a fault")


def test_numbers_alone_make_no_figure():
    made = []
    for draws in (False, True):
        one = section()
        one.draws = draws
        one.picture("t", "what it shows", lambda: made.append(1) or "figure", width=3)
        assert [p.figure for p in one.pictures] == ["figure"] * draws
    assert made == [1]


def test_measures_are_modules_that_say_their_name_and_place():
    found = findings.modules()
    names = [module.__name__.rpartition(".")[2] for module in found]
    assert sorted(names) == list(registry.names("measures"))
    assert names[:3] == ["reconstruction", "corruption", "codebook"]
    assert len({module.ORDER for module in found}) == len(found)
    assert [m.TITLE for m in findings.modules(["cost", "probe"])] == [
        "Linear probe",
        "Cost",
    ]
    with pytest.raises(ValueError, match="expected .* of brittleness, .*, received"):
        findings.modules(["probe", "psnr"])
