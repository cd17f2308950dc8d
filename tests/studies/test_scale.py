import pytest

from vqzoo.studies import scale

ROW = {
    "weights": 1_000_000,
    "step_seconds": 1.234,
    "measured_batch": 3,
    "measured_gib": 2.5,
    "sample_seconds": None,
    "evaluation_seconds": 0.25,
    "multiply_adds": 10**12,
    "batch": 64,
    "gib": 66.0,
    "gib_per_image": 1.0,
    "phases": [],
}


def test_days_are_the_multiply_adds_of_all_phases_over_what_a_gpu_does():
    phases = [
        {"steps": 1000, "batch": 64, "multiply_adds": None},
        {"steps": 500, "batch": 32, "multiply_adds": 2 * 10**12},
    ]
    adds = 1000 * 64 * 1e12 + 500 * 32 * 2e12
    expected = 2 * adds / (989e12 * 0.4) / 86_400
    assert scale.days({**ROW, "phases": phases}) == pytest.approx(expected)
    assert scale.days(ROW) is None
    assert scale.days({**ROW, "phases": phases, "multiply_adds": None}) is None


def test_a_batch_is_accumulated_in_as_few_steps_as_fit():
    # 2 GiB and 1 an image: 22 images fit in 24 GiB, so three steps of 22.
    assert scale.accumulation(ROW) == 3
    assert scale.accumulation({**ROW, "gib": 24.0, "batch": 22}) == 1
    assert scale.accumulation({**ROW, "gib": 100.0, "gib_per_image": 50.0}) == 64


def test_the_table_begins_with_what_takes_longest():
    phases = [{"steps": 10**6, "batch": 64, "multiply_adds": None}]
    rows = {"small": ROW, "large": {**ROW, "phases": phases, "protocol": "1 epoch"}}
    header, first, second = scale.lines({"rows": rows})
    assert first[0] == "`large`" and second[0] == "`small`"
    assert len(first) == len(header) and first[-3] == "1 epoch"
    assert float(first[-2]) == pytest.approx(8 * float(first[-1]), rel=0.1)
    assert second[2] == "1.2, 3" and second[6] == "1e+03 G" and second[9] == "3"
