"""Holds pins and floors against published advisories: python .ci/advisories.py.

advisories.json is a dated list that works without a network; with --online the pins are
asked for at osv.dev too, where it can be reached. Exit code 1 for what is not accepted
there with a reason.
"""

import datetime
import json
import pathlib
import sys
import tomllib
import urllib.request

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

ROOT = pathlib.Path(__file__).parents[1]
OSV = "https://api.osv.dev/v1/querybatch"
OLD = datetime.timedelta(days=180)


def pins(text):
    """Versions by name, of a constraints file."""
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    pairs = (line.split("==") for line in lines if "==" in line)
    return {name.lower(): version for name, version in pairs}


def floors(project):
    """The least versions by name that a pyproject.toml admits."""
    least = {}
    for text in project["project"]["dependencies"]:
        requirement = Requirement(text)
        for specifier in requirement.specifier:
            if specifier.operator == ">=":
                least[requirement.name.lower()] = specifier.version
    return least


def found(versions, advisories):
    """Advisories that versions are affected by: `(advisory, version)` each."""
    return [
        (advisory, versions[advisory["package"]])
        for advisory in advisories
        if advisory["package"] in versions
        and Version(versions[advisory["package"]]) in SpecifierSet(advisory["affected"])
    ]


def online(versions):
    """Ids by package, of what osv.dev knows of versions; {} without a network."""
    queries = [
        {"package": {"name": name, "ecosystem": "PyPI"}, "version": version}
        for name, version in versions.items()
    ]
    body = json.dumps({"queries": queries}).encode()
    request = urllib.request.Request(OSV, body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=5) as response:
            results = json.load(response)["results"]
    except (OSError, ValueError, KeyError) as error:
        print(f"osv.dev is not to be had ({error}): the dated list alone was asked")
        return {}
    known = zip(versions, results)
    return {n: [v["id"] for v in r["vulns"]] for n, r in known if r.get("vulns")}


def main(arguments):
    """Prints what is found; returns the exit code."""
    stored = json.loads((ROOT / ".ci" / "advisories.json").read_text())
    pinned = pins((ROOT / "constraints.txt").read_text())
    least = floors(tomllib.loads((ROOT / "pyproject.toml").read_text()))
    failed = False
    for kind, versions in (("pinned", pinned), ("floor", least)):
        for advisory, version in found(versions, stored["advisories"]):
            reason = advisory.get("accepted")
            failed |= reason is None
            print(
                f"{advisory['id']}: {advisory['package']} {version} ({kind}): "
                f"{advisory['what']}{f'. Accepted: {reason}' if reason else ''}"
            )
    age = datetime.date.today() - datetime.date.fromisoformat(stored["dated"])
    if age > OLD:
        print(f"the list of advisories is {age.days} days old: bring it up to date")
    if "--online" in arguments:
        for name, ids in online(pinned).items():
            print(f"osv.dev: {name} {pinned[name]}: {', '.join(ids)}")
    print(f"{len(stored['advisories'])} advisories of {stored['dated']} asked")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
