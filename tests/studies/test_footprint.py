import json

import pytest

from vqzoo.studies import footprint
from vqzoo.training.energy import Meter

CARD = """# x

| | |
|---|---|
| device | {device} |
| training | 1,000 steps in 7,200 s, float32 |
| energy | {energy} |
"""


def card(folder, name, text):
    (folder / "recipes" / name).mkdir(parents=True)
    (folder / "recipes" / name / "README.md").write_text(text)
    return folder / "recipes" / name


def test_a_card_says_whether_its_power_was_measured():
    assumed = footprint.row(7200, "2 cores, AMD EPYC")
    assert assumed == "0.2 kWh (100 W, assumed), 86 g of CO2 (0.432 kg a kWh)"
    measured = footprint.row(7200, "2 cores, AMD EPYC", joules=7200 * 50)
    assert measured.startswith("0.1 kWh (50 W, measured), 43 g")
    assert "(700 W, assumed)" in footprint.row(60, "1 NVIDIA H200, JAX")


def test_all_cards_are_summed_and_those_without_times_are_named(tmp_path):
    card(tmp_path, "a", CARD.format(device="2 cores", energy=footprint.row(7200, "2")))
    measured = footprint.row(7200, "2", joules=7200 * 50)
    card(tmp_path, "b", CARD.format(device="2 cores", energy=measured))
    rows = {"plain seed 0": {"training_seconds": 3600.0}, "noisy seed 0": {"psnr": 1.0}}
    of_rows = card(tmp_path, "c", "# c\n")
    kept = {"rows": rows, "machine": {"cpu": "Z80"}}
    (of_rows / "rows.json").write_text(json.dumps(kept))
    card(tmp_path, "d", "# d\n")
    header, a, b, c, d, total = footprint.lines(tmp_path)
    assert a == ("a", "2 cores", "2.00", "100, assumed", "0.2000", "0.0864")
    assert b[3:] == ("50, measured", "0.1000", "0.0432")
    assert c == ("c", "Z80", "1.00", "100, assumed", "0.1000", "0.0432")
    assert d[2] == "not noted"
    assert total[2:] == ("5.00", "", "0.4000", "0.1728")


def counters(folder, **microjoules):
    for name, value in microjoules.items():
        package = folder / f"intel-rapl:{name[1:]}"
        package.mkdir(exist_ok=True)
        (package / "energy_uj").write_text(f"{value}\n")
        (package / "max_energy_range_uj").write_text("1000000000\n")


def test_joules_are_those_of_all_packages_since_the_last_reading(tmp_path):
    counters(tmp_path, _0=1_000_000, _1=999_000_000)
    (tmp_path / "intel-rapl:0:0").mkdir()  # a part of package 0
    meter = Meter(tmp_path)
    counters(tmp_path, _0=3_500_000, _1=1_000_000)  # the second has begun anew
    assert meter.joules() == pytest.approx(2.5 + 2)
    assert meter.joules() == 0


def test_a_system_that_shows_no_counters_measures_nothing(tmp_path):
    assert Meter(tmp_path).joules() is None
    counters(tmp_path, _0=1)
    meter = Meter(tmp_path)
    (tmp_path / "intel-rapl:0" / "energy_uj").unlink()
    assert meter.joules() is None
