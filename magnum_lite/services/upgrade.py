"""Going over to another cluster template: what that changes of a cluster and its node groups. Nodes that were
made from something else are then replaced by the conductor, step by step (``conductor.replacing``).
"""

import dataclasses
from typing import Any

from magnum_lite.context import Context
from magnum_lite.db import clusters as db
from magnum_lite.db import events, nodegroups
from magnum_lite.db.rows import Row
from magnum_lite.db.session import Connection
from magnum_lite.drivers import assembly, checks, registry
from magnum_lite.drivers.contract import DoorSpec
from magnum_lite.drivers.make import make_of
from magnum_lite.errors import Conflict, Problem
from magnum_lite.models.actions import Upgrade
from magnum_lite.models.status import Action
from magnum_lite.services import acceptance, drafts, references, room
from magnum_lite.services.deps import Deps, scope
from magnum_lite.services.resize import find_group

_FIELD = "cluster_template"


@dataclasses.dataclass(frozen=True)
class Draft:
    """A cluster and its groups as they would be; ``changes`` are the cluster's own, ``chosen`` the uuids of
    the groups that it is about.
    """

    row: Row
    groups: list[Row]
    changes: Row
    chosen: frozenset[str]
    problems: list[Problem]
    needs: list[room.Need]


def draft(deps: Deps, context: Context, ident: str, asked: Upgrade) -> Draft:
    """What an upgrade would do. Without a node group it is about all of them; a default one stands for both
    default ones, as masters and workers must fit.

    Raises NotFound, Forbidden, Conflict, Unavailable.
    """
    with deps.database.read() as connection:
        row = db.get(connection, ident, scope(deps, context, "cluster:upgrade"))
        deps.policy.check(context, "cluster:upgrade", row["project_id"])
        acceptance.changeable(row)
        groups = nodegroups.of_clusters(connection, [row["uuid"]])[row["uuid"]]
    template = drafts.template_for(deps, context, asked.cluster_template, _FIELD)
    chosen = [g for g in groups if not g["deleting"]]
    if asked.nodegroup:
        group = find_group(groups, asked.nodegroup)
        if not group["is_default"] and template["uuid"] != row["cluster_template_id"]:
            raise Conflict(
                f"Node group {group['name']} can only be upgraded to its cluster's own template "
                f"({row['cluster_template_id']}); upgrade the cluster first."
            )
        chosen = [g for g in chosen if (g["is_default"] if group["is_default"] else g is group)]
    changes = {
        "template": drafts.snapshot(template),
        "cluster_template_id": template["uuid"],
        "batch_size": asked.max_batch_size,
    }
    after = _groups(row, row | changes, groups, {g["uuid"] for g in chosen})
    problems = _problems(deps, context, row, row | changes, groups, after)
    needs = [] if problems else _needs(deps, context, row | changes, groups, after)
    return Draft(row | changes, after, changes, frozenset(g["uuid"] for g in chosen), problems, needs)


def _groups(before: Row, after: Row, groups: list[Row], chosen: set[str]) -> list[Row]:
    """What a group had from the template before follows it; what it has of its own stays."""
    was = assembly.effective(before, before["template"])
    will = assembly.effective(after, after["template"])
    out = []
    for group in groups:
        if group["uuid"] in chosen:
            changed: dict[str, Any] = {}
            named = len(chosen) == 1 and not group["is_default"]  # it is to match its cluster's template
            if named or group["image_id"] in {None, was["image_id"]}:
                changed["image_id"] = will["image_id"]
            flavor = _flavor(group, was)
            if group["flavor_id"] == flavor:
                changed["flavor_id"] = _flavor(group, will)
            if (group["labels"] or {}) == was["labels"]:
                changed["labels"] = will["labels"]
            group = group | changed  # noqa: PLW2901  the row as it will be
            group["make"] = make_of(after, group)
        out.append(group)
    return out


def _flavor(group: Row, got: Row) -> Any:
    return (got["master_flavor_id"] or got["flavor_id"]) if group["role"] == "master" else got["flavor_id"]


def _problems(
    deps: Deps, context: Context, before: Row, after: Row, groups: list[Row], wanted: list[Row]
) -> list[Problem]:
    """All at once; first what makes the rest meaningless."""
    template = after["template"]
    if template["coe"] != before["coe"]:
        text = f"is of the engine {template['coe']}, and the cluster's is {before['coe']}"
        return [Problem(_FIELD, f"{template['name']} {text}")]
    problems: list[Problem] = []
    references.check_image(deps, context, template["image_id"], problems)
    flavors = {"flavor_id": template["flavor_id"], "master_flavor_id": template["master_flavor_id"]}
    references.check_flavors(deps, context, flavors, problems)
    if any(not g["flavor_id"] for g in wanted):
        problems.append(Problem("flavor_id", "neither the cluster nor the template names a flavor"))
    problems += drafts.engine_problems(deps, after, wanted)
    if problems:
        return problems
    specs = [
        assembly.cluster_spec(
            row,
            rows,
            door=DoorSpec(url="", ca_pem=""),
            longest_timeout=deps.conf.conductor.max_timeout,
            cloud=assembly.cloud_spec(deps.conf.cloud_provider),
        )
        for row, rows in ((before, groups), (after, wanted))
    ]
    size = [assembly.inherited(row, row["template"])["docker_volume_size"] for row in (before, after)]
    found = [*checks.fixed(*specs), *registry.get(before["coe"]).check_upgrade(*specs)]
    if size[0] != size[1]:
        found.append(Problem("docker_volume_size", checks.stays(*size)))
    return [Problem(_FIELD, f"{template['name']}: {p.field}: {p.message}") for p in found]


def _needs(deps: Deps, context: Context, row: Row, groups: list[Row], wanted: list[Row]) -> list[room.Need]:
    """New nodes are made before old ones go, one group after the other: the most that any of them needs."""
    most: dict[str, room.Need] = {}
    seen = set()
    for before, after in zip(groups, wanted, strict=True):
        batch = 1 if after["role"] == "master" else min(row["batch_size"], after["node_count"])
        key = (after["role"] == "master", after["flavor_id"], after["docker_volume_size"], batch)
        if before["make"] == after["make"] or key in seen:
            continue
        seen.add(key)
        for need in room.needs(deps, context, row, [after], more=[batch]):
            if need.resource not in most or most[need.resource].needed < need.needed:
                most[need.resource] = need
    return list(most.values())


def accept(deps: Deps, wanted: Draft) -> Row:
    """Accept it. Raises InvalidInput, QuotaExceeded, Conflict, Stale."""
    references.refuse(wanted.problems)
    room.check(wanted.needs)
    name = wanted.changes["template"]["name"]

    def store(connection: Connection, now: Row) -> None:
        groups = nodegroups.of_clusters(connection, [now["uuid"]])[now["uuid"]]
        db.want(connection, now, wanted.changes)
        then = _groups(now, now | wanted.changes, groups, set(wanted.chosen))
        for before, after in zip(groups, then, strict=True):
            changed = {n: v for n, v in after.items() if before[n] != v}
            if changed:
                nodegroups.change(connection, after["uuid"], changed)
        events.add(connection, now, "accepted", f"Upgrade to {name} accepted.")

    return acceptance.accept(deps, wanted.row["uuid"], Action.UPDATE, store)
