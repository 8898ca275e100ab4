"""The Compute API 2.1: servers, their actions, metadata and interfaces."""

import hashlib
import re
from collections.abc import Mapping
from typing import Any

from magnum_lite.local.cloud import boot, power
from magnum_lite.local.cloud import call as reading
from magnum_lite.local.cloud.call import Call
from magnum_lite.local.cloud.faults import Fault, bad_request, not_found
from magnum_lite.local.cloud.paging import linked, page
from magnum_lite.local.cloud.routing import Answer, Router
from magnum_lite.local.cloud.store import Record
from magnum_lite.local.cloud.volumes import ZONE

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
    found = [item for item in _all_shown(call, records[::-1], states) if _wanted(call, item)]
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
    return 202, {
        "server": {
            "id": record["id"],
            "links": _links(call, record["id"]),
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
    state = call.cloud.engine.state(ident)
    return 200, {"server": _all_shown(call, [record], {ident: state} if state else {})[0]}


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


@ROUTER.on("GET", "/servers/{ident}/os-interface")
def interfaces(call: Call, ident: str) -> Answer:
    """The ports that a server has."""
    call.find("server", ident)
    return 200, {"interfaceAttachments": [_interface(port) for port in call.cloud.ports.of_server(ident)]}


@ROUTER.on("GET", "/servers/{ident}/os-interface/{port_id}")
def interface(call: Call, ident: str, port_id: str) -> Answer:
    """One port of a server."""
    return 200, {"interfaceAttachment": _interface(_plugged(call, ident, port_id))}


@ROUTER.on("POST", "/servers/{ident}/os-interface")
def attach_interface(call: Call, ident: str) -> Answer:
    """Plug a server into a port, or into a network through a new port."""
    record, body = call.find("server", ident), call.json().get("interfaceAttachment") or {}
    if record["task"]:
        raise Fault(
            409, f"Cannot 'attach_interface' instance {ident} while it is in task_state {record['task']}"
        )
    if not isinstance(body, dict) or bool(body.get("port_id")) == bool(body.get("net_id")):
        raise bad_request("Must input either a port_id or a net_id.")
    if body.get("port_id"):
        port = call.find("port", str(body["port_id"]))
    else:
        wanted: dict[str, Any] = {"network_id": str(body["net_id"])}
        if fixed := reading.objects(body, "fixed_ips"):
            wanted["fixed_ips"] = fixed
        port = call.cloud.ports.create(call, wanted, _own=True)
    try:
        bound = call.cloud.servers.attach_port(ident, port)
    except Exception:
        if port.get("_own"):
            call.cloud.ports.forget(port)
        raise
    return 200, {"interfaceAttachment": _interface(bound)}


@ROUTER.on("DELETE", "/servers/{ident}/os-interface/{port_id}")
def detach_interface(call: Call, ident: str, port_id: str) -> Answer:
    """Unplug a server from a port."""
    call.cloud.servers.detach_port(ident, _plugged(call, ident, port_id))
    return 202, None


def _plugged(call: Call, ident: str, port_id: str) -> Record:
    call.find("server", ident)
    for port in call.cloud.ports.of_server(ident):
        if port["id"] == port_id:
            return port
    raise not_found("port", port_id)


def _interface(port: Record) -> dict[str, Any]:
    return {
        "port_id": port["id"],
        "net_id": port["network_id"],
        "mac_addr": port["mac_address"],
        "port_state": port["status"],
        "fixed_ips": port["fixed_ips"],
    }


def _store_metadata(call: Call, ident: str, given: Mapping[str, str], *, keep: bool) -> dict[str, str]:
    with call.cloud.store.transaction():
        record = call.find("server", ident)
        items = (record["metadata"] if keep else {}) | dict(given)
        if len(items) > _METADATA_LIMIT:
            raise Fault(403, f"Maximum number of metadata items exceeds {_METADATA_LIMIT}")
        call.cloud.store.change("server", ident, metadata=items)
    return items


def _links(call: Call, ident: str) -> list[dict[str, str]]:
    return [{"rel": "self", "href": f"{call.request.host_url}/compute/v2.1/servers/{ident}"}]


def _wanted(call: Call, item: dict[str, Any]) -> bool:
    query = call.query
    if name := query.get("name"):
        try:
            if not re.search(name, item["name"]):
                return False
        except re.error as error:
            raise bad_request("Invalid input for name: it is not a regular expression.") from error
    exact = {
        "status": item["status"],
        "image": item["image"]["id"],
        "flavor": item["flavor"]["id"],
        "user_id": item["user_id"],
        "uuid": item["id"],
    }
    wanted = {key: value.upper() if key == "status" else value for key, value in query.items()}
    return all(wanted[key] == value for key, value in exact.items() if key in wanted)


def _all_shown(call: Call, records: list[Record], states: Mapping[str, str]) -> list[dict[str, Any]]:
    """Servers as Nova shows them; what they share is read once."""
    store = call.cloud.store
    floating = {
        one["port_id"]: one["floating_ip_address"] for one in store.list("floatingip") if one["port_id"]
    }
    networks = {network["id"]: network["name"] or network["id"] for network in store.list("network")}
    groups = {group["id"]: group["name"] for group in store.list("security_group")}
    ports: dict[str, list[Record]] = {}
    for port in store.list("port"):
        if port.get("_server"):
            ports.setdefault(port["_server"], []).append(port)
    shown = []
    for record in records:
        own = ports.get(record["id"], [])
        item = _shown(call, record, states.get(record["id"]))
        item["addresses"] = _addresses(own, networks, floating)
        names = dict.fromkeys(
            groups[group] for port in own for group in port["security_groups"] if group in groups
        )
        item["security_groups"] = [{"name": name} for name in names]
        shown.append(item)
    return shown


def _shown(call: Call, record: Record, state: str | None) -> dict[str, Any]:
    status = power.status(record, state)
    gone = status == "ERROR" and not record["fault"]
    fault = record["fault"] or {
        "message": "The server's node is gone.",
        "code": 500,
        "created": record["updated"],
    }
    return {
        "id": record["id"],
        "name": record["name"],
        "links": _links(call, record["id"]),
        "status": status,
        "tenant_id": record["project_id"],
        "user_id": record["user_id"],
        "metadata": record["metadata"],
        "key_name": record["key_name"],
        "created": record["created"],
        "updated": record["updated"],
        "accessIPv4": "",
        "accessIPv6": "",
        "hostId": hashlib.sha224(record["project_id"].encode()).hexdigest(),
        "progress": 100 if status == "ACTIVE" else 0,
        "config_drive": "",
        "image": {"id": record["image_id"], "links": []},
        "flavor": {"id": record["flavor_id"], "links": []},
        "OS-DCF:diskConfig": "MANUAL",
        "OS-EXT-AZ:availability_zone": ZONE,
        "OS-EXT-STS:vm_state": power.vm_state(status),
        "OS-EXT-STS:task_state": record["task"],
        "OS-EXT-STS:power_state": power.power_state(state),
        "OS-SRV-USG:launched_at": record["launched_at"],
        "OS-SRV-USG:terminated_at": None,
        "os-extended-volumes:volumes_attached": [{"id": volume} for volume in record["attachments"]],
    } | ({"fault": fault} if gone or record["fault"] else {})


def _addresses(
    ports: list[Record], networks: Mapping[str, str], floating: Mapping[str, str]
) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for port in ports:
        pairs = [(fixed["ip_address"], "fixed") for fixed in port["fixed_ips"]]
        if port["id"] in floating:
            pairs.append((floating[port["id"]], "floating"))
        found.setdefault(networks.get(port["network_id"], port["network_id"]), []).extend(
            {
                "addr": address,
                "version": 4,
                "OS-EXT-IPS-MAC:mac_addr": port["mac_address"],
                "OS-EXT-IPS:type": kind,
            }
            for address, kind in pairs
        )
    return found
