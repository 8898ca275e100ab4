"""A server's status in Nova's words, and which actions a status allows: a table."""

import dataclasses
from collections.abc import Mapping

from magnum_lite.local.cloud.store import Record


@dataclasses.dataclass(frozen=True, slots=True)
class Action:
    """What an action asks of the engine, the task that shows meanwhile, the statuses that allow it."""

    engine: str
    task: str
    allowed: frozenset[str]


ACTIONS: Mapping[str, Action] = {
    "os-start": Action("start", "powering-on", frozenset({"SHUTOFF"})),
    "os-stop": Action("stop", "powering-off", frozenset({"ACTIVE", "ERROR"})),
    "reboot": Action("restart", "rebooting", frozenset({"ACTIVE"})),
    "reboot-hard": Action("kill", "rebooting_hard", frozenset({"ACTIVE", "SHUTOFF", "PAUSED", "ERROR"})),
    "pause": Action("pause", "pausing", frozenset({"ACTIVE"})),
    "unpause": Action("unpause", "unpausing", frozenset({"PAUSED"})),
}

_STATUS = {
    "running": "ACTIVE",
    "exited": "SHUTOFF",
    "paused": "PAUSED",
    "created": "BUILD",
    "restarting": "REBOOT",
}
_VM_STATE = {
    "ACTIVE": "active",
    "BUILD": "building",
    "SHUTOFF": "stopped",
    "PAUSED": "paused",
    "ERROR": "error",
}
_POWER_STATE = {"running": 1, "paused": 3, "exited": 4}


def status(record: Record, state: str | None) -> str:
    """Nova's status from the record and the engine's state of the node. A node that is gone
    behind the cloud's back is ERROR.
    """
    if record["task"] == "deleting":
        return "ERROR" if record["fault"] else _STATUS.get(state or "running", "ACTIVE")
    if record["fault"]:
        return "ERROR"
    by_task = {"spawning": "BUILD", "rebooting": "REBOOT", "rebooting_hard": "HARD_REBOOT"}.get(
        record["task"] or ""
    )
    return by_task or _STATUS.get(state or "", "ERROR")


def vm_state(status_word: str) -> str:
    """Nova's vm_state for a status."""
    return _VM_STATE.get(status_word, "active")


def power_state(state: str | None) -> int:
    """Nova's power_state: 1 running, 3 paused, 4 shut down, 0 unknown."""
    return _POWER_STATE.get(state or "", 0)
