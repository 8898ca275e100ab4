"""``make bench-scale``: many bays, big bays, and ``benchmarks/scale.md`` from them. ``--bays 10000/1000`` and
``--sheet 50x2`` (several of each) say how many and how big; without ``--write`` the results are printed only.
"""

import argparse
import contextlib
import datetime as dt
import json
import os
import secrets
import signal
import subprocess
import sys
from pathlib import Path

from benchmarks.environments import CHECKOUT
from tests.support import memory_heat, servers

SHEET = {"50x2": 2.5, "10x16": 4.0, "10x32": 4.0, "5x128": 5.5, "1x512": 14.0, "1x1000": 23.0}  # minutes
BAYS = ("10000/1000",)
_SIMULATED = (
    "From the request to COMPLETE in one process (API, conductor, node door, SQLite, Heat in memory; every "
    "machine has its own keys): CPU seconds, of one core. The last column is what a cloud took altogether "
    "(CERN, FOSDEM 2017)."
)
_SCRIPTS = CHECKOUT / "benchmarks" / "scripts"


def _run(script: str, *arguments: object, quiet: bool = False) -> str:
    command = [sys.executable, "-W", "ignore", str(_SCRIPTS / script), *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=False,
                          stderr=subprocess.PIPE if quiet else None)  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"{script} failed\n{(done.stderr or '')[-3000:]}")
    return done.stdout


def sync(place: Path, bays: int, busy: int) -> dict:
    """Status passes over ``bays``, of which ``busy`` are in progress, on MariaDB."""
    where = place / f"sync-{bays}"
    where.mkdir(mode=0o711)
    (where / "kek").write_bytes(secrets.token_bytes(32))
    (where / "kek").chmod(0o600)
    with servers.mariadb(where, buffer_pool="512M") as database:
        url = servers.create_database(Path(sys.executable), database.url, "lite")
        heat = memory_heat.MemoryHeat(where / "heat.log", state=where / "heat")
        user = "".join(f"{name} = {value}\n" for name, value in heat.auth.items())
        config = where / "config"
        config.write_text(
            f"[database]\nconnection = {url}\n[conductor]\nconcurrency = threading\n"
            f"reach_engines = false\n[certificates]\nkek_file = {where}/kek\n[service_user]\n{user}"
        )
        _run("fill_ours.py", config, bays)
        _run("sync_ours.py", "prepare", config, where / "heat", bays, busy)
        with heat:
            return json.loads(_run("sync_ours.py", config, bays, busy).splitlines()[-1])


def of_sync(found: dict) -> str:
    """As markdown."""
    count, busy = found.pop("count"), found.pop("busy")
    lines = [
        f"## The status of {count:,} bays, {busy:,} of them in progress", "",
        "On MariaDB, with the in-memory Heat over HTTP. CPU is the conductor's, the least of several.", "",
        "| a look at | CPU ms | wall ms | SQL | requests to Heat | memory MiB (grown) |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]  # fmt: skip
    for name, cost in found.items():
        memory = f"{cost['resident']:.0f} ({cost['grown']:+.1f})"
        times = f"{cost['cpu'] * 1000:.1f} | {cost['wall'] * 1000:.1f}"
        lines.append(f"| {name} | {times} | {cost['sql']} | {cost['heat']} | {memory} |")
    return "\n".join(lines) + "\n\n"


def of_sheet(found: dict) -> str:
    """As markdown."""
    lines = [
        "## Deployments, simulated", "", _SIMULATED, "",
        "| bays at once | workers each | complete | accepted in s | API | conductor | door (calls) | ours, s | CERN, s |",
        "| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]  # fmt: skip
    for row in found["sheet"]:
        ours = row["accepting"] + row["conductor"] + row["door"]
        theirs = SHEET.get(f"{row['bays']}x{row['nodes']}")
        cells = [
            str(row["bays"]), str(row["nodes"]), str(row["complete"]), f"{row['accepted']:.1f}",
            f"{row['accepting']:.1f}", f"{row['conductor']:.1f}", f"{row['door']:.1f} ({row['calls']})",
            f"{ours:.1f}", f"{theirs * 60:.0f}" if theirs else "",
        ]  # fmt: skip
        lines.append("| " + " | ".join(cells) + " |")
    cost = found["report"] * 1000
    report = (
        f"In the last bay, of {found['members']:,} machines, a report of a ready node costs the door "
        f"{cost:.2f} ms of CPU: {1000 / cost:,.0f} reports/s of a core."
    )
    return "\n".join([*lines, "", report]) + "\n\n"


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(prog="benchmarks.scale", description=__doc__)
    parser.add_argument("--bays", action="append", help="all/in progress")
    parser.add_argument("--sheet", action="append", help="bays x workers")
    parser.add_argument("--write", action="store_true", help="write benchmarks/scale.md")
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    whole = not asked.bays and not asked.sheet
    text = (
        f"# Scale\n\nMade by `make bench-scale` on {dt.datetime.now(dt.UTC):%Y-%m-%d}; {os.cpu_count()} cores, "
        f"load {os.getloadavg()[0]:.1f} at the beginning.\n\n"
    )
    with contextlib.ExitStack() as stack:
        place = stack.enter_context(servers.scratch("magnum-lite-scale-"))
        for size in asked.bays or (BAYS if whole else ()):
            text += (part := of_sync(sync(place, *(int(n) for n in size.split("/")))))
            print(part, flush=True)
        if sheet := asked.sheet or ([*SHEET, "200x1"] if whole else []):
            made = of_sheet(json.loads(_run("simulated.py", place, *sheet).splitlines()[-1]))
            print(made, flush=True)
            text += made
    if asked.write:
        (CHECKOUT / "benchmarks" / "scale.md").write_text(text.rstrip() + "\n")


if __name__ == "__main__":
    main()
