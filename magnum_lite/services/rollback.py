"""Back to the last complete state: a new generation whose node groups are those of the last good one. Groups
made since are removed, groups removed since are made again (with new nodes), and what was changed is undone.
"""

import uuid
from collections.abc import Sequence
from typing import Any

from magnum_lite.context import Context
from magnum_lite.db import clusters as db
from magnum_lite.db import events, nodegroups
from magnum_lite.db.rows import Row
from magnum_lite.db.session import Connection
from magnum_lite.errors import Conflict
from magnum_lite.models.fields import Access
from magnum_lite.models.nodegroup import NodeGroup
from magnum_lite.models.status import Action
from magnum_lite.models.views import names, new_row
from magnum_lite.services import acceptance, references, room
from magnum_lite.services.deps import Deps, scope
from magnum_lite.services.drafts import Draft, engine_problems

_CHANGEABLE = (names(NodeGroup, Access.WRITE) - {"name"}) | {"image_id", "flavor_id", "labels", "make"}
_OF_CLUSTER = ("template", "cluster_template_id")


def draft(deps: Deps, context: Context, ident: str) -> Draft:
    """Node groups as they would be, those that would go with ``deleting``. Raises NotFound, Forbidden,
    Conflict (there is no good state, or a group of it is on its way out), Unavailable.
    """
    with deps.database.read() as connection:
        row = db.get(connection, ident, scope(deps, context, "cluster:update"))
        deps.policy.check(context, "cluster:update", row["project_id"])
        acceptance.changeable(row)
        groups = nodegroups.of_clusters(connection, [row["uuid"]])[row["uuid"]]
    row = row | _of_cluster(row)
    after = _restored(row, groups)
    before = {g["uuid"]: g["node_count"] for g in groups}
    problems = engine_problems(deps, row, after)
    needs = []
    if not problems:
        more = [g["node_count"] - before.get(g["uuid"], 0) for g in after]
        needs = room.needs(deps, context, row, after, more=more)
    return Draft(row, after, problems, needs)


def _of_cluster(row: Row) -> Row:
    """The template that the last good state was made from."""
    good: Row = row["last_good"]
    return {name: good[name] for name in _OF_CLUSTER if name in good}


def _restored(row: Row, groups: Sequence[Row]) -> list[Row]:
    good: dict[str, Row] = {g["name"]: g for g in row["last_good"].get("groups", ())}
    if not good:
        raise Conflict(f"Cluster {row['uuid']} has never been complete: there is nothing to go back to.")
    out = []
    for group in groups:
        spec = good.pop(group["name"], None)
        if spec is None:
            out.append({**group, **nodegroups.DELETED})
        elif group["deleting"]:
            text = "is still being deleted; go back once it is gone"
            raise Conflict(f"Node group {group['name']} {text}.")
        else:
            out.append(group | {n: v for n, v in spec.items() if n in _CHANGEABLE})
    return out + [_again(row, spec) for spec in good.values()]


def _again(row: Row, spec: Row) -> Row:
    own = {"uuid": str(uuid.uuid4()), "cluster_id": row["uuid"], "project_id": row["project_id"]}
    return new_row(NodeGroup, spec | own)


def accept(deps: Deps, wanted: Draft) -> Row:
    """Accept it. Raises InvalidInput, QuotaExceeded, Conflict, Stale."""
    references.refuse(wanted.problems)
    room.check(wanted.needs)

    def store(connection: Connection, now: Row) -> None:
        groups = nodegroups.of_clusters(connection, [now["uuid"]])[now["uuid"]]
        there = {g["uuid"]: g for g in groups}
        db.want(connection, now, _of_cluster(now))
        for after in _restored(now, groups):
            _store(connection, there.get(after["uuid"]), after)
        events.add(connection, now, "accepted", "Return to the last good state.")

    return acceptance.accept(deps, wanted.row["uuid"], Action.ROLLBACK, store)


def _store(connection: Connection, before: Row | None, after: Row) -> None:
    if before is None:
        nodegroups.insert(connection, after)
    elif after["deleting"] and not before["deleting"]:
        nodegroups.mark_deleted(connection, after["uuid"])
    elif not after["deleting"]:
        changed: dict[str, Any] = {n: v for n, v in after.items() if before[n] != v}
        if changed:
            nodegroups.change(connection, after["uuid"], changed)
