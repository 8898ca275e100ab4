"""The Networking API v2.0. All objects have the same five calls; what is special about a kind is in
``networks``, ``ports``, ``routers`` and ``security``.
"""

from typing import Any

from magnum_lite.local.cloud.call import Call
from magnum_lite.local.cloud.faults import Fault, bad_request
from magnum_lite.local.cloud.network_filters import wanted
from magnum_lite.local.cloud.paging import linked, page
from magnum_lite.local.cloud.routing import Answer, Router
from magnum_lite.local.cloud.store import Record
from magnum_lite.local.cloud.unanswered import answered

ROUTER = Router("/network/v2.0")

_EXTENSIONS = (
    "router", "security-group", "external-net", "subnet_allocation", "default-subnetpools", "quotas",
    "quota_details", "standard-attr-tag", "standard-attr-description", "standard-attr-timestamp",
    "standard-attr-revisions", "extraroute", "ext-gw-mode", "allowed-address-pairs", "project-id",
    "availability_zone", "network_availability_zone", "router_availability_zone", "pagination", "sorting",
)  # fmt: skip
#: Collection in the URL to kind of object.
_KINDS = {
    "networks": "network",
    "subnets": "subnet",
    "ports": "port",
    "routers": "router",
    "floatingips": "floatingip",
    "security-groups": "security_group",
    "security-group-rules": "security_group_rule",
    "subnetpools": "subnetpool",
}


@ROUTER.on("GET", "/extensions", "/extensions.json")
def extensions(_call: Call) -> Answer:
    """The extensions that are there."""
    return 200, {"extensions": [_extension(alias) for alias in _EXTENSIONS]}


@ROUTER.on("GET", "/extensions/{alias}")
def extension(_call: Call, alias: str) -> Answer:
    """One extension. Raises Fault 404."""
    alias = alias.removesuffix(".json")
    if alias not in _EXTENSIONS:
        raise Fault(404, f"Extension with alias {alias} does not exist", "ExtensionNotFound")
    return 200, {"extension": _extension(alias)}


@ROUTER.on("GET", "/quotas/{project}", "/quotas/{project}/{form}")
def quota(call: Call, project: str, form: str = "") -> Answer:
    """A project's limits; ``details`` also what is used, ``default`` the same for everybody."""
    project, form = project.removesuffix(".json"), form.removesuffix(".json")
    if form not in {"", "details", "default"}:
        raise Fault(404, "The resource could not be found.", "HTTPNotFound")
    if project != call.project and not call.admin:
        raise Fault(404, f"Project {project} could not be found.", "ProjectNotFound")
    usage = call.cloud.quota.network(project).items()
    if form == "details":
        return 200, {
            "quota": {kind: {"limit": limit, "used": used, "reserved": 0} for kind, (used, limit) in usage}
        }
    return 200, {"quota": {kind: limit for kind, (_, limit) in usage}}


@ROUTER.on("GET", "/availability_zones", "/availability_zones.json")
def zones(_call: Call) -> Answer:
    """The one zone."""
    both = [
        {"name": "nova", "resource": resource, "state": "available"} for resource in ("network", "router")
    ]
    return 200, {"availability_zones": both}


@ROUTER.on("GET", "/{collection}")
def index(call: Call, collection: str) -> Answer:
    """List objects of a kind, those of the project and those that are everybody's."""
    kind = _kind(collection)
    if kind.startswith("security_group"):
        call.cloud.groups.default(call.project)
    found = [_shown(call, kind, record) for record in call.cloud.store.list(kind) if call.sees(record)]
    shown, following = page(call, [item for item in found if wanted(call, item)])
    fields = set(call.request.GET.getall("fields"))
    picked = [{key: value for key, value in item.items() if not fields or key in fields} for item in shown]
    return 200, linked(kind + "s", picked, following)


@ROUTER.on("POST", "/{collection}")
def create(call: Call, collection: str) -> Answer:
    """Make an object, or several from a list."""
    kind, body = _kind(collection), call.json()
    several = body.get(kind + "s")
    if not isinstance(several, list):
        return 201, {kind: _made(call, kind, call.body(kind))}
    if not all(isinstance(item, dict) for item in several):
        raise bad_request(f"Invalid input: {kind}s must be a list of objects.", "HTTPBadRequest")
    return 201, {kind + "s": [_made(call, kind, item) for item in several]}


@ROUTER.on("GET", "/{collection}/{ident}")
def show(call: Call, collection: str, ident: str) -> Answer:
    """Show an object."""
    kind = _kind(collection)
    return 200, {kind: _shown(call, kind, _find(call, kind, ident))}


@ROUTER.on("PUT", "/{collection}/{ident}")
def update(call: Call, collection: str, ident: str) -> Answer:
    """Change an object."""
    kind = _kind(collection)
    record, body, cloud = _changeable(call, kind, ident), call.body(kind), call.cloud
    match kind:
        case "network":
            changed = cloud.networks.update_network(record, body)
        case "subnet":
            changed = cloud.networks.update_subnet(record, body)
        case "port":
            changed = cloud.ports.update(call, record, body)
        case "router":
            changed = cloud.routers.update(call, record, body)
        case "floatingip":
            changed = cloud.floating.update(call, record, body)
        case "security_group":
            changed = cloud.groups.update(record, body)
        case _:
            raise Fault(405, f"A {kind.replace('_', ' ')} can not be changed.", "HTTPMethodNotAllowed")
    return 200, {kind: _shown(call, kind, changed)}


@ROUTER.on("DELETE", "/{collection}/{ident}")
def delete(call: Call, collection: str, ident: str) -> Answer:
    """Remove an object that nothing uses."""
    kind = _kind(collection)
    record, cloud = _changeable(call, kind, ident), call.cloud
    match kind:
        case "network":
            cloud.networks.delete_network(record)
        case "subnet":
            cloud.networks.delete_subnet(record)
        case "port":
            cloud.ports.delete(record)
            cloud.floating.publish()
        case "router":
            cloud.routers.delete(record)
        case "floatingip":
            cloud.floating.delete(record)
        case "security_group":
            cloud.groups.delete(record)
        case "security_group_rule":
            cloud.groups.delete_rule(record)
    return 204, None


@ROUTER.on("PUT", "/routers/{ident}/add_router_interface", "/routers/{ident}/add_router_interface.json")
def add_interface(call: Call, ident: str) -> Answer:
    """Put a router on a subnet."""
    return 200, call.cloud.routers.add_interface(call, _find(call, "router", ident), call.json())


@ROUTER.on("PUT", "/routers/{ident}/remove_router_interface", "/routers/{ident}/remove_router_interface.json")
def remove_interface(call: Call, ident: str) -> Answer:
    """Take a router off a subnet."""
    return 200, call.cloud.routers.remove_interface(_find(call, "router", ident), call.json())


@ROUTER.on("GET", "/{collection}/{ident}/tags", "/{collection}/{ident}/tags.json")
def tags(call: Call, collection: str, ident: str) -> Answer:
    """An object's tags."""
    return 200, {"tags": _find(call, _kind(collection), ident)["tags"]}


@ROUTER.on("PUT", "/{collection}/{ident}/tags", "/{collection}/{ident}/tags.json")
def set_tags(call: Call, collection: str, ident: str) -> Answer:
    """Replace an object's tags."""
    given = call.json().get("tags")
    if not isinstance(given, list) or not all(isinstance(tag, str) and 0 < len(tag) <= 255 for tag in given):
        raise bad_request("Invalid input for tags. Reason: a list of strings is needed.", "HTTPBadRequest")
    return _tagged(call, collection, ident, list(dict.fromkeys(given)))


@ROUTER.on("DELETE", "/{collection}/{ident}/tags", "/{collection}/{ident}/tags.json")
def clear_tags(call: Call, collection: str, ident: str) -> Answer:
    """Take all tags away."""
    _tagged(call, collection, ident, [])
    return 204, None


def _tagged(call: Call, collection: str, ident: str, given: list[str]) -> Answer:
    kind = _kind(collection)
    call.cloud.store.change(kind, _changeable(call, kind, ident)["id"], tags=given)
    return 200, {"tags": given}


def _made(call: Call, kind: str, body: dict[str, Any]) -> dict[str, Any]:
    record = _create(call, kind, body)
    call.sent.append(answered(call.cloud.store, kind, record["id"]))
    return _shown(call, kind, record)


def _create(call: Call, kind: str, body: dict[str, Any]) -> Record:  # noqa: PLR0911 - a table of kinds
    cloud = call.cloud
    match kind:
        case "network":
            return cloud.networks.create_network(call, body)
        case "subnet":
            return cloud.networks.create_subnet(call, body)
        case "port":
            return cloud.ports.create(call, body)
        case "router":
            return cloud.routers.create(call, body)
        case "floatingip":
            return cloud.floating.create(call, body)
        case "security_group":
            return cloud.groups.create(call, body)
        case "security_group_rule":
            return cloud.groups.add_rule(call, body)
    raise Fault(403, f"rule:create_{kind} is disallowed by policy", "PolicyNotAuthorized")


def _kind(collection: str) -> str:
    kind = _KINDS.get(collection.removesuffix(".json"))
    if kind is None:
        raise Fault(404, "The resource could not be found.", "HTTPNotFound")
    return kind


def _find(call: Call, kind: str, ident: str) -> Record:
    return call.find(kind, ident.removesuffix(".json"))


def _changeable(call: Call, kind: str, ident: str) -> Record:
    """An object that is the caller's own. Raises Fault 403 for what is everybody's."""
    record = _find(call, kind, ident)
    if record["project_id"] != call.project and not (call.admin and kind != "subnetpool"):
        raise Fault(403, f"rule:update_{kind} is disallowed by policy", "PolicyNotAuthorized")
    return record


def _shown(call: Call, kind: str, record: Record) -> dict[str, Any]:
    shown = {key: value for key, value in record.items() if not key.startswith("_")}
    if kind == "security_group":
        shown["security_group_rules"] = [
            _shown(call, "", rule) for rule in call.cloud.groups.rules(record["id"])
        ]
    return shown


def _extension(alias: str) -> dict[str, Any]:
    return {
        "alias": alias,
        "name": alias,
        "description": "",
        "links": [],
        "updated": "2016-01-01T00:00:00-00:00",
    }
