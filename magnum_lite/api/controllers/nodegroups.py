"""``/v1/clusters/{cluster}/nodegroups``."""

from typing import Any

from magnum_lite.api import paging, patch
from magnum_lite.api.call import Answer, Call
from magnum_lite.api.controllers.cluster_templates import links, validated
from magnum_lite.db.rows import Row
from magnum_lite.models.nodegroup import NodeGroup
from magnum_lite.models.views import present
from magnum_lite.services import nodegroups as services
from magnum_lite.services import plans


def _shown(call: Call, cluster: Row, group: Row) -> dict[str, Any]:
    out = present(NodeGroup, group, rename={}, version=call.version)
    collection = f"clusters/{cluster['uuid']}/nodegroups"
    return out | {"id": group["id"], "links": links(call, collection, group["uuid"])}


def index(call: Call, ident: str) -> Answer:
    """Node groups of a cluster, in short; ``role`` picks those of one role."""
    page = paging.wanted(call, NodeGroup)
    cluster, rows = services.page(call.deps, call.context, ident, call.query.get("role"), page)
    items = [present(NodeGroup, r, rename={}, version=call.version, summary=True) for r in rows]
    path = f"clusters/{cluster['uuid']}/nodegroups"
    return Answer(body=paging.listed(call, path, "nodegroups", page, rows, items))


def show(call: Call, ident: str, group: str) -> Answer:
    """One node group, with everything."""
    return Answer(body=_shown(call, *services.get(call.deps, call.context, ident, group)))


def create(call: Call, ident: str) -> Answer:
    """Make a group of workers; it comes up while you look at its status."""
    values = validated(call, NodeGroup, "nodegroup")
    draft = services.draft_creation(call.deps, call.context, ident, values)
    return _accepted(call, draft)


def update(call: Call, ident: str, group: str) -> Answer:
    """Change bounds, count, node labels and taints; all are checked on the result, so they can move
    together.
    """
    _, before = services.get(call.deps, call.context, ident, group)
    changes = patch.changes(call.body, NodeGroup, before, call.dialect, None)
    draft = services.draft_update(call.deps, call.context, ident, before["uuid"], changes)
    return _accepted(call, draft)


def _accepted(call: Call, draft: services.Draft) -> Answer:
    if call.flag("plan"):
        return Answer(body=plans.of_group(call.deps, draft))
    group = services.accept(call.deps, draft)
    found = services.changed(call.deps, draft.cluster, group["uuid"])
    return Answer(202, _shown(call, draft.cluster, found))


def delete(call: Call, ident: str, group: str) -> Answer:
    """Remove a node group: its nodes are drained and leave, then it is gone. Default groups stay."""
    draft = services.draft_deletion(call.deps, call.context, ident, group)
    if call.flag("plan"):
        return Answer(body=plans.of_group(call.deps, draft))
    services.accept(call.deps, draft)
    return Answer(204)
