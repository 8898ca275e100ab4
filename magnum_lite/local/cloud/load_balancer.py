"""The Load Balancer API v2: what Heat, the SDK and the command line ask of Octavia for TCP."""

from typing import Any

from magnum_lite.local.cloud import balancer_shapes as shapes
from magnum_lite.local.cloud.balancers import PROVIDERS
from magnum_lite.local.cloud.call import Call
from magnum_lite.local.cloud.faults import Fault
from magnum_lite.local.cloud.network_filters import wanted
from magnum_lite.local.cloud.paging import linked, page
from magnum_lite.local.cloud.routing import Answer, Router
from magnum_lite.local.cloud.store import Record
from magnum_lite.local.cloud.unanswered import answered

ROUTER = Router(r"/load-balancer/v2(?:\.0)?/lbaas")
_KINDS = {
    "loadbalancers": "loadbalancer",
    "listeners": "listener",
    "pools": "pool",
    "healthmonitors": "healthmonitor",
}


@ROUTER.on("GET", "/providers")
def providers(_call: Call) -> Answer:
    """What load balancers can be made of."""
    return 200, {"providers": [{"name": name, "description": text} for name, text in PROVIDERS.items()]}


@ROUTER.on("GET", "/quotas/{project}")
def quota(call: Call, project: str) -> Answer:
    """A project's limits, or those of everybody."""
    if project not in {call.project, "defaults"} and not call.admin:
        raise Fault(403, "Policy does not allow this request to be performed.")
    _, most = call.cloud.quota.balancers(project)
    free = dict.fromkeys(("listener", "pool", "member", "health_monitor", "l7policy", "l7rule"), -1)
    # both words, as Octavia gave it two
    return 200, {"quota": {"load_balancer": most, "loadbalancer": most, **free, "healthmonitor": -1}}


@ROUTER.on("GET", "/loadbalancers/{ident}/status")
def status(call: Call, ident: str) -> Answer:
    """A load balancer and what it is made of, as a tree."""
    return 200, {"statuses": {"loadbalancer": shapes.tree(call.cloud, _find(call, "loadbalancer", ident))}}


@ROUTER.on("GET", "/loadbalancers/{ident}/stats", "/listeners/{ident}/stats")
def stats(call: Call, ident: str) -> Answer:
    """Connections and bytes."""
    kind = "loadbalancer" if "/loadbalancers/" in call.path else "listener"
    return 200, {"stats": shapes.stats(call.cloud, kind, _find(call, kind, ident))}


@ROUTER.on("GET", "/pools/{pool}/members")
def members(call: Call, pool: str) -> Answer:
    """The members of a pool."""
    _find(call, "pool", pool)
    return _listed(call, "member", [m for m in call.cloud.store.list("member") if m["pool_id"] == pool])


@ROUTER.on("POST", "/pools/{pool}/members")
def add_member(call: Call, pool: str) -> Answer:
    """One more member."""
    return _made(call, "member", call.cloud.balanced.create(call, "member", call.body("member"), pool))


@ROUTER.on("GET", "/pools/{pool}/members/{ident}")
def member(call: Call, pool: str, ident: str) -> Answer:
    """Show a member."""
    return 200, {"member": shapes.shown(call.cloud, "member", _member(call, pool, ident))}


@ROUTER.on("PUT", "/pools/{pool}/members/{ident}")
def update_member(call: Call, pool: str, ident: str) -> Answer:
    """Change a member."""
    return _changed(call, "member", _member(call, pool, ident))


@ROUTER.on("DELETE", "/pools/{pool}/members/{ident}")
def delete_member(call: Call, pool: str, ident: str) -> Answer:
    """Take a member out."""
    call.cloud.balanced.delete("member", _member(call, pool, ident))
    return 204, None


@ROUTER.on("GET", "/{collection}")
def index(call: Call, collection: str) -> Answer:
    """List objects of a kind."""
    kind = _kind(collection)
    return _listed(call, kind, call.cloud.store.list(kind))


@ROUTER.on("POST", "/{collection}")
def create(call: Call, collection: str) -> Answer:
    """Make an object."""
    kind, cloud = _kind(collection), call.cloud
    body = call.body(kind)
    if kind == "loadbalancer":
        return _made(call, kind, cloud.balancers.create(call, body))
    return _made(call, kind, cloud.balanced.create(call, kind, body))


@ROUTER.on("GET", "/{collection}/{ident}")
def show(call: Call, collection: str, ident: str) -> Answer:
    """Show an object."""
    kind = _kind(collection)
    return 200, {kind: shapes.shown(call.cloud, kind, _find(call, kind, ident))}


@ROUTER.on("PUT", "/{collection}/{ident}")
def update(call: Call, collection: str, ident: str) -> Answer:
    """Change an object."""
    kind = _kind(collection)
    return _changed(call, kind, _find(call, kind, ident))


@ROUTER.on("DELETE", "/{collection}/{ident}")
def delete(call: Call, collection: str, ident: str) -> Answer:
    """Remove an object."""
    kind, cloud = _kind(collection), call.cloud
    record = _find(call, kind, ident)
    if kind == "loadbalancer":
        cloud.balancers.delete(record, cascade=call.query.get("cascade", "").lower() == "true")
    else:
        cloud.balanced.delete(kind, record)
    return 204, None


def _listed(call: Call, kind: str, records: list[Record]) -> Answer:
    found = [shapes.shown(call.cloud, kind, record) for record in records if call.sees(record)]
    items, following = page(call, [item for item in found if wanted(call, item)])
    fields = set(call.request.GET.getall("fields"))
    picked = [{key: value for key, value in item.items() if not fields or key in fields} for item in items]
    return 200, linked(kind + "s", picked, following)


def _made(call: Call, kind: str, record: Record) -> Answer:
    call.sent.append(answered(call.cloud.store, kind, record["id"]))
    return 201, {kind: shapes.shown(call.cloud, kind, record)}


def _changed(call: Call, kind: str, record: Record) -> Answer:
    body, cloud = call.body(kind), call.cloud
    if kind == "loadbalancer":
        changed = cloud.balancers.update(record, body)
    else:
        changed = cloud.balanced.update(call, kind, record, body)
    return 200, {kind: shapes.shown(cloud, kind, changed)}


def _kind(collection: str) -> str:
    kind = _KINDS.get(collection)
    if kind is None:
        raise Fault(404, "The resource could not be found.")
    return kind


def _find(call: Call, kind: str, ident: str) -> Record:
    record: Record | None = call.cloud.store.get(kind, ident)
    if record is None or not call.sees(record):
        raise Fault(404, f"{kind.capitalize()} {ident} not found.")
    return record


def _member(call: Call, pool: str, ident: str) -> Record:
    record: dict[str, Any] = _find(call, "member", ident)
    if record["pool_id"] != pool:
        raise Fault(404, f"Member {ident} not found.")
    return record
