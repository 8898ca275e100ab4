"""Changing how many nodes a group has, and which ones leave."""

import dataclasses
from collections.abc import Sequence

from magnum_lite.context import Context
from magnum_lite.db import clusters as db
from magnum_lite.db import events, nodegroups, nodes
from magnum_lite.db.rows import Row
from magnum_lite.db.session import Connection
from magnum_lite.errors import Conflict, NotFound, Problem
from magnum_lite.models.nodegroup import DEFAULT_WORKER
from magnum_lite.models.status import Action
from magnum_lite.services import acceptance, clusters, drafts, references, room
from magnum_lite.services.deps import Deps, scope


@dataclasses.dataclass(frozen=True)
class Draft:
    """A new node count, looked at but not yet accepted. ``chosen``: uuids of nodes that leave first."""

    row: Row
    groups: list[Row]
    group: Row
    count: int
    chosen: list[str]
    problems: list[Problem]
    needs: list[room.Need]


def draft(
    deps: Deps,
    context: Context,
    ident: str,
    *,
    count: int | None,
    group_ident: str | None = None,
    remove: Sequence[str] = (),
    rule: str = "cluster:resize",
) -> Draft:
    """What a resize would do; None leaves the count as it is.

    Raises NotFound, Forbidden, Conflict, Unavailable.
    """
    with deps.database.read() as connection:
        row = db.get(connection, ident, scope(deps, context, "cluster:update"))
        deps.policy.check(context, rule, row["project_id"])
        acceptance.changeable(row)
        groups = nodegroups.of_clusters(connection, [row["uuid"]])[row["uuid"]]
        members = nodes.of_cluster(connection, row["uuid"])
    group = find_group(groups, group_ident or DEFAULT_WORKER)
    count = group["node_count"] if count is None else count
    problems = []
    if group["deleting"]:
        raise Conflict(f"Node group {group['name']} is being deleted; it can not be resized any more.")
    if group["role"] == "master":
        problems.append(Problem("nodegroup", "Masters can not be resized by this engine"))
    problems += clusters.count_problems(group, count)
    mine = [m for m in members if m["nodegroup_id"] == group["uuid"]]
    chosen = _chosen(group, mine, remove, problems)
    if chosen and count >= group["node_count"]:
        message = f"{len(chosen)} named, but the node count does not become smaller"
        problems.append(Problem("nodes_to_remove", message))
    resized = group | {"node_count": count}
    if not problems:
        after = [resized if g["uuid"] == group["uuid"] else g for g in groups]
        problems = drafts.engine_problems(deps, row, after)
    needs = []
    if not problems:
        needs = room.needs(deps, context, row, [group], more=[count - group["node_count"]])
    return Draft(row, groups, group, count, chosen, problems, needs)


def accept(deps: Deps, wanted: Draft) -> Row:
    """Accept a new node count; its chosen nodes are drained and leave first. Works while another change
    is under way: the newest wins. Raises InvalidInput, QuotaExceeded, Stale.
    """
    references.refuse(wanted.problems)
    room.check(wanted.needs)
    group, count = wanted.group, wanted.count

    def store(connection: Connection, now: Row) -> None:
        leaving = sorted({*group["nodes_to_remove"], *wanted.chosen})
        nodegroups.change(connection, group["uuid"], {"node_count": count, "nodes_to_remove": leaving})
        message = f"Change accepted: {group['name']} from {group['node_count']} to {count} node(s)."
        events.add(connection, now, "accepted", message)

    return acceptance.accept(deps, wanted.row["uuid"], Action.UPDATE, store)


def find_group(groups: Sequence[Row], ident: str) -> Row:
    """By uuid or name. Raises NotFound."""
    for group in groups:
        if ident in {group["uuid"], group["name"]}:
            return group
    raise NotFound(nodegroups.KIND, ident)


def _chosen(group: Row, mine: Sequence[Row], remove: Sequence[str], problems: list[Problem]) -> list[str]:
    """Uuids of the nodes that the caller named by server id, host name, uuid or index; one more problem
    for each name that no node has.
    """
    out = []
    for place, name in enumerate(remove):
        names = ("server_id", "hostname", "uuid", "index")
        found = next((m for m in mine if name in {str(m[n]) for n in names}), None)
        if found is None:
            problems.append(Problem(f"nodes_to_remove/{place}", f"{name} is no node of {group['name']}"))
        else:
            out.append(found["uuid"])
    return out
