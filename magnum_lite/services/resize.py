"""Changing how many nodes a group has, and which ones leave."""

from collections.abc import Mapping, Sequence
from typing import Any

from magnum_lite.context import Context
from magnum_lite.db import clusters as db
from magnum_lite.db import events, nodegroups, nodes
from magnum_lite.db.rows import Row
from magnum_lite.errors import Conflict, InvalidInput, NotFound, Problem, Unsupported
from magnum_lite.models.nodegroup import DEFAULT_WORKER
from magnum_lite.models.status import Action
from magnum_lite.services import clusters, references, room
from magnum_lite.services.deps import Deps, scope


def resize(
    deps: Deps,
    context: Context,
    ident: str,
    *,
    count: int,
    group_ident: str | None = None,
    remove: Sequence[str] = (),
    rule: str = "cluster:resize",
) -> Row:
    """Accept a new node count. ``remove`` names nodes by server id, host name, uuid or index; they are
    drained and leave first. Works while another change is under way: the newest wins.
    """
    with deps.database.read() as connection:
        row = db.get(connection, ident, scope(context))
        deps.policy.check(context, rule, row["project_id"])
        clusters.changeable(row)
        groups = nodegroups.of_clusters(connection, [row["uuid"]])[row["uuid"]]
        members = nodes.of_cluster(connection, row["uuid"])
    group = _group(groups, group_ident or DEFAULT_WORKER)
    if group["role"] == "master":
        raise InvalidInput(Problem("nodegroup", "Masters can not be resized by this engine"))
    clusters.refuse_count(group, count)
    chosen = _chosen(group, members, remove)
    if len(chosen) > max(0, group["node_count"] - count) and chosen and count >= group["node_count"]:
        raise InvalidInput(
            Problem("nodes_to_remove", f"{len(chosen)} named, but the node count does not become smaller")
        )
    resized = group | {"node_count": count}
    problems = clusters.engine_problems(
        deps, row, [resized if g["uuid"] == group["uuid"] else g for g in groups]
    )
    references.refuse(problems)
    room.check(deps, context, [group], more=[count - group["node_count"]])
    with deps.database.write() as connection:
        db.accept(connection, row["uuid"], row["generation"], Action.UPDATE.value, {})
        nodegroups.update(
            connection,
            group["uuid"],
            {"node_count": count, "nodes_to_remove": sorted({*group["nodes_to_remove"], *chosen})},
        )
        message = f"Change accepted: {group['name']} from {group['node_count']} to {count} node(s)."
        events.add(connection, row | {"generation": row["generation"] + 1}, "accepted", message)
    deps.conductors.look(row["uuid"])
    return row


def _group(groups: Sequence[Row], ident: str) -> Row:
    for group in groups:
        if ident in {group["uuid"], group["name"]}:
            return group
    raise NotFound(nodegroups.KIND, ident)


def _chosen(group: Row, members: Sequence[Row], remove: Sequence[str]) -> list[str]:
    """Node uuids of what the caller named. Raises InvalidInput for a name that no node has."""
    mine = [m for m in members if m["nodegroup_id"] == group["uuid"]]
    out, problems = [], []
    for place, name in enumerate(remove):
        found = next(
            (m for m in mine if name in {m["server_id"], m["hostname"], m["uuid"], str(m["index"])}), None
        )
        if found is None:
            problems.append(Problem(f"nodes_to_remove/{place}", f"{name} is no node of {group['name']}"))
        else:
            out.append(found["uuid"])
    references.refuse(problems)
    return out


def rollback(deps: Deps, context: Context, ident: str) -> Row:
    """Accept a return to the spec of the last COMPLETE generation."""
    with deps.database.write() as connection:
        row = db.get(connection, ident, scope(context))
        deps.policy.check(context, "cluster:update", row["project_id"])
        clusters.changeable(row)
        good: Mapping[str, Any] = row["last_good"].get("counts", {})
        if not good:
            raise Conflict(f"Cluster {row['uuid']} has never been complete: there is nothing to go back to.")
        groups = nodegroups.of_clusters(connection, [row["uuid"]])[row["uuid"]]
        db.accept(connection, row["uuid"], row["generation"], Action.ROLLBACK.value, {})
        for group in groups:
            if group["name"] in good:
                nodegroups.update(connection, group["uuid"], {"node_count": good[group["name"]]})
        events.add(
            connection,
            row | {"generation": row["generation"] + 1},
            "accepted",
            "Return to the last good state.",
        )
    deps.conductors.look(row["uuid"])
    return row


def upgrade(deps: Deps, context: Context, ident: str) -> None:
    """No engine can, yet."""
    with deps.database.read() as connection:
        row = db.get(connection, ident, scope(context))
    deps.policy.check(context, "cluster:upgrade", row["project_id"])
    raise Unsupported(
        f"The {row['coe']} engine can not upgrade clusters in place; make a new cluster instead."
    )
