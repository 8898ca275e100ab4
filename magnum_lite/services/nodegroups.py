"""Use cases of node groups. An accepted change is a new generation of the cluster, so groups that are
made, changed and removed at the same time never wait for each other's requests.
"""

import dataclasses
import uuid
from collections.abc import Mapping
from typing import Any

from magnum_lite.context import Context
from magnum_lite.db import clusters as clusters_db
from magnum_lite.db import events, nodes
from magnum_lite.db import nodegroups as db
from magnum_lite.db.rows import Page, Row
from magnum_lite.db.session import Connection
from magnum_lite.drivers import assembly
from magnum_lite.drivers.make import make_of
from magnum_lite.errors import Conflict, InvalidInput, Problem
from magnum_lite.models import label_values
from magnum_lite.models.nodegroup import NodeGroup
from magnum_lite.models.status import Action
from magnum_lite.models.views import new_row
from magnum_lite.services import acceptance, drafts, references, room
from magnum_lite.services.cluster_templates import generated_name, label_problems
from magnum_lite.services.deps import Deps, scope
from magnum_lite.services.reading import masked
from magnum_lite.services.resize import find_group


def page(deps: Deps, context: Context, ident: str, role: str | None, wanted: Page) -> tuple[Row, list[Row]]:
    """The cluster and one page of its groups, of one role if asked."""
    deps.policy.check(context, "nodegroup:get_all")
    with deps.database.read() as connection:
        cluster = clusters_db.get(connection, ident, scope(deps, context, "nodegroup:get_all"))
        found = db.page(connection, cluster["uuid"], role, wanted)
        return cluster, [_shown(cluster, group, []) for group in found]


def get(deps: Deps, context: Context, ident: str, group_ident: str) -> tuple[Row, Row]:
    """The cluster and one of its groups, with everything."""
    deps.policy.check(context, "nodegroup:get")
    with deps.database.read() as connection:
        cluster = clusters_db.get(connection, ident, scope(deps, context, "nodegroup:get_one"))
    return cluster, changed(deps, cluster, group_ident)


def changed(deps: Deps, cluster: Row, group_ident: str) -> Row:
    """A group of a cluster that the caller may change, with everything."""
    with deps.database.read() as connection:
        group = db.get(connection, cluster["uuid"], group_ident)
        members = [
            n for n in nodes.addresses(connection, [cluster["uuid"]]) if n["nodegroup_id"] == group["uuid"]
        ]
    return _shown(cluster, group, members)


def _shown(cluster: Row, group: Row, members: list[Row]) -> Row:
    own, theirs = group["labels"] or {}, assembly.labels(cluster, cluster["template"])
    return group | {
        "labels": masked(own),
        "labels_added": masked({k: v for k, v in own.items() if k not in theirs}),
        "labels_overridden": masked({k: v for k, v in theirs.items() if own.get(k, v) != v}),
        "labels_skipped": masked({k: v for k, v in theirs.items() if k not in own}),
        "node_addresses": [a for m in members if (a := m["floating_address"] or m["address"])],
    }


@dataclasses.dataclass(frozen=True)
class Draft:
    """A group as it would be: ``before`` is None for a new one; ``after`` is None for one that goes."""

    cluster: Row
    groups: list[Row]
    before: Row | None
    after: Row | None
    problems: list[Problem]
    needs: list[room.Need]


def _cluster(deps: Deps, context: Context, ident: str, verb: str) -> tuple[Row, list[Row]]:
    with deps.database.read() as connection:
        cluster = clusters_db.get(connection, ident, scope(deps, context, "cluster:update"))
        deps.policy.check(context, f"nodegroup:{verb}", cluster["project_id"])
        acceptance.changeable(cluster)
        return cluster, db.of_clusters(connection, [cluster["uuid"]])[cluster["uuid"]]


def draft_creation(deps: Deps, context: Context, ident: str, values: Mapping[str, Any]) -> Draft:
    """A new group, checked. Raises NotFound, Forbidden, Conflict (its name is taken), Unavailable."""
    cluster, groups = _cluster(deps, context, ident, "create")
    group = _new(cluster, values)
    if any(g["name"] == group["name"] for g in groups):
        raise Conflict(f"Node group {group['name']} exists already in cluster {cluster['name']}.")
    _refuse_impossible(group)
    problems = label_problems(group["labels"])
    if group["role"] == "master":
        problems.append(Problem("role", "Node groups of masters can not be added; any other word may be"))
    references.check_flavors(deps, context, {"flavor_id": group["flavor_id"]}, problems)
    references.check_image(deps, context, group["image_id"], problems)
    return _draft(deps, context, cluster, groups, None, group, problems)


def _new(cluster: Row, values: Mapping[str, Any]) -> Row:
    got = assembly.effective(cluster, cluster["template"])
    labels = values.get("labels") or {}
    if not labels or values.get("merge_labels"):
        labels = got["labels"] | labels
    group = dict(values) | {
        "uuid": str(uuid.uuid4()),
        "name": values.get("name") or generated_name("nodegroup"),
        "cluster_id": cluster["uuid"],
        "project_id": cluster["project_id"],
        "flavor_id": values.get("flavor_id") or got["flavor_id"],
        "image_id": values.get("image_id") or got["image_id"],
        "docker_volume_size": values.get("docker_volume_size") or got["docker_volume_size"],
        "labels": labels,
    }
    return new_row(NodeGroup, group | {"make": make_of(cluster, group)})


def draft_update(
    deps: Deps, context: Context, ident: str, group_ident: str, changes: Mapping[str, Any]
) -> Draft:
    """Bounds, count, labels and taints, all of them at once and checked on the result."""
    cluster, groups = _cluster(deps, context, ident, "update")
    before = _staying(find_group(groups, group_ident))
    after = before | dict(changes)
    _refuse_impossible(after)
    fixed = ("node_count", "node_labels", "node_taints") if before["role"] == "master" else ()
    problems = [Problem(field, "is not for masters") for field in fixed if after[field] != before[field]]
    return _draft(deps, context, cluster, groups, before, after, problems)


def _staying(group: Row) -> Row:
    if group["deleting"]:
        raise Conflict(f"Node group {group['name']} is being deleted; it can not be changed any more.")
    return group


def draft_deletion(deps: Deps, context: Context, ident: str, group_ident: str) -> Draft:
    """Raises InvalidInput for a default group: those go with their cluster."""
    cluster, groups = _cluster(deps, context, ident, "delete")
    before = find_group(groups, group_ident)
    if before["is_default"]:
        raise InvalidInput(Problem("", "Deleting a default nodegroup is not supported; resize it instead"))
    return Draft(cluster, groups, before, None, [], [])


def _refuse_impossible(group: Row) -> None:
    """Raise Conflict, as upstream does, for bounds that don't hold and labels that nobody may set."""
    low, high, count = group["min_node_count"], group["max_node_count"], group["node_count"]
    wrong = []
    if high is not None and high < low:
        wrong.append(f"max_node_count ({high}) is less than min_node_count ({low})")
    elif count < low:
        wrong.append(f"node_count ({count}) is less than min_node_count ({low})")
    elif high is not None and count > high:
        wrong.append(f"node_count ({count}) is more than max_node_count ({high})")
    wrong += [f"node_labels: {text}" for n, v in group["node_labels"].items()
              if (text := label_values.node_label_problem(n, v))]  # fmt: skip
    if wrong:
        raise Conflict(f"Node group {group['name']}: {'; '.join(wrong)}.")


def _draft(
    deps: Deps,
    context: Context,
    cluster: Row,
    groups: list[Row],
    before: Row | None,
    after: Row,
    problems: list[Problem],
) -> Draft:
    rest = [g for g in groups if before is None or g["uuid"] != before["uuid"]]
    needs = []
    if not problems:
        problems = drafts.engine_problems(deps, cluster, [*rest, after])
    if not problems:
        more = [after["node_count"] - (before["node_count"] if before else 0)]
        needs = room.needs(deps, context, cluster, [after], more=more)
    return Draft(cluster, groups, before, after, problems, needs)


def accept(deps: Deps, draft: Draft) -> Row:
    """Store a draft; the group as it is to be. Raises InvalidInput, QuotaExceeded, Conflict, Stale."""
    references.refuse(draft.problems)
    room.check(draft.needs)
    before, after = draft.before, draft.after
    if before is not None and before == after:
        return before
    stored = dict(before or {})

    def store(connection: Connection, cluster: Row) -> None:
        if before is None and after is not None:
            if any(g["name"] == after["name"] for g in _groups(connection, cluster)):
                raise Conflict(f"Node group {after['name']} exists already in cluster {cluster['name']}.")
            stored.update(db.insert(connection, after))
            text = f"Node group {after['name']} with {after['node_count']} node(s)"
        elif before is not None and after is not None:
            changes = {n: v for n, v in after.items() if before.get(n) != v}
            db.change(connection, before["uuid"], changes)
            stored.update(changes)
            text = f"Change of node group {before['name']}"
        else:
            db.mark_deleted(connection, stored["uuid"])
            text = f"Deletion of node group {stored['name']}"
        events.add(connection, cluster, "accepted", f"{text} accepted.")

    acceptance.accept(deps, draft.cluster["uuid"], Action.UPDATE, store)
    return stored


def _groups(connection: Connection, cluster: Row) -> list[Row]:
    return db.of_clusters(connection, [cluster["uuid"]])[cluster["uuid"]]
