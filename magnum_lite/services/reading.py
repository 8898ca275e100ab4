"""Clusters as users see them: the row, its node groups and its nodes, in two statements however
many clusters there are.
"""

from collections.abc import Sequence
from typing import Any

from magnum_lite.context import Context
from magnum_lite.db import clusters as db
from magnum_lite.db import events, nodegroups, nodes
from magnum_lite.db.rows import Page, Row
from magnum_lite.db.session import Connection
from magnum_lite.drivers import assembly
from magnum_lite.errors import NotFound
from magnum_lite.models import labels as registry
from magnum_lite.models import status
from magnum_lite.services.deps import Deps, scope

HIDDEN = "***"


def page(deps: Deps, context: Context, wanted: Page, *, detail: bool) -> list[Row]:
    """One page of clusters."""
    deps.policy.check(context, "cluster:detail" if detail else "cluster:get_all")
    with deps.database.read() as connection:
        mine = scope(deps, context, "cluster:detail" if detail else "cluster:get_all")
        found = db.page(connection, mine, wanted, detail=detail)
        return _completed(connection, found, detail=detail)


def get(deps: Deps, context: Context, ident: str) -> Row:
    """One cluster, with everything."""
    deps.policy.check(context, "cluster:get")
    with deps.database.read() as connection:
        found = db.shown(connection, ident, scope(deps, context, "cluster:get_one"))
        return _completed(connection, [found], detail=True)[0]


def _completed(connection: Connection, found: Sequence[Row], *, detail: bool) -> list[Row]:
    uuids = [r["uuid"] for r in found]
    sizes = nodegroups.sizes(connection, uuids, addresses=detail)
    return [_shown(r, sizes[r["uuid"]], detail=detail) for r in found]


_SECRET_LABELS = frozenset(name for name, label in registry.LABELS.items() if label.secret)


def masked(labels: dict[str, str]) -> dict[str, str]:
    """Labels without the values of secret ones."""
    if _SECRET_LABELS.isdisjoint(labels):
        return labels
    return {name: HIDDEN if name in _SECRET_LABELS else value for name, value in labels.items()}


def unmasked(labels: dict[str, str], before: dict[str, str]) -> dict[str, str]:
    """Labels as a client that read masked ones writes them back: the mask means "as before"."""
    kept = {n for n, v in labels.items() if v == HIDDEN and n in _SECRET_LABELS and n in before}
    return {name: before[name] if name in kept else value for name, value in labels.items()}


def _shown(row: Row, size: nodegroups.Size, *, detail: bool) -> Row:
    template = row["template"]
    effective = assembly.labels(row, template)
    now = status.shown(
        action=row["action"],
        status=row["status"],
        generation=row["generation"],
        observed_generation=row["observed_generation"],
    )
    out = row | assembly.inherited(row, template)
    out["status"] = now
    out["labels"] = masked(effective)
    out["node_count"], out["master_count"] = size.workers, size.masters
    out["cluster_id"] = row["stack_id"]
    if detail:
        own, theirs = row["labels"] or {}, template.get("labels") or {}
        out["labels_added"] = masked({k: v for k, v in effective.items() if k not in theirs})
        out["labels_overridden"] = masked({k: v for k, v in theirs.items() if own.get(k, v) != v})
        out["labels_skipped"] = masked({k: v for k, v in theirs.items() if k not in effective})
        out["master_addresses"], out["node_addresses"] = size.master_addresses, size.worker_addresses
        out["faults"] = row["faults"] if now.endswith(status.FAILED) else {}
        out["labels_explained"] = None  # for those who ask: see explained()
    return out


def explained(row: Row) -> list[dict[str, Any]]:
    """Each label of a cluster as :func:`get` gave it, where its value came from, and what else was said."""
    theirs, added, skipped = row["template"].get("labels") or {}, row["labels_added"], row["labels_skipped"]
    out = []
    for name in sorted(row["labels"].keys() | skipped.keys() | _defaults(row["coe"])):
        known = registry.LABELS.get(name)
        if name in row["labels"]:
            own = name in added or name in row["labels_overridden"]
            value, source = row["labels"][name], "cluster" if own else "template"
        else:
            value = known.default if known else None
            source = "default" if value is not None else "nothing"
        out.append(
            {
                "name": name,
                "value": value,
                "source": source,
                "template_value": masked(theirs).get(name),
                "default": known.default if known else None,
                "meaning": known.meaning if known else unknown_label(name),
            }
        )
    return out


def _defaults(coe: str) -> set[str]:
    return {n for n, known in registry.LABELS.items() if known.default is not None and coe in known.coes}


def unknown_label(name: str) -> str:
    """What to say of a label that is not in the registry."""
    guess = registry.suggest(name)
    return f"Label {name} is not known and has no effect.{f' Did you mean {guess}?' if guess else ''}"


def cluster_events(deps: Deps, context: Context, ident: str, *, after: int, limit: int) -> list[Row]:
    """Events of a cluster, oldest first. By uuid they are found after its deletion, too."""
    deps.policy.check(context, "cluster:events")
    mine = scope(deps, context, "cluster:get_one")
    with deps.database.read() as connection:
        try:
            ident = db.owner(connection, ident, mine)["uuid"]
        except NotFound:
            if not events.page(connection, ident, mine, after=0, limit=1):
                raise
        return events.page(connection, ident, mine, after=after, limit=limit)


def cluster_nodes(deps: Deps, context: Context, ident: str) -> list[Row]:
    """Records of a cluster's nodes."""
    deps.policy.check(context, "cluster:get")
    with deps.database.read() as connection:
        found = db.owner(connection, ident, scope(deps, context, "cluster:get_one"))
        return nodes.of_cluster(connection, found["uuid"])


def ask_for_logs(deps: Deps, context: Context, ident: str) -> dict[str, Any]:
    """Ask every node's agent for its logs; they answer with their next report."""
    with deps.database.write() as connection:
        found = db.get(connection, ident, scope(deps, context, "cluster:update"))
        deps.policy.check(context, "cluster:update", found["project_id"])
        for member in nodes.of_cluster(connection, found["uuid"]):
            nodes.update(connection, member["uuid"], {"collect_logs": True})
    return found


def groups_of(deps: Deps, uuid: str) -> list[Row]:
    """Node groups of a cluster that the caller has been shown already."""
    with deps.database.read() as connection:
        return nodegroups.of_clusters(connection, [uuid])[uuid]
