"""What a node is told in answer to a report. It follows from the records alone, so that it may be told
again and again.
"""

from typing import Any

from magnum_lite.db import certificates, nodegroups, nodes
from magnum_lite.db.rows import Row
from magnum_lite.models import renewal
from magnum_lite.models.nodegroup import engine_labels, label_changes
from magnum_lite.models.status import NodeState
from magnum_lite.nodes.deps import DoorDeps

SWARM_PORT = 2377
_AWAY = {NodeState.LEAVING.value, NodeState.GONE.value, NodeState.FAILED.value}


def for_node(deps: DoorDeps, node: Row, cluster: Row) -> dict[str, Any]:
    """The answer's body."""
    with deps.database.read() as connection:
        members = nodes.of_cluster(connection, cluster["uuid"])
        groups = nodegroups.of_clusters(connection, [cluster["uuid"]])[cluster["uuid"]]
        known = certificates.public_parts(connection, cluster["uuid"])
    out: dict[str, Any] = {}
    if node["state"] == NodeState.LEAVING:
        out["leave"] = node["leave_step"] == "removed"
        return out
    if node["collect_logs"]:
        out["collect_logs"] = True
    if not node["engine_id"] or node["step"] == "swarm":
        out |= _entry(deps, node, members)
    elif node["role"] == "master":
        out |= _engine_work(members, groups)
    if node["step"] == "ready":
        if renewal.is_due(node, cluster["renewal"], known, deps.clock()):
            out["renew"] = True
        if node["role"] == "master" and cluster["outdated_tokens"]:
            out["rotate_join_tokens"] = cluster["outdated_tokens"]
    return out


def _entry(deps: DoorDeps, node: Row, members: list[Row]) -> dict[str, Any]:
    """How this node comes into the swarm; nothing while there is none to join."""
    masters = [m for m in members if m["role"] == "master" and m["state"] not in _AWAY]
    inside = [m for m in masters if m["engine_id"] and m["uuid"] != node["uuid"] and m["address"]]
    if inside:
        token = deps.conductors.join_token(node["uuid"])
        if token is None:
            return {}
        return {"join": {"token": token, "addresses": [f"{m['address']}:{SWARM_PORT}" for m in inside]}}
    first = min(masters, key=lambda m: m["index"], default=None)
    if node["role"] == "master" and first is not None and first["uuid"] == node["uuid"]:
        return {"init_swarm": True}
    return {}


def _engine_work(members: list[Row], groups: list[Row]) -> dict[str, Any]:
    """What a master does for a conductor that can't reach the engine itself."""
    wanted = {g["uuid"]: engine_labels(g) for g in groups}
    labels = {
        m["engine_id"]: changes
        for m in members
        if m["engine_id"]
        and m["nodegroup_id"] in wanted
        and m["state"] != NodeState.LEAVING
        and (changes := label_changes(m, wanted[m["nodegroup_id"]]))
    }
    leaving = [m for m in members if m["state"] == NodeState.LEAVING and m["engine_id"]]
    drain = [m["engine_id"] for m in leaving if m["leave_step"] == "draining"]
    remove = [m["engine_id"] for m in leaving if m["leave_step"] == "removed"]
    wishes = {"set_labels": labels, "drain": drain, "remove": remove}
    return {name: value for name, value in wishes.items() if value}
