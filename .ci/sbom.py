"""Writes what a wheel was tested with, as CycloneDX beside it: sbom.py dist/x.whl."""

import json
import pathlib
import re
import sys
import uuid

ROOT = pathlib.Path(__file__).parents[1]


def sbom(name, version, constraints):
    """A CycloneDX 1.6 document: a JSON dict.

    Args:
        name: str, of the wheel's project.
        version: str, of the wheel.
        constraints: str, lines of `name==version`.
    """
    pins = re.findall(r"^([\w.-]+)==([^\s#]+)", constraints, re.M)
    purl = f"pkg:pypi/{name}@{version}"
    # The same wheel and pins give the same document.
    serial = uuid.uuid5(uuid.NAMESPACE_URL, f"{purl} {sorted(pins)}")
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{serial}",
        "version": 1,
        "metadata": {"component": _component("application", name, version)},
        "components": [_component("library", *pin) for pin in sorted(pins)],
    }


def _component(kind, name, version):
    purl = f"pkg:pypi/{name.lower().replace('_', '-')}@{version}"
    return {
        "type": kind,
        "name": name,
        "version": version,
        "purl": purl,
        "bom-ref": purl,
    }


def main(wheel):
    """Writes `NAME-VERSION.cdx.json` beside a wheel and returns its path."""
    wheel = pathlib.Path(wheel)
    name, version = wheel.name.split("-")[:2]
    document = sbom(name, version, (ROOT / "constraints.txt").read_text())
    path = wheel.with_name(f"{name}-{version}.cdx.json")
    path.write_text(json.dumps(document, indent=2) + "\n")
    return path


if __name__ == "__main__":
    print(main(sys.argv[1]))
