"""Known faults of what is installed, by a copy of the advisories of OSV (https://ossf.github.io/osv-schema/).

pip-audit asks a service on the Internet about each package. Where there is none, fetch the advisories once
elsewhere, ``https://osv-vulnerabilities.storage.googleapis.com/PyPI/all.zip``, or check out
https://github.com/pypa/advisory-database, and give the path. Ends with 1 if something is affected, with 2
if the advisories can not be read or are too few to be all of them.
"""

import argparse
import json
import re
import sys
import zipfile
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import yaml
from packaging.version import InvalidVersion, Version

FEWEST = 1000  # there were more in 2021


def name_of(text: str) -> str:
    """As PEP 503 compares names."""
    return re.sub(r"[-_.]+", "-", text).lower()


def read(path: Path) -> Iterator[dict[str, Any]]:
    """Advisories of a ZIP file of JSON, or of a directory of JSON and YAML files."""
    if path.is_dir():
        for file in sorted(path.rglob("*")):
            if file.suffix in {".json", ".yaml"} and file.is_file():
                found = yaml.safe_load(file.read_text(encoding="utf-8"))
                if isinstance(found, dict) and "affected" in found:
                    yield found
        return
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            if name.endswith(".json"):
                yield json.loads(archive.read(name))


def affects(affected: dict[str, Any], version: str) -> bool:
    """Whether one entry of ``affected`` holds for a version, by its list and by its ranges."""
    if version in affected.get("versions", ()):
        return True
    return any(
        _in_range(found["events"], Version(version))
        for found in affected.get("ranges", ())
        if found.get("type") == "ECOSYSTEM"
    )


def _in_range(events: Iterable[dict[str, str]], version: Version) -> bool:
    inside = False
    for kind, at in _sorted(events):
        if kind == "introduced" and version >= at:
            inside = True
        elif (kind == "fixed" and version >= at) or (kind == "last_affected" and version > at):
            inside = False
    return inside


def _sorted(events: Iterable[dict[str, str]]) -> list[tuple[str, Version]]:
    found = []
    for event in events:
        for kind, text in event.items():
            try:
                found.append((kind, Version("0" if text == "0" else text)))
            except InvalidVersion:
                continue
    return sorted(found, key=lambda pair: pair[1])


def audit(advisories: Iterable[dict[str, Any]], installed: dict[str, str]) -> tuple[int, list[str]]:
    """How many advisories were read, and a line for each that holds."""
    count, lines = 0, []
    for advisory in advisories:
        count += 1
        if advisory.get("withdrawn"):
            continue
        for affected in advisory.get("affected", ()):
            package = affected.get("package", {})
            name = name_of(package.get("name", ""))
            if (
                package.get("ecosystem") == "PyPI"
                and name in installed
                and affects(affected, installed[name])
            ):
                also = ", ".join(advisory.get("aliases", ()))
                text = (advisory.get("summary") or advisory.get("details", "")).splitlines()
                summary = text[0][:120] if text else ""
                lines.append(f"{name} {installed[name]}: {advisory['id']} ({also}) {summary}")
    return count, sorted(set(lines))


def main(argv: list[str] | None = None) -> int:
    """Console."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("advisories", type=Path)
    parser.add_argument(
        "--ignore", action="append", default=[], metavar="ID", help="an advisory that is known"
    )
    arguments = parser.parse_args(argv)
    installed = {
        name_of(d.metadata["Name"]): d.version for d in metadata.distributions() if d.metadata["Name"]
    }
    try:
        count, lines = audit(read(arguments.advisories), installed)
    except (OSError, ValueError, zipfile.BadZipFile, yaml.YAMLError) as error:
        print(f"audit: {arguments.advisories} can't be read: {error}", file=sys.stderr)
        return 2
    if count < FEWEST:
        print(f"audit: only {count} advisories in {arguments.advisories}: these are not all", file=sys.stderr)
        return 2
    lines = [line for line in lines if not any(f" {i} " in line or f"{i}" in line for i in arguments.ignore)]
    print("\n".join(lines) or f"audit: clean ({len(installed)} packages, {count} advisories)")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
