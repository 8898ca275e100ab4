"""Use cases of clusters (bays): rules, then desired state, then a nudge. The row is committed before
anything is answered; whatever happens later, a conductor finds it.
"""

import re
import uuid
from collections.abc import Mapping
from typing import Any

from magnum_lite.context import Context
from magnum_lite.db import cluster_templates as templates_db
from magnum_lite.db import clusters as db
from magnum_lite.db import events, nodegroups, quotas
from magnum_lite.db.rows import Row
from magnum_lite.db.session import Connection
from magnum_lite.drivers import assembly, registry
from magnum_lite.drivers.contract import DoorSpec
from magnum_lite.errors import Conflict, Forbidden, InvalidInput, NotFound, Problem, QuotaExceeded
from magnum_lite.models import labels as label_registry
from magnum_lite.models.nodegroup import DEFAULT_MASTER, DEFAULT_WORKER
from magnum_lite.models.status import Action
from magnum_lite.services import references, room
from magnum_lite.services.cluster_templates import generated_name, label_problems
from magnum_lite.services.deps import Deps, scope

_COUNTS = ("node_count", "master_count")


def create(deps: Deps, context: Context, values: Mapping[str, Any], *, template_field: str) -> Row:
    """Accept a new cluster. ``template_field`` is the field's name in the caller's dialect.

    Raises InvalidInput, NotFound (template, key pair), Forbidden, QuotaExceeded, Unavailable.
    """
    deps.policy.check(context, "cluster:create")
    template = _template(deps, context, values["cluster_template_id"], template_field)
    row = _new_row(context, values, template)
    groups = _new_groups(row, template, values)
    _check(deps, context, row, groups)
    if row["keypair"]:
        row["ssh_public_key"] = deps.lookups.public_key(context, row["keypair"])
    room.check(deps, context, groups)
    with deps.database.write() as connection:
        _check_quota(deps, connection, context.project_id)
        db.insert(connection, row)
        for group in groups:
            nodegroups.insert(connection, group)
        workers, masters = values["node_count"], values["master_count"]
        events.add(
            connection, row, "accepted", f"Creation accepted: {masters} master(s), {workers} worker(s)."
        )
        _warn_of_labels(connection, row)
    deps.conductors.look(row["uuid"])
    return row


def _template(deps: Deps, context: Context, ident: str, field: str) -> Row:
    try:
        with deps.database.read() as connection:
            template = templates_db.get(connection, ident, scope(context))
    except NotFound as error:
        raise NotFound("Baymodel" if field == "baymodel_id" else error.kind, ident) from None
    if template["hidden"] and template["project_id"] != context.project_id and not context.is_admin:
        raise Forbidden(f"Cluster template {ident} is hidden: it is not for new clusters.")
    return template


def _new_row(context: Context, values: Mapping[str, Any], template: Row) -> Row:
    ident = str(uuid.uuid4())
    name = values.get("name") or generated_name("cluster")
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40].strip("-") or "cluster"
    # datetimes and row ids don't belong into the snapshot
    snapshot = {k: v for k, v in template.items() if k not in {"id", "created_at", "updated_at"}}
    own = {k: v for k, v in values.items() if k not in _COUNTS}
    return own | {
        "uuid": ident,
        "name": name,
        "cluster_template_id": template["uuid"],
        "keypair": values.get("keypair") or template["keypair_id"],
        "project_id": context.project_id,
        "user_id": context.user_id,
        "coe": template["coe"],
        "template": snapshot,
        "stack_name": f"{slug}-{ident.replace('-', '')[:12]}",
        "status": "CREATE_IN_PROGRESS",
        "action": Action.CREATE.value,
        "generation": 1,
        "observed_generation": 0,
        "applied_generation": 0,
        "stack_retries": 0,
        "fencing_token": 0,
        "attempts": 0,
        "lease_expires": 0.0,
        "next_sync": 0.0,
        "health_status_reason": {},
        "faults": {},
        "last_good": {},
        "ssh_public_key": None,
    }


def _new_groups(row: Row, template: Row, values: Mapping[str, Any]) -> list[Row]:
    got = assembly.effective(row, template)
    out = []
    for name, role, count, flavor in (
        (DEFAULT_MASTER, "master", values["master_count"], got["master_flavor_id"] or got["flavor_id"]),
        (DEFAULT_WORKER, "worker", values["node_count"], got["flavor_id"]),
    ):
        wanted = got["labels"].get("node_labels", "") if role == "worker" else ""
        try:
            node_labels = label_registry.parse_node_labels(wanted)
        except ValueError:  # named by label_problems
            node_labels = {}
        out.append(
            {
                "uuid": str(uuid.uuid4()),
                "name": name,
                "cluster_id": row["uuid"],
                "project_id": row["project_id"],
                "role": role,
                "node_count": count,
                "min_node_count": 1 if role == "master" else 0,
                "max_node_count": None,
                "flavor_id": flavor,
                "image_id": template["image_id"],
                "docker_volume_size": got["docker_volume_size"],
                "labels": got["labels"],
                "merge_labels": False,
                "node_labels": node_labels,
                "node_taints": [],
                "is_default": True,
                "status": "CREATE_IN_PROGRESS",
                "nodes_to_remove": [],
                "removed_indices": [],
            }
        )
    return out


def _check(deps: Deps, context: Context, row: Row, groups: list[Row]) -> None:
    """Everything that can be known to be wrong before anything is stored."""
    template = row["template"]
    problems = label_problems(row["labels"])
    own = {n: row.get(n) for n in ("fixed_network", "fixed_subnet")}
    references.check_networks(deps, context, own, problems)
    if any(not g["flavor_id"] for g in groups):
        problems.append(Problem("flavor_id", "Neither the request nor the template names a flavor"))
    references.check_image(deps, context, template["image_id"], problems)
    flavors = {"flavor_id": groups[1]["flavor_id"], "master_flavor_id": groups[0]["flavor_id"]}
    if len(set(flavors.values())) == 1:
        del flavors["master_flavor_id"]  # inherited: named once
    references.check_flavors(deps, context, flavors, problems)
    if template["tls_disabled"] and not deps.conf.cluster.allow_tls_disabled:
        problems.append(
            Problem("", "This service starts no engine without TLS: the template's tls_disabled is set")
        )
    references.refuse(problems)
    problems += engine_problems(deps, row, groups)
    references.refuse(problems)


def engine_problems(deps: Deps, row: Row, groups: list[Row]) -> list[Problem]:
    """What the engine's driver can't do."""
    try:
        driver = registry.get(row["coe"])
    except LookupError:
        offered = ", ".join(sorted(registry.engines()))
        return [Problem("", f"This service has no engine for {row['coe']} (it has: {offered})")]
    spec = assembly.cluster_spec(
        row, groups, door=DoorSpec(url="", ca_pem=""), longest_timeout=deps.conf.conductor.max_timeout
    )
    return driver.check(spec)


def _check_quota(deps: Deps, connection: Connection, project_id: str) -> None:
    most = quotas.limit(connection, project_id)
    most = deps.conf.cluster.max_clusters_per_project if most is None else most
    if 0 <= most <= db.count(connection, project_id):
        raise QuotaExceeded(
            "Resource limit exceeded: You have reached the maximum clusters per project, "
            f"{most}. You may delete a cluster to make room for a new one."
        )


def _warn_of_labels(connection: Connection, row: Row) -> None:
    for name in assembly.labels(row, row["template"]):
        if name not in label_registry.LABELS:
            guess = label_registry.suggest(name)
            hint = f" Did you mean {guess}?" if guess else ""
            events.add(
                connection,
                row,
                "label",
                f"Label {name} is not known and has no effect.{hint}",
                level="warning",
            )


def delete(deps: Deps, context: Context, ident: str) -> None:
    """Accept a deletion; a second one meanwhile is fine."""
    with deps.database.write() as connection:
        row = db.get(connection, ident, scope(context))
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
        row = db.get(connection, ident, scope(context))
        deps.policy.check(context, "cluster:update_health_status", row["project_id"])
        db.set_health(
            connection, row["uuid"], changes.get("health_status"), changes.get("health_status_reason")
        )
    return row


def changeable(row: Row) -> None:
    """Raise Conflict for a cluster that is being deleted."""
    if row["action"] == Action.DELETE:
        raise Conflict(f"Cluster {row['uuid']} is being deleted; it can not be changed any more.")


def refuse_count(group: Row, count: int) -> None:
    """Raise InvalidInput if a group may not have so many nodes."""
    low, high = group["min_node_count"], group["max_node_count"]
    if count < low or (high is not None and count > high):
        raise InvalidInput(
            Problem(
                "node_count",
                f"Resizing {group['name']} outside the allowed range: "
                f"min_node_count = {low}, max_node_count = {high}",
            )
        )
