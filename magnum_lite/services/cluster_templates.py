"""Use cases of cluster templates (baymodels)."""

import secrets
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from magnum_lite.context import Context
from magnum_lite.db import cluster_templates as db
from magnum_lite.db.rows import Page, Row
from magnum_lite.errors import Conflict, Forbidden, InvalidInput, Problem
from magnum_lite.models import labels as registry
from magnum_lite.services import references
from magnum_lite.services.deps import Deps, scope
from magnum_lite.services.reading import unmasked

_GREEK = ("alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa", "phi", "chi")
_CHECKED = (
    "image_id",
    "flavor_id",
    "master_flavor_id",
    "external_network_id",
    "fixed_network",
    "fixed_subnet",
)
NETWORK_DRIVERS = {"swarm": ("docker", "flannel"), "kubernetes": ("flannel", "calico", "cilium")}


def generated_name(kind: str) -> str:
    """A readable name for something that was given none."""
    return f"{secrets.choice(_GREEK)}-{secrets.randbelow(100)}-{kind}"


def create(deps: Deps, context: Context, values: Mapping[str, Any]) -> Row:
    """Store a template; its references are looked up first. Raises InvalidInput, Forbidden."""
    deps.policy.check(context, "clustertemplate:create")
    row = dict(values) | {
        "uuid": values.get("uuid") or str(uuid.uuid4()),
        "name": values.get("name") or generated_name("template"),
        "project_id": context.project_id,
        "user_id": context.user_id,
    }
    _may_publish(deps, context, row)
    problems = check(row)
    references.check_flavors(deps, context, row, problems)
    references.check_networks(deps, context, row, problems)
    image = references.check_image(deps, context, row["image_id"], problems)
    references.refuse(problems)
    row["cluster_distro"] = image.os_distro if image else None
    with deps.database.write() as connection:
        if values.get("uuid") and db.exists(connection, row["uuid"]):
            raise Conflict(f"A cluster template with UUID {row['uuid']} already exists.")
        return db.insert(connection, row)


def check(row: Mapping[str, Any]) -> list[Problem]:
    """What is wrong with a template by itself."""
    problems = label_problems(row.get("labels") or {})
    drivers = NETWORK_DRIVERS[row["coe"]]
    if row.get("network_driver") and row["network_driver"] not in drivers:
        problems.append(Problem("network_driver", f"{row['coe']} offers {', '.join(drivers)}"))
    if row.get("docker_storage_driver") == "devicemapper" and not row.get("docker_volume_size"):
        problems.append(
            Problem("docker_storage_driver", "Docker dropped devicemapper in release 25.0; use overlay2")
        )
    return problems


def label_problems(labels: Mapping[str, str]) -> list[Problem]:
    """Known labels whose values don't fit; unknown ones are kept."""
    wrong = ((name, registry.check(name, value)) for name, value in labels.items())
    return [Problem(f"labels/{name}", message) for name, message in wrong if message]


def page(deps: Deps, context: Context, wanted: Page, rule: str, is_known: Callable[[Row], bool]) -> list[Row]:
    """One page of what the caller sees. Rows that ``is_known`` are not read again: they have their ``id``,
    ``uuid`` and times, which is all that it is asked with.
    """
    deps.policy.check(context, rule)
    with deps.database.read() as connection:
        marks = db.marks(connection, scope(deps, context, rule), wanted)
        lacking = [m for m in marks if not is_known(m)]
        found = {r["id"]: r for r in db.whole(connection, lacking)} if lacking else {}
    gone = {m["id"] for m in lacking} - found.keys()
    return [found.get(m["id"], m) for m in marks if m["id"] not in gone]


def get(deps: Deps, context: Context, ident: str) -> Row:
    """One that the caller sees. Raises NotFound, Ambiguous."""
    deps.policy.check(context, "clustertemplate:get")
    with deps.database.read() as connection:
        return db.get(connection, ident, scope(deps, context, "clustertemplate:get_one"))


def _own(deps: Deps, context: Context, ident: str, verb: str) -> Row:
    with deps.database.read() as connection:
        row = db.get(connection, ident, scope(deps, context, f"clustertemplate:{verb}"))
    deps.policy.check(context, f"clustertemplate:{verb}", row["project_id"])
    return row


def update(deps: Deps, context: Context, ident: str, changes: Mapping[str, Any]) -> Row:
    """Store changed fields of a template; clusters that exist keep what they were made from."""
    row = _own(deps, context, ident, "update")
    if "labels" in changes:
        changes = {**changes, "labels": unmasked(changes["labels"], row["labels"] or {})}
    changed = {n: v for n, v in changes.items() if row.get(n) != v}
    if not changed:
        return row
    _may_publish(deps, context, changed)
    merged = row | changed
    problems = check(merged)
    touched = {n: v for n, v in changed.items() if n in _CHECKED}
    references.check_flavors(deps, context, touched, problems)
    references.check_networks(deps, context, touched, problems)
    if "image_id" in touched:
        image = references.check_image(deps, context, touched["image_id"], problems)
        changed["cluster_distro"] = image.os_distro if image else None
    references.refuse(problems)
    with deps.database.write() as connection:
        return db.update(connection, row["uuid"], changed)


def delete(deps: Deps, context: Context, ident: str) -> None:
    """Forget a template that no cluster refers to."""
    row = _own(deps, context, ident, "delete")
    with deps.database.write() as connection:
        if db.is_used(connection, row["uuid"]):
            raise InvalidInput(
                Problem("", f"Cluster template {row['uuid']} is referenced by one or multiple clusters")
            )
        db.delete(connection, row["uuid"])


def _may_publish(deps: Deps, context: Context, values: Mapping[str, Any]) -> None:
    wants = values.get("public") or values.get("hidden")
    if wants and not deps.policy.allows(context, "clustertemplate:publish"):
        raise Forbidden("Not authorized to set public or hidden flag for cluster template.")
