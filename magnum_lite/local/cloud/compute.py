"""The Compute API 2.1: servers, their actions and metadata."""

from collections.abc import Mapping

from magnum_lite.local.cloud import boot, power
from magnum_lite.local.cloud import call as reading
from magnum_lite.local.cloud.call import Call
from magnum_lite.local.cloud.compute_show import all_shown, links, wanted
from magnum_lite.local.cloud.faults import Fault, bad_request
from magnum_lite.local.cloud.paging import linked, page
from magnum_lite.local.cloud.routing import Answer, Router
from magnum_lite.local.cloud.unanswered import answered

ROUTER = Router("/compute/v2.1")

_METADATA_LIMIT = 128


@ROUTER.on("GET", "/servers", "/servers/detail")
def index(call: Call) -> Answer:
    """List servers, newest first; ``all_tenants`` for administrators only."""
    everyone = bool({"all_tenants", "all_projects"} & set(call.query)) and call.query.get(
        "all_tenants", "1"
    ) not in {"0", "False"}
    if everyone and not call.admin:
        raise Fault(403, "Policy doesn't allow os_compute_api:servers:index:get_all_tenants to be performed.")
    states = call.cloud.engine.states()
    records = call.cloud.store.list("server", None if everyone else call.project)
    found = [item for item in all_shown(call, records[::-1], states) if wanted(call, item)]
    servers, following = page(call, found)
    if not call.path.rstrip("/").endswith("/detail"):
        servers = [{key: server[key] for key in ("id", "name", "links")} for server in servers]
    return 200, linked("servers", servers, following)


@ROUTER.on("POST", "/servers")
def create(call: Call) -> Answer:
    """Accept a server; it is built in the background."""
    hints = call.json().get("os:scheduler_hints") or call.json().get("OS-SCH-HNT:scheduler_hints") or {}
    if not isinstance(hints, dict):
        raise bad_request("Invalid input for os:scheduler_hints: an object is needed.")
    record = boot.accept(call, call.body("server"), hints)
    call.cloud.servers.build(record["id"])
    call.sent.append(answered(call.cloud.store, "server", record["id"]))
    return 202, {
        "server": {
            "id": record["id"],
            "links": links(call, record["id"]),
            "OS-DCF:diskConfig": "MANUAL",
            "security_groups": [{"name": "default"}],
            # nodes have no passwords; clients expect the field
            "adminPass": "",
        }
    }


@ROUTER.on("GET", "/servers/{ident}")
def show(call: Call, ident: str) -> Answer:
    """Show a server."""
    record = call.find("server", ident)
    # while a server is being built its record says all; dockerd is busy enough then
    state = None if record["task"] == "spawning" else call.cloud.engine.state(ident)
    return 200, {"server": all_shown(call, [record], {ident: state} if state else {})[0]}


@ROUTER.on("PUT", "/servers/{ident}")
def update(call: Call, ident: str) -> Answer:
    """Rename a server; its host name stays."""
    record, body = call.find("server", ident), call.body("server")
    if "name" in body:
        call.cloud.store.change("server", record["id"], name=reading.needed(body, "name"))
    return show(call, ident)


@ROUTER.on("DELETE", "/servers/{ident}")
def delete(call: Call, ident: str) -> Answer:
    """Remove a server in the background."""
    call.cloud.servers.delete(call.find("server", ident)["id"])
    return 204, None


@ROUTER.on("POST", "/servers/{ident}/action")
def act(call: Call, ident: str) -> Answer:
    """Start, stop, reboot, pause or unpause a server, or read its console."""
    record, body = call.find("server", ident), call.json()
    if len(body) != 1:
        raise bad_request("Invalid input: exactly one action is needed.")
    action, arguments = next(iter(body.items()))
    if action == "os-getConsoleOutput":
        length = reading.number(arguments or {}, "length", least=-1)
        lines = call.cloud.engine.console(record["id"]).splitlines(keepends=True)
        return 200, {
            "output": "".join(
                lines if length in (None, -1) else lines[len(lines) - min(length, len(lines)) :]
            )
        }
    if action == "reboot":
        kind = reading.needed(arguments or {}, "type").upper()
        if kind not in {"SOFT", "HARD"}:
            raise bad_request(f"Invalid input for type: {kind} is not one of ['HARD', 'SOFT'].")
        action = "reboot-hard" if kind == "HARD" else "reboot"
    if action not in power.ACTIONS:
        raise bad_request(f"There is no such action: {action[:80]}")
    call.cloud.servers.act(record["id"], action)
    return 202, None


@ROUTER.on("GET", "/servers/{ident}/metadata")
def metadata(call: Call, ident: str) -> Answer:
    """A server's metadata."""
    return 200, {"metadata": call.find("server", ident)["metadata"]}


@ROUTER.on("POST", "/servers/{ident}/metadata")
@ROUTER.on("PUT", "/servers/{ident}/metadata")
def set_metadata(call: Call, ident: str) -> Answer:
    """POST adds to the metadata, PUT replaces it."""
    given = reading.strings(call.json(), "metadata")
    return 200, {"metadata": _store_metadata(call, ident, given, keep=call.method == "POST")}


@ROUTER.on("GET", "/servers/{ident}/metadata/{key}")
def metadata_item(call: Call, ident: str, key: str) -> Answer:
    """One item of the metadata."""
    items = call.find("server", ident)["metadata"]
    if key not in items:
        raise Fault(404, "Metadata item was not found")
    return 200, {"meta": {key: items[key]}}


@ROUTER.on("PUT", "/servers/{ident}/metadata/{key}")
def set_metadata_item(call: Call, ident: str, key: str) -> Answer:
    """Set one item."""
    given = reading.strings(call.json(), "meta")
    if set(given) != {key}:
        raise bad_request("Request body and URI mismatch")
    return 200, {"meta": {key: _store_metadata(call, ident, given, keep=True)[key]}}


@ROUTER.on("DELETE", "/servers/{ident}/metadata/{key}")
def delete_metadata_item(call: Call, ident: str, key: str) -> Answer:
    """Take one item away."""
    items = dict(call.find("server", ident)["metadata"])
    if items.pop(key, None) is None:
        raise Fault(404, "Metadata item was not found")
    _store_metadata(call, ident, items, keep=False)
    return 204, None


def _store_metadata(call: Call, ident: str, given: Mapping[str, str], *, keep: bool) -> dict[str, str]:
    with call.cloud.store.transaction():
        record = call.find("server", ident)
        items = (record["metadata"] if keep else {}) | dict(given)
        if len(items) > _METADATA_LIMIT:
            raise Fault(403, f"Maximum number of metadata items exceeds {_METADATA_LIMIT}")
        call.cloud.store.change("server", ident, metadata=items)
    return items
