"""What a creation would store, checked against everything that can be known before: the same draft is
stored by a request and shown by a plan.
"""

import dataclasses
import re
import uuid
from collections.abc import Mapping
from typing import Any

from magnum_lite.context import Context
from magnum_lite.db import cluster_templates as templates_db
from magnum_lite.db.rows import Row
from magnum_lite.drivers import assembly, registry
from magnum_lite.drivers.contract import DoorSpec
from magnum_lite.drivers.make import make_of
from magnum_lite.errors import Forbidden, NotFound, Problem
from magnum_lite.models import label_values
from magnum_lite.models import labels as label_registry
from magnum_lite.models.cluster import Cluster
from magnum_lite.models.nodegroup import DEFAULT_MASTER, DEFAULT_WORKER, NodeGroup
from magnum_lite.models.views import new_row
from magnum_lite.services import references, room
from magnum_lite.services.cluster_templates import generated_name, label_problems
from magnum_lite.services.deps import Deps, scope

_COUNTS = ("node_count", "master_count")


@dataclasses.dataclass(frozen=True)
class Draft:
    """Rows to be stored, what is wrong with them, and what they need of the project's quotas. Quotas are
    looked at only where nothing is wrong.
    """

    row: Row
    groups: list[Row]
    problems: list[Problem]
    needs: list[room.Need]


def of_cluster(deps: Deps, context: Context, values: Mapping[str, Any], *, template_field: str) -> Draft:
    """``template_field`` is the field's name in the caller's dialect.

    Raises NotFound (template, key pair), Forbidden, Unavailable.
    """
    template = template_for(deps, context, values["cluster_template_id"], template_field)
    row = _new_row(context, values, template)
    groups = _new_groups(row, template, values)
    problems = _problems(deps, context, row, groups)
    if not problems:
        problems = engine_problems(deps, row, groups)
    needs = []
    if not problems:
        if row["keypair"]:
            row["ssh_public_key"] = deps.lookups.public_key(context, row["keypair"])
        counts = [g["node_count"] for g in groups]
        needs = room.needs(deps, context, row, groups, more=counts, new=True)
    return Draft(row, groups, problems, needs)


def template_for(deps: Deps, context: Context, ident: str, field: str) -> Row:
    """One that the caller may use. ``field``: its name in the request. Raises NotFound, Forbidden."""
    try:
        with deps.database.read() as connection:
            template = templates_db.get(connection, ident, scope(deps, context, "clustertemplate:get_one"))
    except NotFound as error:
        raise NotFound("Baymodel" if field == "baymodel_id" else error.kind, ident) from None
    if (
        template["hidden"]
        and template["project_id"] != context.project_id
        and not deps.policy.is_admin(context)
    ):
        raise Forbidden(f"Cluster template {ident} is hidden: it is not for new clusters.")
    return template


def snapshot(template: Row) -> Row:
    """A template as its cluster keeps it: without times and row ids."""
    return {k: v for k, v in template.items() if k not in {"id", "created_at", "updated_at"}}


def _new_row(context: Context, values: Mapping[str, Any], template: Row) -> Row:
    ident = str(uuid.uuid4())
    name = values.get("name") or generated_name("cluster")
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40].strip("-") or "cluster"
    own = {k: v for k, v in values.items() if k not in _COUNTS}
    mine = {
        "uuid": ident,
        "name": name,
        "cluster_template_id": template["uuid"],
        "keypair": values.get("keypair") or template["keypair_id"],
        "project_id": context.project_id,
        "user_id": context.user_id,
        "coe": template["coe"],
        "template": snapshot(template),
        "stack_name": f"{slug}-{ident.replace('-', '')[:12]}",
    }
    return new_row(Cluster, own | mine)


def _new_groups(row: Row, template: Row, values: Mapping[str, Any]) -> list[Row]:
    got = assembly.effective(row, template)
    out = []
    for name, role, count, flavor in (
        (DEFAULT_MASTER, "master", values["master_count"], got["master_flavor_id"] or got["flavor_id"]),
        (DEFAULT_WORKER, "worker", values["node_count"], got["flavor_id"]),
    ):
        wanted = got["labels"].get("node_labels", "") if role == "worker" else ""
        try:
            node_labels = label_values.parse_node_labels(wanted)
        except ValueError:  # named by label_problems
            node_labels = {}
        group = {
            "uuid": str(uuid.uuid4()),
            "name": name,
            "cluster_id": row["uuid"],
            "project_id": row["project_id"],
            "role": role,
            "node_count": count,
            **(_bounds(row, got["labels"], count) if role == "worker" else {"min_node_count": 1}),
            "flavor_id": flavor,
            "image_id": template["image_id"],
            "docker_volume_size": got["docker_volume_size"],
            "labels": got["labels"],
            "node_labels": node_labels,
            "is_default": True,
        }
        out.append(new_row(NodeGroup, group | {"make": make_of(row, group)}))
    return out


def _bounds(row: Row, known: Mapping[str, str], count: int) -> dict[str, int]:
    """Of the default workers, whose owner changes them later in their node group."""
    try:
        wanted = label_registry.value_for(known, "auto_scaling_enabled", row["coe"]) or "false"
        if not label_values.parse_bool(wanted):
            return {}
        bounds = {"min_node_count": min(1, count), "max_node_count": count + 1}
        return bounds | {name: int(known[name]) for name in bounds if name in known}
    except ValueError:  # named by label_problems, or by the engine's driver
        return {}


def _bound_problems(group: Row) -> list[Problem]:
    low, high, count = group["min_node_count"], group["max_node_count"], group["node_count"]
    if high is not None and count > high:
        return [Problem("labels/max_node_count", f"is {high}, and node_count is {count}")]
    if count < low:
        return [Problem("labels/min_node_count", f"is {low}, and node_count is {count}")]
    return []


def _problems(deps: Deps, context: Context, row: Row, groups: list[Row]) -> list[Problem]:
    """Everything that can be known to be wrong before anything is stored."""
    template = row["template"]
    problems = label_problems(row["labels"]) + _bound_problems(groups[1])
    own = {n: row.get(n) for n in ("fixed_network", "fixed_subnet")}
    references.check_networks(deps, context, own, problems)
    if any(not g["flavor_id"] for g in groups):
        problems.append(Problem("flavor_id", "Neither the request nor the template names a flavor"))
    references.check_image(deps, context, template["image_id"], problems)
    flavors = {"flavor_id": groups[1]["flavor_id"], "master_flavor_id": groups[0]["flavor_id"]}
    if len(set(flavors.values())) == 1:
        del flavors["master_flavor_id"]  # inherited: named once
    references.check_flavors(deps, context, flavors, problems)
    if not deps.conf.cloud_provider.auth_url:
        text = "is not offered here: clusters are told of no Keystone"
        labels = assembly.labels(row, template)
        known = (label.name for label in label_registry.known(row["coe"]) if label.needs_cloud)
        wanted = [name for name in known if label_values.is_true(label_registry.value_of(labels, name))]
        problems += [Problem(f"labels/{name}", text) for name in wanted]
    balanced = assembly.inherited(row, template)["master_lb_enabled"]
    if balanced and not deps.lookups.has_load_balancers(context):
        text = "this cloud has no load balancer service"
        problems.append(Problem("master_lb_enabled", text))
    if template["tls_disabled"] and not deps.conf.cluster.allow_tls_disabled:
        problems.append(
            Problem("", "This service starts no engine without TLS: the template's tls_disabled is set")
        )
    return problems


def engine_problems(deps: Deps, row: Row, groups: list[Row]) -> list[Problem]:
    """What the engine's driver can't do."""
    try:
        driver = registry.get(row["coe"])
    except LookupError:
        offered = ", ".join(sorted(registry.engines()))
        return [Problem("", f"This service has no engine for {row['coe']} (it has: {offered})")]
    spec = assembly.cluster_spec(
        row,
        groups,
        door=DoorSpec(url="", ca_pem=""),
        longest_timeout=deps.conf.conductor.max_timeout,
        cloud=assembly.cloud_spec(deps.conf.cloud_provider),
    )
    return driver.check(spec)
