"""Use cases of clusters (bays): rules, then desired state, then a nudge. The row is committed before
anything is answered; whatever happens later, a conductor finds it.
"""

from collections.abc import Mapping
from typing import Any

from magnum_lite.context import Context
from magnum_lite.db import clusters as db
from magnum_lite.db import events, nodegroups, quotas
from magnum_lite.db.rows import Row
from magnum_lite.db.session import Connection
from magnum_lite.drivers import assembly
from magnum_lite.errors import Problem, QuotaExceeded
from magnum_lite.models import labels as label_registry
from magnum_lite.models.status import Action
from magnum_lite.services import drafts, references, room
from magnum_lite.services.deps import Deps, scope
from magnum_lite.services.reading import unknown_label


def create(deps: Deps, context: Context, values: Mapping[str, Any], *, template_field: str) -> Row:
    """Accept a new cluster. ``template_field`` is the field's name in the caller's dialect.

    Raises InvalidInput, NotFound (template, key pair), Forbidden, QuotaExceeded, Unavailable.
    """
    deps.policy.check(context, "cluster:create")
    draft = drafts.of_cluster(deps, context, values, template_field=template_field)
    references.refuse(draft.problems)
    room.check(draft.needs)
    row, groups = draft.row, draft.groups
    with deps.database.write() as connection:
        _check_quota(deps, connection, context.project_id)
        db.insert(connection, row)
        for group in groups:
            nodegroups.insert(connection, group)
        workers, masters = values["node_count"], values["master_count"]
        events.add(
            connection, row, "accepted", f"Creation accepted: {masters} master(s), {workers} worker(s)."
        )
        for warning in label_warnings(row):
            events.add(connection, row, "label", warning, level="warning")
    deps.conductors.look(row["uuid"])
    return row


def limit(deps: Deps, connection: Connection, project_id: str) -> int:
    """How many clusters a project may have; -1: no limit."""
    own = quotas.limit(connection, project_id)
    return int(deps.conf.cluster.max_clusters_per_project) if own is None else own


def _check_quota(deps: Deps, connection: Connection, project_id: str) -> None:
    most = limit(deps, connection, project_id)
    if 0 <= most <= db.count(connection, project_id):
        raise QuotaExceeded(
            "Resource limit exceeded: You have reached the maximum clusters per project, "
            f"{most}. You may delete a cluster to make room for a new one."
        )


def label_warnings(row: Row) -> list[str]:
    """Labels of a cluster that nobody knows, and what was probably meant; those of what it does not have."""
    got = assembly.effective(row, row["template"])
    found = [unknown_label(name) for name in got["labels"] if name not in label_registry.LABELS]
    if not got["master_lb_enabled"]:
        idle = [name for name in got["labels"] if "master_lb_" in name and name in label_registry.LABELS]
        found += [f"The label {name} has no effect: master_lb_enabled is not set." for name in idle]
    return found


def delete(deps: Deps, context: Context, ident: str) -> None:
    """Accept a deletion; a second one meanwhile is fine."""
    with deps.database.write() as connection:
        row = db.get(connection, ident, scope(deps, context, "cluster:delete"))
        deps.policy.check(context, "cluster:delete", row["project_id"])
        again = row["action"] == Action.DELETE and row["observed_generation"] == row["generation"]
        if row["action"] == Action.DELETE and not again:
            return
        db.accept(connection, row["uuid"], row["generation"], Action.DELETE.value, {})
        events.add(connection, row, "accepted", "Deletion accepted.")
    deps.conductors.look(row["uuid"])


def set_health(deps: Deps, context: Context, ident: str, changes: Mapping[str, Any]) -> Row:
    """What an auto-healer found."""
    with deps.database.write() as connection:
        row = db.get(connection, ident, scope(deps, context, "cluster:update"))
        deps.policy.check(context, "cluster:update_health_status", row["project_id"])
        db.set_health(
            connection, row["uuid"], changes.get("health_status"), changes.get("health_status_reason")
        )
    return row


def count_problems(group: Row, count: int) -> list[Problem]:
    """Why a group may not have so many nodes."""
    low, high = group["min_node_count"], group["max_node_count"]
    if low <= count and (high is None or count <= high):
        return []
    return [
        Problem(
            "node_count",
            f"Resizing {group['name']} outside the allowed range: "
            f"min_node_count = {low}, max_node_count = {high}",
        )
    ]
