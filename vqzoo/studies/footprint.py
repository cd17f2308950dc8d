"""Energy and carbon dioxide of the trainings that cards are of."""

import re

from vqzoo.measures import cost
from vqzoo.runs import files
from vqzoo.runs.folder import METRICS, SETTINGS
from vqzoo.studies import table as tables

# Where nothing measures power: the most that one of these may draw, by its name.
GPU_WATTS = {"H200": 700.0, "H100": 700.0, "A100": 400.0}
SECONDS = ("training_seconds", "run.training_seconds", "seconds")
_ROW = re.compile(r"^\| (device|training|energy) \| (.*) \|$", re.MULTILINE)
_TRAINING = re.compile(r"([\d,]+) steps in ([\d,]+) s")
HEADER = ("card", "device", "hours", "watts", "kWh", "kg of CO2")


def watts_of(device):
    """Power that is assumed of a device, as cards name it: float."""
    found = [watts for name, watts in GPU_WATTS.items() if name in device]
    return found[0] if found else cost.WATTS


def row(seconds, device, joules=None):
    """The row of a card: energy, where it comes from, and carbon dioxide.

    Args:
        seconds: float, of the training.
        device: str, as `devices.describe`.
        joules: float that was measured, or None.
    """
    watts = joules / seconds if joules else watts_of(device)
    spent = cost.footprint(seconds / 3600, watts)
    source = "measured" if joules else "assumed"
    return (
        f"{spent['energy_kwh']:.3g} kWh ({watts:.0f} W, {source}), "
        f"{1000 * spent['co2_kg']:.2g} g of CO2 ({cost.CARBON_INTENSITY} kg a kWh)"
    )


def lines(root):
    """The table over all cards: cells, the header first and the sum last.

    Args:
        root: `pathlib.Path` of a checkout.
    """
    table, total = [HEADER], dict.fromkeys(("hours", "energy_kwh", "co2_kg"), 0.0)
    for path in sorted(root.glob("recipes/*/README.md")):
        facts = dict(_ROW.findall(path.read_text("utf-8")))
        if "training" in facts:
            noted, device = _TRAINING.match(facts["training"]), facts["device"]
            seconds = float(noted[2].replace(",", "")) if noted else 0.0
        else:
            seconds, device = _of_rows(path.parent)
        if not seconds:
            table.append((path.parent.name, device, "not noted", "", "", ""))
            continue
        measured = re.search(r"\(([\d.]+) W, measured\)", facts.get("energy", ""))
        watts = float(measured[1]) if measured else watts_of(device)
        spent = cost.footprint(seconds / 3600, watts)
        total = {name: total[name] + spent[name] for name in total}
        kind = "measured" if measured else "assumed"
        table.append((path.parent.name, device, *_cells(spent, f"{watts:.0f}, {kind}")))
    return *table, ("**all**", "", *_cells(total, ""))


def _of_rows(folder):
    """Seconds of the trainings in the files of rows beside a card, and the machine."""
    seconds, device = 0.0, ""
    for path in sorted(folder.glob("*.json")):
        if path.name in (METRICS, SETTINGS):
            continue
        kept = files.read_json(path)
        device = (
            kept.get("machine", {}).get("cpu", "") if isinstance(kept, dict) else ""
        )
        for numbers in (row["metrics"] for row in tables.read(path)):
            found = (numbers[name] for name in SECONDS if name in numbers)
            seconds += next(found, 0.0)
    return seconds, device


def _cells(spent, watts):
    energy, carbon = spent["energy_kwh"], spent["co2_kg"]
    return f"{spent['hours']:.2f}", watts, f"{energy:.4f}", f"{carbon:.4f}"
