"""``/v1/quotas``: how many clusters a project may have."""

from typing import Any

from magnum_lite.api import paging
from magnum_lite.api.call import Answer, Call
from magnum_lite.api.controllers.cluster_templates import body_of, validated
from magnum_lite.db.rows import Row
from magnum_lite.models.quota import NewLimit, Quota
from magnum_lite.models.views import present
from magnum_lite.services import quotas as services


def _shown(row: Row) -> dict[str, Any]:
    return {"id": row["id"]} | present(Quota, row, rename={})


def index(call: Call) -> Answer:
    """Limits that were set: of the caller's project, or of every one with ``all_tenants``."""
    page = paging.wanted(call, Quota, marker="id")
    rows = services.page(call.deps, call.context, page, every=call.flag("all_tenants"))
    items = [_shown(r) for r in rows]
    return Answer(body=paging.listed(call, "quotas", "quotas", page, rows, items))


def show(call: Call, project: str, resource: str) -> Answer:
    """A project's limit; the operator's default where none was set (its ``id`` is null then)."""
    return Answer(body=_shown(services.get(call.deps, call.context, project, resource)))


def create(call: Call) -> Answer:
    """Set a project's limit."""
    return Answer(201, _shown(services.create(call.deps, call.context, validated(call, Quota, "quota"))))


def update(call: Call, project: str, resource: str) -> Answer:
    """Change a limit. The body is an object, not a JSON patch; clients repeat project and resource in it."""
    wanted = body_of(call, NewLimit, "quota")
    row = services.update(call.deps, call.context, project, resource, wanted)
    return Answer(202, _shown(row))


def delete(call: Call, project: str, resource: str) -> Answer:
    """Back to the operator's default."""
    services.delete(call.deps, call.context, project, resource)
    return Answer(204)
