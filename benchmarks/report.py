"""The figures as markdown."""

import datetime as dt
from collections.abc import Mapping

from benchmarks.scaling import ORDERS, SIZES, Cost
from benchmarks.serving import Figures, Start
from tests.support.processes import Machine


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def _times(theirs: float, ours: float) -> str:
    ratio = theirs / ours
    return f"{ratio:.0f}×" if ratio >= 20 else f"{ratio:.1f}×"


def head(machine: Machine, versions: Mapping[str, str]) -> str:
    """When, where, what."""
    return (
        "# Benchmarks\n\n"
        f"Written by `make bench` on {dt.datetime.now(dt.UTC):%Y-%m-%d}; {machine.cores} cores, load "
        f"{machine.load:.1f} when it began. This service beside upstream magnum {versions['upstream']}, in "
        "environments of their own, in one run, in turns. The same data on both sides: 10,000 clusters of one "
        "project, 100 templates, two node groups each. Stands for Keystone on both sides: a wrapper that sets a "
        "member's headers; token validation is in none of the figures. CPU is user and system time, the least of "
        "several rounds; wall times share the cores with the client and with whatever else runs.\n\n"
    )


def in_process(found: Mapping[str, Mapping[str, Mapping[str, float]]]) -> str:
    """CPU and SQL without a server, on SQLite."""
    rows = []
    for path, sides in found.items():
        ours, theirs = sides["ours"], sides["upstream"]
        rows.append([
            f"`{path}`", f"{theirs['sql']}", f"{ours['sql']}", f"{theirs['cpu'] * 1000:.1f}",
            f"{ours['cpu'] * 1000:.2f}", _times(theirs["cpu"], ours["cpu"]),
        ])  # fmt: skip
    columns = ["request", "SQL upstream", "SQL ours", "CPU ms upstream", "CPU ms ours", "ratio"]
    return "## In process, on SQLite\n\n" + _table(columns, rows) + "\n"


def served(way: str, conductors: str, found: Mapping[str, Mapping[str, Figures]]) -> str:
    """Behind a server, on MariaDB."""
    rows = []
    for path, sides in found.items():
        ours, theirs = sides["ours"], sides["upstream"]
        rows.append([
            f"`{path}`", f"{theirs.cpu * 1000:.1f}", f"{ours.cpu * 1000:.1f}", _times(theirs.cpu, ours.cpu),
            *(f"{s.p50 * 1000:.0f} / {s.p95 * 1000:.0f}" for s in (theirs, ours)),
            f"{theirs.rate:.1f}", f"{ours.rate:.1f}", _times(ours.rate, theirs.rate),
        ])  # fmt: skip
    columns = [
        "request", "CPU ms upstream", "CPU ms ours", "ratio", "p50 / p95 ms upstream", "p50 / p95 ms ours",
        "requests/s upstream", "requests/s ours", "ratio",
    ]  # fmt: skip
    return f"## Behind {way}, on MariaDB\n\n{conductors}\n\n" + _table(columns, rows) + "\n"


def starts(way: str, found: Mapping[str, Start]) -> str:
    """Start-up and memory of one worker."""
    theirs, ours = found["upstream"], found["ours"]
    rows = [
        ["CPU s to the first answer, server and worker", *_pair(theirs.cpu, ours.cpu, 2)],
        ["wall s to the first answer", *_pair(theirs.wall, ours.wall, 1)],
        *(
            [f"worker's RSS, MiB, {words}", *_pair(theirs.memory[key], ours.memory[key], 0)]
            for key, words in (
                ("fresh", "fresh"),
                ("lists", "after lists"),
                ("post", "after the first certificate"),
            )
        ),
    ]
    head = f"## Start and memory of a worker of {way}\n\n"
    return head + _table(["", "upstream", "ours", "ratio"], rows) + "\n"


def imports(found: Mapping[str, Mapping[str, float]]) -> str:
    """What the application brings along, without a server."""
    both = ("upstream", "ours")
    rows = [
        ["CPU s of the import alone", *_pair(*(found[name]["import_cpu"] for name in both), 2)],
        ["modules", *_pair(*(found[name]["modules"] for name in both), 0)],
    ]
    return "## The import\n\n" + _table(["", "upstream", "ours", "ratio"], rows) + "\n"


def _pair(theirs: float, ours: float, digits: int) -> tuple[str, str, str]:
    return f"{theirs:.{digits}f}", f"{ours:.{digits}f}", _times(theirs, ours)


def scaling(databases: Mapping[str, tuple[Mapping[tuple[str, int], Cost], Mapping[str, str]]]) -> str:
    """Pages of this service over the size of the table."""
    out = (
        "## A page of 100 at three sizes\n\nThis service only. CPU ms of API and database server together, of the "
        "first page and of the page from the middle of the list.\n\n"
    )
    for name, found in databases.items():
        costs, plans = found
        rows = []
        for order in ORDERS:
            for which in ("first", "middle"):
                values = [getattr(costs[order, size], which) for size in SIZES]
                spread = f"{(max(values) / min(values) - 1) * 100:.0f} %"
                rows.append([f"{order}, {which}", *(f"{v:.1f}" for v in values), spread])
        out += f"### {name}\n\n" + _table([name, *(f"{s:,}" for s in SIZES), "spread"], rows) + "\n"
        out += "".join(f"- {who}: `{plan}`\n" for who, plan in plans.items()) + "\n"
    return out


def floor(found: Mapping[str, float]) -> str:
    """What nothing on pecan and SQLAlchemy can be below."""
    return (
        "## The floor\n\n"
        f"A bare pecan answer: {found['pecan']:.2f} ms of CPU; one SELECT by an indexed column through SQLAlchemy "
        f"on SQLite: {found['select']:.2f} ms.\n"
    )
