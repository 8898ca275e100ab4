"""Taking over what OpenStack Magnum has: templates, quotas, and clusters with their CAs and their stacks.

Its stacks come from its own Heat templates, with another kind of node in them. So a cluster that is
imported is seen, gives certificates and can be deleted, and is never changed. uuids stay. What can't be
carried is named.
"""

import dataclasses
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

import pydantic

from magnum_lite.conductor.ports import Ports
from magnum_lite.db import certificates, cluster_templates, clusters, events, nodegroups, quotas
from magnum_lite.db.rows import Row
from magnum_lite.db.upstream import Upstream
from magnum_lite.models import renewal
from magnum_lite.models.certificate import Purpose
from magnum_lite.models.cluster import Cluster
from magnum_lite.models.cluster_template import ClusterTemplate
from magnum_lite.models.fields import Access
from magnum_lite.models.nodegroup import NodeGroup
from magnum_lite.models.views import names, new_row
from magnum_lite.pki import authority, facts
from magnum_lite.pki.errors import PKIError
from magnum_lite.pki.sealing import SealContext

_REFS = {
    Purpose.CLUSTER: "ca_cert_ref",
    Purpose.ETCD: "etcd_ca_cert_ref",
    Purpose.FRONT_PROXY: "front_proxy_ca_cert_ref",
}
_COES = {"kubernetes": "kubernetes", "swarm": "swarm", "swarm-mode": "swarm"}
_WITHOUT_KEY = "Its CA is not in the database"


@dataclasses.dataclass(slots=True)
class Report:
    """What was done, and what not: (kind, uuid or name, why)."""

    imported: dict[str, int] = dataclasses.field(default_factory=dict)
    there: int = 0
    skipped: list[tuple[str, str, str]] = dataclasses.field(default_factory=list)
    notes: list[tuple[str, str, str]] = dataclasses.field(default_factory=list)

    def did(self, kind: str) -> None:
        """One more."""
        self.imported[kind] = self.imported.get(kind, 0) + 1


def run(ports: Ports, old: Upstream, *, dry_run: bool) -> Report:
    """Each object in a transaction of its own; what is there already is left alone: it may be run again."""
    report = Report()
    templates: dict[str, Row] = {}
    for theirs in old.templates:
        row = _template(report, theirs)
        if row is not None:
            templates[row["uuid"]] = row
            _store_template(ports, report, row, dry_run=dry_run)
    groups: dict[str, list[dict[str, Any]]] = {}
    for group in old.groups:
        groups.setdefault(group["cluster_id"], []).append(group)
    for theirs in old.clusters:
        template = templates.get(theirs["cluster_template_id"])
        mine = groups.get(theirs["uuid"], [])
        why = _unfit(theirs, mine)
        if template is None or why:
            no_template = f"its template {theirs['cluster_template_id']} is not imported"
            report.skipped.append(("cluster", theirs["uuid"], why or no_template))
            continue
        keys = list(_authorities(ports, report, old, theirs))
        _store_cluster(ports, report, _cluster(theirs, template, old.revision), mine, keys, dry_run=dry_run)
        _note_trust(report, theirs)
    for theirs in old.quotas:
        _store_quota(ports, report, theirs, dry_run=dry_run)
    return report


def _template(report: Report, theirs: Mapping[str, Any]) -> Row | None:
    """Our row, checked as if a user had sent it; what is wrong with it is left out where it may be."""
    coe = _COES.get(theirs["coe"] or "")
    if coe is None:
        report.skipped.append(("template", theirs["uuid"], f"COE {theirs['coe']} is not offered here"))
        return None
    known = names(ClusterTemplate, *Access)
    values = {key: value for key, value in theirs.items() if key in known and value is not None}
    values |= {"coe": coe, "labels": {str(k): str(v) for k, v in (theirs["labels"] or {}).items()}}
    for _ in range(len(values)):
        try:
            made = ClusterTemplate.model_validate(values)
        except pydantic.ValidationError as error:
            field = str((error.errors()[0]["loc"] or ("",))[0])
            if field not in values or ClusterTemplate.model_fields[field].is_required():
                report.skipped.append(("template", theirs["uuid"], f"{field}: {error.errors()[0]['msg']}"))
                return None
            why = f"{field} = {values.pop(field)!r} is not taken: {error.errors()[0]['msg']}"
            report.notes.append(("template", theirs["uuid"], why))
        else:
            times = {name: theirs[name] for name in ("created_at", "updated_at")}
            return made.model_dump() | times
    return None


def _store_template(ports: Ports, report: Report, row: Row, *, dry_run: bool) -> None:
    with ports.database.write() as connection:
        if cluster_templates.exists(connection, row["uuid"]):
            report.there += 1
            return
        if not dry_run:
            cluster_templates.insert(connection, row)
    report.did("template")


def _unfit(theirs: Mapping[str, Any], groups: list[dict[str, Any]]) -> str | None:
    status = theirs["status"] or ""
    if not status.endswith(("_COMPLETE", "_FAILED")) or status.startswith("DELETE"):
        return f"it is {status or 'without a status'}: let upstream's service finish first"
    if not theirs["stack_id"]:
        return "it has no stack"
    if not {"master", "worker"} <= {group["role"] for group in groups if group["is_default"]}:
        return "it has no default node groups: run upstream's online migrations first"
    return None


def _authorities(
    ports: Ports, report: Report, old: Upstream, theirs: Mapping[str, Any]
) -> Iterator[dict[str, Any]]:
    """Its CAs as our rows, their keys sealed."""
    for purpose, column in _REFS.items():
        ref = theirs.get(column)
        if not ref:
            continue
        pair = old.key_pairs.get(ref)
        if pair is None:
            why = f"{_WITHOUT_KEY} ({purpose}: {ref}; cert_manager_type is not x509keypair): no certificates"
            report.notes.append(("cluster", theirs["uuid"], why))
            continue
        try:
            key = authority.adopt(pair["certificate"], pair["private_key"], pair["private_key_passphrase"])
        except PKIError as error:
            report.notes.append(("cluster", theirs["uuid"], f"its CA ({purpose}): {error.reason}"))
            continue
        row_id = str(uuid.uuid4())
        yield {
            "uuid": row_id,
            "cluster_id": theirs["uuid"],
            "purpose": purpose.value,
            "epoch": 1,
            "state": renewal.ACTIVE,
            "retire_at": None,
            "certificate": pair["certificate"],
            "sealed_key": ports.sealer.seal(key, SealContext("authority", row_id, purpose.value)),
            "not_after": facts.describe(pair["certificate"]).not_after.timestamp(),
        }


def _note_trust(report: Report, theirs: Mapping[str, Any]) -> None:
    if user := theirs.get("trustee_user_id"):
        trust = theirs["trust_id"]
        why = f"its trustee {user} and trust {trust} stay in Keystone when it is deleted: remove them"
        report.notes.append(("cluster", theirs["uuid"], why))


def _cluster(theirs: Mapping[str, Any], template: Row, revision: str) -> Row:
    snapshot = {key: value for key, value in template.items() if key not in {"created_at", "updated_at"}}
    same = (
        "created_at", "updated_at", "uuid", "name", "project_id", "user_id", "cluster_template_id",
        "keypair", "docker_volume_size", "master_flavor_id", "flavor_id", "stack_id", "api_address",
        "status", "status_reason", "health_status", "create_timeout", "discovery_url", "coe_version",
        "container_version", "fixed_network", "fixed_subnet", "floating_ip_enabled", "master_lb_enabled",
    )  # fmt: skip
    mine = {
        "name": theirs["name"] or theirs["uuid"],
        "labels": {str(k): str(v) for k, v in (theirs["labels"] or {}).items()},
        "coe": template["coe"],
        "template": snapshot,
        # Upstream's name of it has a random end, and is not in its database: the id is what counts.
        "stack_name": f"imported-{theirs['uuid']}",
        "imported": f"OpenStack Magnum (schema {revision})",
        "observed_generation": 1,
        "applied_generation": 1,
        "health_status_reason": theirs["health_status_reason"] or {},
    }
    return new_row(Cluster, {name: theirs[name] for name in same} | mine)


def _group(theirs: Mapping[str, Any], template: Row) -> dict[str, Any]:
    same = ("uuid", "name", "cluster_id", "project_id", "role", "docker_volume_size", "stack_id", "version")
    mine = {
        "node_count": theirs["node_count"] or 0,
        "min_node_count": theirs["min_node_count"] or 0,
        "max_node_count": theirs["max_node_count"],
        "flavor_id": theirs["flavor_id"],
        "image_id": theirs["image_id"] or template["image_id"],
        "labels": {str(k): str(v) for k, v in (theirs["labels"] or {}).items()},
        "is_default": bool(theirs["is_default"]),
        "status": theirs["status"] or "CREATE_COMPLETE",
        "status_reason": theirs["status_reason"],
    }
    return new_row(NodeGroup, {name: theirs[name] for name in same} | mine)


def _store_cluster(
    ports: Ports,
    report: Report,
    row: Row,
    groups: list[dict[str, Any]],
    keys: list[dict[str, Any]],
    *,
    dry_run: bool,
) -> None:
    with ports.database.write() as connection:
        if clusters.by_uuid(connection, row["uuid"]) is not None:
            report.there += 1
            return
        if not dry_run:
            clusters.insert(connection, row)
            for group in groups:
                nodegroups.insert(connection, _group(group, row["template"]))
            for key in keys:
                certificates.insert_authority(connection, key)
            events.add(connection, row, "status", f"Imported from {row['imported']}.")
    report.did("cluster")
    report.imported["certificate authority"] = report.imported.get("certificate authority", 0) + len(keys)


def _store_quota(ports: Ports, report: Report, theirs: Mapping[str, Any], *, dry_run: bool) -> None:
    if theirs["resource"] != "Cluster":
        why = f"resource {theirs['resource']} is not limited here"
        report.skipped.append(("quota", theirs["project_id"], why))
        return
    with ports.database.write() as connection:
        if quotas.limit(connection, theirs["project_id"], "Cluster") is not None:
            report.there += 1
            return
        if not dry_run:
            same = {name: theirs[name] for name in ("project_id", "resource", "hard_limit")}
            quotas.insert(connection, same)
    report.did("quota")
