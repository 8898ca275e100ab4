"""What a node is told in answer to a report. It follows from the records alone, so that it may be told
again and again.
"""

from typing import Any

from magnum_lite.db import certificates, nodegroups, nodes
from magnum_lite.db.rows import Row
from magnum_lite.drivers import assembly, registry
from magnum_lite.drivers.contract import ClusterSpec, DoorSpec
from magnum_lite.drivers.port import Driver
from magnum_lite.models import renewal
from magnum_lite.models.nodegroup import label_changes
from magnum_lite.models.status import NodeState
from magnum_lite.nodes.deps import DoorDeps


def for_node(deps: DoorDeps, node: Row, cluster: Row) -> dict[str, Any]:
    """The answer's body. All nodes are read only for a master that works for them: where each of a thousand
    reads a thousand, the door does nothing else.
    """
    serves = node["engine_id"] and node["step"] == "ready" and node["role"] == "master"
    with deps.database.read() as connection:
        groups = nodegroups.of_clusters(connection, [cluster["uuid"]])[cluster["uuid"]]
        members = nodes.of_cluster(connection, cluster["uuid"]) if serves else []
        masters = nodes.of_groups(connection, [g["uuid"] for g in groups if g["role"] == "master"])
        known = certificates.public_parts(connection, cluster["uuid"])
    out: dict[str, Any] = {}
    if node["state"] == NodeState.LEAVING:
        out["leave"] = node["leave_step"] == "removed"
        return out
    if node["collect_logs"]:
        out["collect_logs"] = True
    driver = registry.get(cluster["coe"])
    out |= driver.instructions(node, masters, lambda: deps.conductors.join_token(node["uuid"]))
    if serves:
        out |= _engine_work(driver, members, groups)
        out |= driver.additions(_spec(deps, cluster, groups), node, masters)
    if node["step"] == "ready":
        told, now = cluster["renewal"], deps.clock()
        due = renewal.is_due(node, told, known, now) or renewal.lacks_credential(node, cluster, now)
        if due and driver.may_renew(node, masters, told, now):
            out["renew"] = True
        if node["role"] == "master" and cluster["outdated_tokens"]:
            out["rotate_join_tokens"] = cluster["outdated_tokens"]
    return out


def _spec(deps: DoorDeps, cluster: Row, groups: list[Row]) -> ClusterSpec:
    """Of the cluster itself: nobody asks for its stack here."""
    door = DoorSpec(url=deps.conf.node_door.url, ca_pem="")
    return assembly.cluster_spec(
        cluster,
        groups,
        door=door,
        longest_timeout=deps.conf.conductor.max_timeout,
        cloud=assembly.cloud_spec(deps.conf.cloud_provider),
    )


def _engine_work(driver: Driver, members: list[Row], groups: list[Row]) -> dict[str, Any]:
    """What a master does for a conductor that can't reach the engine itself."""
    wanted = {g["uuid"]: driver.labels(g) for g in groups}
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
    remove = [m["engine_id"] for m in leaving if m["leave_step"] in {"expelling", "removed"}]
    wishes = {"set_labels": labels, "drain": drain, "remove": remove}
    return {name: value for name, value in wishes.items() if value}
