"""The arithmetic of what encoding a billion images takes."""

import pytest

from vqzoo.studies import encode_rows

FOUND = {
    "rate": {
        "bfloat16": {
            "processor": {"images_a_second": {"without_encoder": {"median": 1000.0}}}
        }
    },
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


@pytest.mark.parametrize("table", ["measured", "costs", "inputs", "failures"])
def test_without_figures_there_are_no_rows(table):
    assert len(getattr(encode_rows, table)(lambda name: {})) == 1


def test_measured_figures_stand_beside_their_targets():
    rates = {"alone": 2000.0, "whole": 1800.0, "torch": 1500.0}
    times = {"alone": 0.9, "torch": 1.2}
    wall = {
        "images_a_second": {name: {"median": rate} for name, rate in rates.items()},
        "whole_of_others": {name: {"median": ratio} for name, ratio in times.items()},
    }
    kinds = ("float32", "bfloat16")
    found = {
        "encode": {
            "rate": {"images": 5000} | dict.fromkeys(kinds, {"wall": wall}),
            "kills": {"kills": 20, "same_bytes": True, "keys_once": True, "files": 111},
            "memory": {
                "images": 10**6,
                "growth": 0.03,
                "peak_bytes": 2**30,
                "resident_bytes_by_images": [[n, 100 + (n > 2)] for n in range(40)],
            },
        },
        "shards": {
            "shards": {
                "JPEGs": {
                    "waiting_share": {"median": 0.01},
                    "step_seconds": {"median": 0.2},
                }
            }
        },
    }
    rows = encode_rows.measured(found.get)[1:]
    alone, torch, _, _, kills, memory, shards = rows
    assert alone[1:] == (
        "1,800/s, 0.90x as fast",
        "the encoder alone, on arrays: 2,000/s",
        "0.85x",
        "met",
    )
    assert torch[1] == "1,800/s, 1.20x as fast" and torch[-1] == "missed by 8%"
    assert kills[1] == "111 of 111" and kills[-1] == "met"
    assert memory[-1] == "missed"
    assert memory[1] == "+3.0%, +0.0% after the first tenth; 1.00 GiB at its peak"
    assert shards[1:] == ("1.00%", "200 ms a step", "< 3%", "met")
