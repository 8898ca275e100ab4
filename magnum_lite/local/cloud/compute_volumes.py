"""The Compute API 2.1: volumes of servers."""

from magnum_lite.local.cloud import call as reading
from magnum_lite.local.cloud.call import Call
from magnum_lite.local.cloud.faults import Fault
from magnum_lite.local.cloud.routing import Answer, Router
from magnum_lite.local.cloud.store import Record

ROUTER = Router("/compute/v2.1")


@ROUTER.on("GET", "/servers/{ident}/os-volume_attachments")
def index(call: Call, ident: str) -> Answer:
    """The volumes that a server has."""
    return 200, {"volumeAttachments": list(call.find("server", ident)["attachments"].values())}


@ROUTER.on("POST", "/servers/{ident}/os-volume_attachments")
def attach(call: Call, ident: str) -> Answer:
    """Attach a volume; Nova answers 200 with the device."""
    body = call.body("volumeAttachment")
    volume = call.find("volume", reading.needed(body, "volumeId"))
    server = call.find("server", ident)
    if server["task"]:
        raise Fault(
            409, f"Cannot 'attach_volume' instance {ident} while it is in task_state {server['task']}"
        )
    return 200, {
        "volumeAttachment": call.cloud.volumes.attach(ident, volume["id"], reading.text(body, "device"))
    }


@ROUTER.on("GET", "/servers/{ident}/os-volume_attachments/{volume_id}")
def show(call: Call, ident: str, volume_id: str) -> Answer:
    """One attachment."""
    return 200, {"volumeAttachment": _attachment(call, ident, volume_id)}


@ROUTER.on("DELETE", "/servers/{ident}/os-volume_attachments/{volume_id}")
def detach(call: Call, ident: str, volume_id: str) -> Answer:
    """Take a volume off a server."""
    call.cloud.volumes.detach(ident, _attachment(call, ident, volume_id)["volumeId"])
    return 202, None


def _attachment(call: Call, ident: str, volume_id: str) -> Record:
    attachments = call.find("server", ident)["attachments"]
    if volume_id not in attachments:
        raise Fault(404, f"Instance {ident} is not attached to volume {volume_id}.")
    found: Record = attachments[volume_id]
    return found
