"""``/v1/clusters`` and ``/v1/bays``."""

from collections.abc import Mapping
from typing import Any

from magnum_lite.api import paging, patch
from magnum_lite.api.call import Answer, Call
from magnum_lite.api.controllers.cluster_templates import body_of, links, validated
from magnum_lite.api.errors import BadRequest
from magnum_lite.db.rows import Row
from magnum_lite.errors import InvalidInput, NotFound, Problem
from magnum_lite.models.actions import Resize, Upgrade
from magnum_lite.models.cluster import Cluster
from magnum_lite.models.event import Event
from magnum_lite.models.node import Node
from magnum_lite.models.views import present
from magnum_lite.services import clusters as services
from magnum_lite.services import plans, reading, resize, rollback, upgrade

_HEALTH = frozenset({"health_status", "health_status_reason"})
_PATCHABLE = _HEALTH | {"node_count"}
_EVENTS_PAGE = 1000


def shown(call: Call, row: Row, *, summary: bool = False) -> dict[str, Any]:
    """A cluster's answer. Bays keep their stack_id at every microversion."""
    version = (1, 10) if call.dialect.deprecated else call.version
    out = present(Cluster, row, rename=call.dialect.rename(Cluster), version=version, summary=summary)
    if not (out.get("status") or "").endswith("_FAILED"):
        out.pop("faults", None)
        out.pop("bay_faults", None)
    if out.get("labels_explained") is None:  # not asked for
        out.pop("labels_explained", None)
    if call.dialect.deprecated and call.version < (1, 2) and out.get("api_address"):
        # the clients of the first release show it so, and have no bay-config that hands it to docker
        out["api_address"] = out["api_address"].replace("tcp://", "https://", 1)
    out["links"] = links(call, call.dialect.clusters, row["uuid"])
    return out


def index(call: Call) -> Answer:
    """Clusters of the project, in short; an administrator sees those of all projects."""
    return _list(call, call.dialect.clusters, detail=False)


def detail(call: Call) -> Answer:
    """Clusters of the project, in full."""
    return _list(call, f"{call.dialect.clusters}/detail", detail=True)


def _list(call: Call, path: str, *, detail: bool) -> Answer:
    page = paging.wanted(call, Cluster)
    rows = reading.page(call.deps, call.context, page, detail=detail)
    items = [shown(call, r, summary=not detail) for r in rows]
    return Answer(body=paging.listed(call, path, call.dialect.clusters, page, rows, items))


def show(call: Call, ident: str) -> Answer:
    """One cluster, with everything; ``explain=labels`` says of each label where its value came from."""
    if call.query.get("explain", "labels") != "labels":
        raise InvalidInput(Problem("explain", "must be labels"))
    row = reading.get(call.deps, call.context, ident)
    if "explain" in call.query:
        row["labels_explained"] = reading.explained(row)
    return Answer(body=shown(call, row))


def _least(call: Call, values: dict[str, Any]) -> None:
    """A cluster without workers needs 1.10 (bays were gone before it; they may)."""
    if values.get("node_count") == 0 and not call.dialect.deprecated and call.version < (1, 10):
        raise InvalidInput(Problem("node_count", "must be 1 or more before microversion 1.10"))


def create(call: Call) -> Answer:
    """Make a cluster. It comes up while you look at its events. At 1.1 bays are answered in full."""
    values = validated(call, Cluster, call.dialect.cluster)
    _least(call, values)
    field = call.dialect.rename(Cluster).get("cluster_template_id", "cluster_template_id")
    try:
        if call.flag("plan"):
            return Answer(body=plans.creation(call.deps, call.context, values, template_field=field))
        row = services.create(call.deps, call.context, values, template_field=field)
    except NotFound as error:
        about_template = error.ident == values["cluster_template_id"]
        if about_template and (call.dialect.deprecated or call.version < (1, 10)):
            raise InvalidInput(Problem(field, error.message)) from None
        raise
    if call.dialect.deprecated and call.version < (1, 2):
        whole = shown(call, reading.get(call.deps, call.context, row["uuid"]))
        return Answer(201, whole, {"Location": f"{call.base}/v1/{call.dialect.clusters}/{row['uuid']}"})
    return Answer(202, {"uuid": row["uuid"]})


def update(call: Call, ident: str) -> Answer:
    """Change a cluster: its ``node_count``, or the health that an auto-healer found. The newest wish wins,
    also while another change is under way. ``rollback`` returns to the last good state.
    """
    if "rollback" in call.query and call.version < (1, 3):
        raise BadRequest('Unknown argument: "rollback"')
    patch.operations(call.body)
    row = reading.get(call.deps, call.context, ident)
    changes = patch.changes(call.body, Cluster, row, call.dialect, _PATCHABLE)
    _may_change(call, row, changes)
    _least(call, changes)
    if call.flag("plan") and (call.flag("rollback") or "node_count" not in changes):
        return Answer(body=_plan_of_update(call, row))
    if call.flag("rollback"):
        rollback.accept(call.deps, rollback.draft(call.deps, call.context, row["uuid"]))
    elif "node_count" in changes:
        others = _other_workers(row, call)
        count = changes["node_count"] - others
        if count < 0:
            raise InvalidInput(Problem("/node_count", f"{others} of its nodes are in other node groups"))
        wanted = resize.draft(call.deps, call.context, row["uuid"], count=count, rule="cluster:update")
        if call.flag("plan"):
            return Answer(body=plans.resizing(call.deps, wanted, "update"))
        resize.accept(call.deps, wanted)
    if changes.keys() & _HEALTH:
        services.set_health(call.deps, call.context, row["uuid"], changes)
    if call.dialect.deprecated and call.version < (1, 2):
        return Answer(body=shown(call, reading.get(call.deps, call.context, row["uuid"])))
    return Answer(202, {"uuid": row["uuid"]})


def _may_change(call: Call, row: Row, changes: Mapping[str, Any]) -> None:
    """Every rule before anything is done: a patch is carried out whole or not at all."""
    if call.flag("rollback") or "node_count" in changes:
        call.deps.policy.check(call.context, "cluster:update", row["project_id"])
    if changes.keys() & _HEALTH:
        call.deps.policy.check(call.context, "cluster:update_health_status", row["project_id"])


def _plan_of_update(call: Call, row: Row) -> dict[str, Any]:
    if call.flag("rollback"):
        return plans.returning(call.deps, call.context, row["uuid"])
    wanted = resize.draft(call.deps, call.context, row["uuid"], count=None, rule="cluster:update")
    return plans.resizing(call.deps, wanted, "update")


def _other_workers(row: Row, call: Call) -> int:
    groups = reading.groups_of(call.deps, row["uuid"])
    return sum(g["node_count"] for g in groups if g["role"] != "master" and not g["is_default"])


def delete(call: Call, ident: str) -> Answer:
    """Remove a cluster with all that was made for it. It is gone when a GET answers 404."""
    if call.flag("plan"):
        return Answer(body=plans.deletion(call.deps, call.context, ident))
    services.delete(call.deps, call.context, ident)
    return Answer(204)


def resize_action(call: Call, ident: str) -> Answer:
    """Set how many nodes a node group has; nodes that are named leave first, drained."""
    asked = body_of(call, Resize, "resize")
    _least(call, {"node_count": asked.node_count})
    wanted = resize.draft(
        call.deps,
        call.context,
        ident,
        count=asked.node_count,
        group_ident=asked.nodegroup or None,
        remove=asked.nodes_to_remove,
    )
    if call.flag("plan"):
        return Answer(body=plans.resizing(call.deps, wanted, "resize"))
    return Answer(202, {"uuid": resize.accept(call.deps, wanted)["uuid"]})


def upgrade_action(call: Call, ident: str) -> Answer:
    """Go over to another cluster template: nodes that it would make otherwise are replaced, masters first and
    one at a time, then ``max_batch_size`` workers at a time; new ones come before old ones leave.
    """
    wanted = upgrade.draft(call.deps, call.context, ident, body_of(call, Upgrade, "upgrade"))
    if call.flag("plan"):
        return Answer(body=plans.upgrading(call.deps, wanted))
    return Answer(202, {"uuid": upgrade.accept(call.deps, wanted)["uuid"]})


def events(call: Call, ident: str) -> Answer:
    """What happened to a cluster, oldest first; ``marker`` is the id of the last event seen. By uuid also
    after the deletion of the cluster.
    """
    after = call.integer("marker", 0) or 0
    limit = call.integer("limit", _EVENTS_PAGE, low=1, high=_EVENTS_PAGE) or _EVENTS_PAGE
    found = reading.cluster_events(call.deps, call.context, ident, after=after, limit=limit)
    rename = call.dialect.rename(Event)
    items = [{"id": e["id"]} | present(Event, e, rename=rename) for e in found]
    for item in items:
        item["message"] = call.dialect.say(item["message"])
    return Answer(body={"events": items})


def nodes(call: Call, ident: str) -> Answer:
    """The nodes of a cluster, each with its step and health."""
    found = reading.cluster_nodes(call.deps, call.context, ident)
    return Answer(body={"nodes": [present(Node, n, rename={}) for n in found if n["state"] != "gone"]})


def ask_logs(call: Call, ident: str) -> Answer:
    """Ask the agents of all nodes for their logs; they come with their next reports."""
    row = reading.ask_for_logs(call.deps, call.context, ident)
    return Answer(202, {"uuid": row["uuid"]})


def logs(call: Call, ident: str) -> Answer:
    """Logs that the agents answered with, node by node."""
    found = reading.cluster_nodes(call.deps, call.context, ident)
    items = [
        {
            "hostname": n["hostname"],
            "pending": bool(n["collect_logs"]),
            "logs": n["logs"] or {},
            "log": n["log"],
        }
        for n in found
        if n["state"] != "gone"
    ]
    return Answer(body={"nodes": items})
