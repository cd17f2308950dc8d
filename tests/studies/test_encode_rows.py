"""The arithmetic of what encoding a billion images takes."""

import pytest

from vqzoo.studies import encode_rows

FOUND = {
    "rate": {"processor": {"images_a_second": {"without_encoder": {"median": 1000.0}}}},
    "costs": {
        "multiply_adds": {"32": 10**7, "256": 10**9},
        "gigamacs_a_second_and_core": 50.0,
        "decode_seconds": {"32": 0.0005, "256": 0.0015, "512": 0.0095},
        "jpeg_bytes": {"256": 10**4, "512": 10**5},
        "simulated": [
            {
                "workers": 64,
                "failures": 0.01,
                "slow": 0,
                "seconds": 110.0,
                "ideal_seconds": 100.0,
                "lost_share": 0.07,
            }
        ],
    },
}


def read(name):
    return {"encode": FOUND}[name]


def test_costs_are_those_of_the_slowest_part():
    core, _, _, large = encode_rows.costs(read)[1:5]
    # 20 ms in the encoder and 1 ms - 0.5 ms + 1.5 ms beside it, one after the other.
    assert core[:6] == ("one core", "256 px", "50", "500", "25,000", "encoder")
    hours = 1e9 * 0.022 / 3600
    assert core[6:] == ("", f"{hours:,.0f}", f"{hours * 0.04:,.0f}")
    # 8 cores decode 800 images a second, 0.3 of 60.5e12 multiply-adds are 18,150.
    assert large[:6] == ("L4", "512 px", "18,150", "800", "20,000", "decoding")
    hours = 1e9 / 800 / 3600
    assert large[6:] == ("182", f"{hours:,.0f}", f"{hours * 0.85:,.0f}")


def test_what_was_measured_and_what_was_assumed_is_told():
    rows = encode_rows.inputs(read)[1:]
    assert [row[-1] for row in rows[:4]] == ["counted", *["measured"] * 3]
    assert {row[-1] for row in rows[4:]} == {"assumed"}
    assert rows[3][1] == "10.00 ms"


def test_failures_are_shares():
    (row,) = encode_rows.failures(read)[1:]
    assert row == (64, "1%", "0%", "+10.0%", "7.0%")


@pytest.mark.parametrize("table", ["costs", "inputs", "failures"])
def test_without_figures_there_are_no_rows(table):
    assert len(getattr(encode_rows, table)(lambda name: {})) == 1
