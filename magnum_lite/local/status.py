"""What runs now: the supervisor's own notes, checked against the processes that there are."""

import dataclasses
import json
from pathlib import Path
from typing import Any

from magnum_lite.local import processes, state
from magnum_lite.local.keeper import Condition


@dataclasses.dataclass(frozen=True, slots=True)
class ProcessStatus:
    """One unit. ``pid`` is 0 when nothing runs; ``rss_bytes`` counts its whole process group;
    ``since`` is in Unix seconds; ``reason`` says why it last died.
    """

    name: str
    pid: int
    state: str
    rss_bytes: int
    since: float
    restarts: int
    reason: str = ""


def status(state_dir: Path) -> list[ProcessStatus]:
    """The supervisor and its units as they are now; empty where ``up`` was never run."""
    settings = state.load(state_dir.resolve())
    if settings is None:
        return []
    daemon = supervisor(settings)
    result = [
        ProcessStatus(
            name="supervisor",
            pid=daemon.pid if daemon else 0,
            state=str(Condition.READY if daemon else Condition.STOPPED),
            rss_bytes=processes.resident_bytes(daemon.pid) if daemon else 0,
            since=processes.started_at(daemon) if daemon else 0.0,
            restarts=0,
        )
    ]
    for unit in document(settings).get("units", ()):
        running = bool(unit["pid"]) and processes.identify(unit["pid"]) is not None and daemon is not None
        result.append(
            ProcessStatus(
                name=unit["name"],
                pid=unit["pid"] if running else 0,
                state=unit["condition"] if daemon else str(Condition.STOPPED),
                rss_bytes=processes.resident_bytes(unit["pid"]) if running else 0,
                since=unit["since"],
                restarts=unit["restarts"],
                reason=unit["reason"],
            )
        )
    return result


def document(settings: state.Settings) -> dict[str, Any]:
    """The supervisor's notes as they are; empty when there are none."""
    try:
        notes: dict[str, Any] = json.loads(settings.status_file.read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return notes


def is_ready(settings: state.Settings, name: str) -> bool:
    """Whether a running supervisor has seen this unit ready."""
    if supervisor(settings) is None:
        return False
    units = document(settings).get("units", ())
    return any(unit["name"] == name and unit["condition"] == Condition.READY for unit in units)


def supervisor(settings: state.Settings) -> processes.Identity | None:
    """The supervisor of this state directory, if it runs."""
    recorded = document(settings).get("supervisor")
    if recorded:
        process = processes.Identity(**recorded)
        if processes.alive(process):
            return process
    return None
