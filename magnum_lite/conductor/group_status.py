"""What each node group's own status says. A cluster's status is one for all; a group's tells whether *it* is
being made, changed or removed, and only the group that a failure is about has failed.
"""

from collections.abc import Mapping
from typing import Any

from magnum_lite.conductor.outcome import Failed
from magnum_lite.conductor.work import Work
from magnum_lite.db.rows import Row
from magnum_lite.drivers import assembly
from magnum_lite.models.status import COMPLETE, FAILED, IN_PROGRESS, Action, NodeState, is_busy
from magnum_lite.orchestration.faults import is_consequence


def note_changes(work: Work) -> None:
    """Groups that get or lose nodes are being changed, whatever the request that began it was about."""
    if work.cluster["applied_generation"] == work.cluster["generation"]:
        return
    for group in work.groups:
        mine = [n for n in work.nodes if n["nodegroup_id"] == group["uuid"]]
        changing = any(n["state"] == NodeState.LEAVING or not n["in_stack"] for n in mine)
        if changing and not is_busy(group["status"]):
            work.save_group(group, status=f"{_action(work, group)}_{IN_PROGRESS}", status_reason=None)


def _action(work: Work, group: Row) -> Action:
    if group["deleting"]:
        return Action.DELETE
    unmade = group["status"].startswith(Action.CREATE) and not group["status"].endswith(COMPLETE)
    return Action.CREATE if unmade or work.cluster["action"] == Action.CREATE else Action.UPDATE


def completed(work: Work) -> dict[str, dict[str, Any]]:
    """Node group's uuid → what to write once all is well."""
    out: dict[str, dict[str, Any]] = {}
    for group in work.groups:
        mine = [n for n in work.members() if n["nodegroup_id"] == group["uuid"]]
        values = {"version": _version(work, mine), **_done(work, group)}
        if group["is_default"]:
            values["stack_id"] = work.cluster["stack_id"]
        out[group["uuid"]] = {name: value for name, value in values.items() if group.get(name) != value}
    return {uuid: values for uuid, values in out.items() if values}


def _done(work: Work, group: Row) -> dict[str, Any]:
    if group["status"].endswith(COMPLETE):
        return {"status_reason": None}
    return {"status": f"{_action(work, group)}_{COMPLETE}", "status_reason": None}


def _version(work: Work, mine: list[Row]) -> str | None:
    """The engine's version on the group's nodes."""
    told = (work.driver.versions(n["versions"] or {})["coe_version"] for n in mine)
    return next((version for version in told if version), None)


def failed(work: Work, outcome: Failed) -> dict[str, dict[str, Any]]:
    """Node group's uuid → what to write after a failure: those that it is about have failed, with their own
    reasons; of the rest those whose change did not come to its end.
    """
    blamed = blame(work, outcome.faults)
    out: dict[str, dict[str, Any]] = {}
    for group in work.groups:
        mine = blamed.get(group["uuid"])
        if mine is None and not is_busy(group["status"]):
            continue
        if mine is None and blamed and _is_whole(work, group):
            out[group["uuid"]] = _done(work, group)
            continue
        reason = "; ".join(f"{where}: {why}" for where, why in mine.items()) if mine else outcome.reason
        status = f"{_action(work, group)}_{FAILED}"
        out[group["uuid"]] = {"status": status, "status_reason": reason[:8000]}
    return out


def _is_whole(work: Work, group: Row) -> bool:
    mine = [n for n in work.nodes if n["nodegroup_id"] == group["uuid"]]
    ready = [n for n in mine if n["state"] == NodeState.READY]
    return not group["deleting"] and len(ready) == len(mine) == group["node_count"]


def blame(work: Work, faults: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Faults (host name or resource → why) by the uuid of the node group that they are about. What Heat only
    stopped because of something else is no group's fault.
    """
    hosts = {n["hostname"]: n["nodegroup_id"] for n in work.nodes}
    keys = {(g["role"] == "master", assembly.key_of(g)): g["uuid"] for g in work.groups}
    out: dict[str, dict[str, str]] = {}
    for where, why in faults.items():
        uuid = hosts.get(where)
        if uuid is None and (found := work.driver.group_of(where)) is not None:
            role, key = found
            uuid = keys.get((role == "master", key))
        if uuid is not None and (where in hosts or not is_consequence(why)):
            out.setdefault(uuid, {})[where] = why
    return out


def names(work: Work, faults: Mapping[str, str]) -> str:
    """Names of node groups beside the default ones that faults are about, as ``Node group gpu: ``."""
    blamed = blame(work, faults)
    found = [g["name"] for g in work.groups if g["uuid"] in blamed and not g["is_default"]]
    return f"Node group {', '.join(found)}: " if found else ""
