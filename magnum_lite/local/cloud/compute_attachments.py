"""The Compute API 2.1: what is plugged into servers, ports and volumes."""

from typing import Any

from magnum_lite.local.cloud import call as reading
from magnum_lite.local.cloud.call import Call
from magnum_lite.local.cloud.faults import Fault, bad_request, not_found
from magnum_lite.local.cloud.routing import Answer, Router
from magnum_lite.local.cloud.store import Record

ROUTER = Router("/compute/v2.1")


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


@ROUTER.on("GET", "/servers/{ident}/os-volume_attachments")
def volumes(call: Call, ident: str) -> Answer:
    """The volumes that a server has."""
    return 200, {"volumeAttachments": list(call.find("server", ident)["attachments"].values())}


@ROUTER.on("POST", "/servers/{ident}/os-volume_attachments")
def attach_volume(call: Call, ident: str) -> Answer:
    """Attach a volume; Nova answers 200 with the device."""
    body = call.body("volumeAttachment")
    found = call.find("volume", reading.needed(body, "volumeId"))
    server = call.find("server", ident)
    if server["task"]:
        raise Fault(
            409, f"Cannot 'attach_volume' instance {ident} while it is in task_state {server['task']}"
        )
    return 200, {
        "volumeAttachment": call.cloud.volumes.attach(ident, found["id"], reading.text(body, "device"))
    }


@ROUTER.on("GET", "/servers/{ident}/os-volume_attachments/{volume_id}")
def volume(call: Call, ident: str, volume_id: str) -> Answer:
    """One attachment."""
    return 200, {"volumeAttachment": _attachment(call, ident, volume_id)}


@ROUTER.on("DELETE", "/servers/{ident}/os-volume_attachments/{volume_id}")
def detach_volume(call: Call, ident: str, volume_id: str) -> Answer:
    """Take a volume off a server."""
    call.cloud.volumes.detach(ident, _attachment(call, ident, volume_id)["volumeId"])
    return 202, None


def _attachment(call: Call, ident: str, volume_id: str) -> Record:
    attachments = call.find("server", ident)["attachments"]
    if volume_id not in attachments:
        raise Fault(404, f"Instance {ident} is not attached to volume {volume_id}.")
    found: Record = attachments[volume_id]
    return found
