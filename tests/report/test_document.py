import numpy as np
import pytest

from vqzoo.report.document import Section, Skipped, shown


def section():
    return Section(name="some", title="Some", text="What it is.")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (0.0, "0.0000"),
        (1234567, "1,234,567"),
        (np.int64(4096), "4,096"),
        (31.2896, "31.29"),
        (1234.6, "1,235"),
        (0.26071, "0.2607"),
        (0.00086828, "0.0008683"),
        (0.0000086828, "8.683e-06"),
        (12345678.9, "12,345,679"),
        (float("nan"), "not defined"),
        (float("-inf"), "not defined"),
        ("-", "-"),
    ],
)
def test_numbers_are_shown_short(value, text):
    assert shown(value) == text


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
