"""Plan before act: the drafts of the other use cases, with the conductor's word on what they would do.

What a request does wrong by itself (an unknown object, a body that can't be read, a rule of the policy) is
an error here as it is there. What the cloud, its quotas or the engine have against it is in the plan.
"""

import dataclasses
import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

from magnum_lite.context import Context
from magnum_lite.db import clusters as db
from magnum_lite.db import nodegroups as groups_db
from magnum_lite.db.rows import Row
from magnum_lite.errors import Problem
from magnum_lite.models.status import Action
from magnum_lite.services import clusters, drafts, nodegroups, resize, rollback, room, upgrade
from magnum_lite.services.deps import Deps, scope
from magnum_lite.services.reading import masked


def creation(
    deps: Deps, context: Context, values: Mapping[str, Any], *, template_field: str
) -> dict[str, Any]:
    """Of a cluster."""
    deps.policy.check(context, "cluster:create")
    draft = drafts.of_cluster(deps, context, values, template_field=template_field)
    needs = [*draft.needs, _clusters(deps, context)]
    warnings = clusters.label_warnings(draft.row)
    return _plan(deps, "create", draft.row, draft.groups, draft.problems, needs, Action.CREATE, warnings)


def _clusters(deps: Deps, context: Context) -> room.Need:
    with deps.database.read() as connection:
        most = clusters.limit(deps, connection, context.project_id)
        have = db.count(connection, context.project_id)
    return room.Need("clusters", 1) if most < 0 else room.Need("clusters", 1, most, max(0, most - have))


def resizing(deps: Deps, draft: resize.Draft, action: str) -> dict[str, Any]:
    """Of a node count (see ``resize.draft``); ``action`` is the caller's word for it."""
    leaving = sorted({*draft.group["nodes_to_remove"], *draft.chosen})
    changed = draft.group | {"node_count": draft.count, "nodes_to_remove": leaving}
    after = [changed if g["uuid"] == changed["uuid"] else g for g in draft.groups]
    return _plan(deps, action, draft.row, after, draft.problems, draft.needs, Action.UPDATE)


def of_group(deps: Deps, draft: nodegroups.Draft) -> dict[str, Any]:
    """Of a node group that is made, changed or removed."""
    after = [g for g in draft.groups if draft.before is None or g["uuid"] != draft.before["uuid"]]
    action = "update" if draft.before and draft.after else "create" if draft.after else "delete"
    if draft.after is not None:
        after.append(draft.after)
    elif draft.before is not None:
        after.append({**draft.before, **groups_db.DELETED})
    return _plan(deps, action, draft.cluster, after, draft.problems, draft.needs, Action.UPDATE)


def deletion(deps: Deps, context: Context, ident: str) -> dict[str, Any]:
    """Of a cluster."""
    with deps.database.read() as connection:
        row = db.get(connection, ident, scope(deps, context, "cluster:delete"))
        deps.policy.check(context, "cluster:delete", row["project_id"])
        groups = groups_db.of_clusters(connection, [row["uuid"]])[row["uuid"]]
    return _plan(deps, "delete", row, groups, [], [], Action.DELETE)


def upgrading(deps: Deps, draft: upgrade.Draft) -> dict[str, Any]:
    """Of an upgrade (see ``upgrade.draft``)."""
    return _plan(deps, "upgrade", draft.row, draft.groups, draft.problems, draft.needs, Action.UPDATE)


def returning(deps: Deps, context: Context, ident: str) -> dict[str, Any]:
    """Of a rollback."""
    draft = rollback.draft(deps, context, ident)
    return _plan(deps, "rollback", draft.row, draft.groups, draft.problems, draft.needs, Action.ROLLBACK)


def _plan(
    deps: Deps,
    action: str,
    row: Row,
    groups: Sequence[Row],
    problems: Sequence[Problem],
    needs: Sequence[room.Need],
    kind: Action,
    warnings: Sequence[str] = (),
) -> dict[str, Any]:
    faults = [{"code": "invalid-input", "field": p.field, "message": p.message} for p in problems]
    faults += [
        {"code": "quota-exceeded", "field": "", "message": f"{n.resource}: {n.needed} needed, {n.left} left"}
        for n in needs
        if not n.suffices
    ]
    told: dict[str, Any] = {"nodes": {"added": [], "removed": []}, "resources": None, "problems": []}
    if not problems:  # no stack can be thought of otherwise
        told = deps.conductors.plan(_told(row, kind), [_plain(g) for g in groups], kind.value)
    faults += [{"code": "orchestration", "field": "", "message": text} for text in told["problems"]]
    return {
        "action": action,
        "feasible": not faults,
        "problems": faults,
        "warnings": list(warnings),
        "quotas": [dataclasses.asdict(n) | {"suffices": n.suffices} for n in needs],
        "nodes": told["nodes"],
        "resources": told["resources"],
    }


def _told(row: Row, kind: Action) -> dict[str, Any]:
    """What the conductor must be told of a cluster: of one that is there, which one and its template."""
    template = row["template"] | {"labels": masked(row["template"]["labels"] or {})}
    if kind is not Action.CREATE:
        return {"uuid": row["uuid"], "template": template}
    return _plain(row) | {"template": template}


def _plain(row: Row) -> dict[str, Any]:
    """What travels: no times, which don't matter to a plan, and no secrets."""
    out = {name: value for name, value in row.items() if not isinstance(value, dt.datetime)}
    return out | {"labels": masked(row["labels"] or {})}
