"""What operators look at: ``/v1/stats`` and ``/v1/mservices``."""

from magnum_lite.api.call import Answer, Call
from magnum_lite.errors import InvalidInput, Problem
from magnum_lite.models.quota import Service
from magnum_lite.models.views import present
from magnum_lite.services import operations as services


def stats(call: Call) -> Answer:
    """Numbers of clusters and nodes: of the caller's project; an administrator's are of all projects, or of
    ``project_id``.
    """
    if call.query.get("type", "cluster").lower() != "cluster":
        raise InvalidInput(Problem("type", "must be cluster"))
    return Answer(body=services.stats(call.deps, call.context, call.query.get("project_id")))


def mservices(call: Call) -> Answer:
    """Conductors and whether they are alive."""
    rows = services.conductors(call.deps, call.context)
    items = [{"id": r["id"]} | present(Service, r, rename={}) for r in rows]
    return Answer(body={"mservices": items})
