"""``/v1/clusters`` and ``/v1/bays``."""

from typing import Any

from magnum_lite.api import paging, patch
from magnum_lite.api.call import Answer, Call
from magnum_lite.api.controllers.cluster_templates import links, validated
from magnum_lite.api.errors import BadRequest
from magnum_lite.db.rows import Row
from magnum_lite.errors import InvalidInput, NotFound, Problem
from magnum_lite.models.cluster import Cluster
from magnum_lite.models.event import Event
from magnum_lite.models.node import Node
from magnum_lite.models.views import present
from magnum_lite.services import clusters as services
from magnum_lite.services import reading, resize

_PATCHABLE = frozenset({"node_count", "health_status", "health_status_reason"})
_EVENTS_PAGE = 1000


def shown(call: Call, row: Row, *, summary: bool = False) -> dict[str, Any]:
    """A cluster's answer. Bays keep their stack_id at every microversion."""
    version = (1, 10) if call.dialect.deprecated else call.version
    out = present(Cluster, row, rename=call.dialect.rename(Cluster), version=version, summary=summary)
    if not (out.get("status") or "").endswith("_FAILED"):
        out.pop("faults", None)
        out.pop("bay_faults", None)
    if call.dialect.deprecated and call.version < (1, 2) and out.get("api_address"):
        # the clients of the first release show it so, and have no bay-config that hands it to docker
        out["api_address"] = out["api_address"].replace("tcp://", "https://", 1)
    return out | {"links": links(call, call.dialect.clusters, row["uuid"])}


def index(call: Call) -> Answer:
    """The short list."""
    return _list(call, call.dialect.clusters, detail=False)


def detail(call: Call) -> Answer:
    """The full list."""
    return _list(call, f"{call.dialect.clusters}/detail", detail=True)


def _list(call: Call, path: str, *, detail: bool) -> Answer:
    page = paging.wanted(call, Cluster)
    rows = reading.page(call.deps, call.context, page, detail=detail)
    items = [shown(call, r, summary=not detail) for r in rows]
    return Answer(body=paging.listed(call, path, call.dialect.clusters, page, rows, items))


def show(call: Call, ident: str) -> Answer:
    """One, with everything."""
    return Answer(body=shown(call, reading.get(call.deps, call.context, ident)))


def _least(call: Call, values: dict[str, Any]) -> None:
    """A cluster without workers needs 1.10 (bays were gone before it; they may)."""
    if values.get("node_count") == 0 and not call.dialect.deprecated and call.version < (1, 10):
        raise InvalidInput(Problem("node_count", "must be 1 or more before microversion 1.10"))


def create(call: Call) -> Answer:
    """202 and the uuid; bays at 1.1: 201, Location and the whole bay."""
    values = validated(call, Cluster, call.dialect.cluster)
    _least(call, values)
    field = call.dialect.rename(Cluster).get("cluster_template_id", "cluster_template_id")
    try:
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
    """JSON patch: node_count, or what an auto-healer says; ``?rollback=True`` returns to the last good."""
    if "rollback" in call.query and call.version < (1, 3):
        raise BadRequest('Unknown argument: "rollback"')
    row = reading.get(call.deps, call.context, ident)
    changes = patch.changes(call.body, Cluster, row, call.dialect, _PATCHABLE)
    _least(call, changes)
    if call.flag("rollback"):
        resize.rollback(call.deps, call.context, row["uuid"])
    elif "node_count" in changes:
        others = _other_workers(row, call)
        count = changes["node_count"] - others
        if count < 0:
            raise InvalidInput(Problem("/node_count", f"{others} of its nodes are in other node groups"))
        wanted = resize.draft(call.deps, call.context, row["uuid"], count=count, rule="cluster:update")
        resize.accept(call.deps, wanted)
    if changes.keys() & {"health_status", "health_status_reason"}:
        services.set_health(call.deps, call.context, row["uuid"], changes)
    if call.dialect.deprecated and call.version < (1, 2):
        return Answer(body=shown(call, reading.get(call.deps, call.context, row["uuid"])))
    return Answer(202, {"uuid": row["uuid"]})


def _other_workers(row: Row, call: Call) -> int:
    groups = reading.groups_of(call.deps, row["uuid"])
    return sum(g["node_count"] for g in groups if g["role"] != "master" and not g["is_default"])


def delete(call: Call, ident: str) -> Answer:
    """204; it is gone when a GET says 404."""
    services.delete(call.deps, call.context, ident)
    return Answer(204)


def resize_action(call: Call, ident: str) -> Answer:
    """``/actions/resize``."""
    body = call.mapping("resize")
    unknown = sorted(set(body) - {"node_count", "nodes_to_remove", "nodegroup"})
    problems = [Problem(n[:100], "Unknown attribute") for n in unknown]
    count, remove, group = body.get("node_count"), body.get("nodes_to_remove"), body.get("nodegroup")
    if isinstance(count, str) and count.isascii() and count.isdigit():
        count = int(count[:9])
    if isinstance(count, bool) or not isinstance(count, int) or not 0 <= count <= 10_000:
        problems.append(Problem("node_count", "must be an integer between 0 and 10000"))
    remove = [] if remove is None else remove
    if (
        not isinstance(remove, list)
        or not all(isinstance(x, str | int) for x in remove)
        or len(remove) > 10_000
    ):
        problems.append(Problem("nodes_to_remove", "must be a list of server ids or indices"))
    if group is not None and not isinstance(group, str):
        problems.append(Problem("nodegroup", "must be a node group's name or uuid"))
    if problems:
        raise InvalidInput(*problems)
    _least(call, {"node_count": count})
    wanted = resize.draft(
        call.deps,
        call.context,
        ident,
        count=int(count or 0),
        group_ident=group or None,
        remove=[str(x) for x in remove],
    )
    return Answer(202, {"uuid": resize.accept(call.deps, wanted)["uuid"]})


def upgrade_action(call: Call, ident: str) -> Answer:
    """``/actions/upgrade``."""
    resize.upgrade(call.deps, call.context, ident)
    return Answer(202)


def events(call: Call, ident: str) -> Answer:
    """What happened, oldest first; ``marker`` is the id of the last event seen."""
    after = call.integer("marker", 0) or 0
    limit = call.integer("limit", _EVENTS_PAGE, low=1, high=_EVENTS_PAGE) or _EVENTS_PAGE
    found = reading.cluster_events(call.deps, call.context, ident, after=after, limit=limit)
    rename = call.dialect.rename(Event)
    items = [{"id": e["id"]} | present(Event, e, rename=rename) for e in found]
    for item in items:
        item["message"] = call.dialect.say(item["message"])
    return Answer(body={"events": items})


def nodes(call: Call, ident: str) -> Answer:
    """Each node with its step and health."""
    found = reading.cluster_nodes(call.deps, call.context, ident)
    return Answer(body={"nodes": [present(Node, n, rename={}) for n in found if n["state"] != "gone"]})


def ask_logs(call: Call, ident: str) -> Answer:
    """Ask the agents for their logs."""
    row = reading.ask_for_logs(call.deps, call.context, ident)
    return Answer(202, {"uuid": row["uuid"]})


def logs(call: Call, ident: str) -> Answer:
    """What the agents answered, by host name."""
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
