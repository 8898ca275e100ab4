"""From the body of POST /servers to a record with its ports: everything that Nova checks before it
says 202.
"""

import base64
import re
from typing import Any

from magnum_lite.local.cloud import boot_volumes
from magnum_lite.local.cloud import call as reading
from magnum_lite.local.cloud.call import Call
from magnum_lite.local.cloud.faults import Fault, bad_request, conflict
from magnum_lite.local.cloud.settings import Flavor, Image
from magnum_lite.local.cloud.stamps import new_id, now
from magnum_lite.local.cloud.store import Record
from magnum_lite.local.cloud.unanswered import MARK
from magnum_lite.local.cloud.volumes import ZONE, ZONES

#: Nova's limit of user data, in base64.
USER_DATA_LIMIT = 65535


def hostname(name: str, server_id: str) -> str:
    """A host name (RFC 1123 label, at most 63 characters) from a server's name, as Nova makes it."""
    label = re.sub(r"[^a-z0-9-]", "", re.sub(r"[ _.]", "-", name.lower())).strip("-")[:63].rstrip("-")
    return label or f"server-{server_id}"


def accept(call: Call, body: dict[str, Any], hints: dict[str, Any]) -> Record:
    """Check a request for a server, write its record and bind its ports; nothing is built yet.
    Raises Fault 400, 403 (quota), 404, 409.
    """
    server_id = new_id()
    name = reading.needed(body, "name")
    root = boot_volumes.root(call, body) or boot_volumes.Root(_image(call, body))
    image, flavor = root.image, _flavor(call, body)
    volumes = _volumes(call, body)
    _check_rest(body)
    key_name, public_key = _key(call, body)
    record: Record = {
        "id": server_id,
        "project_id": call.project,
        "user_id": call.user,
        "name": name,
        "hostname": hostname(name, server_id),
        "image_id": image.id,
        "flavor_id": flavor.id,
        "key_name": key_name,
        "metadata": reading.strings(body, "metadata"),
        "group_id": _group(call, hints),
        "created": now(),
        "updated": now(),
        "launched_at": None,
        "zone": (reading.text(body, "availability_zone") or ZONE).split(":")[0],
        "task": "spawning",
        "fault": None,
        "attachments": {},
        "_public_key": public_key,
        "_user_data": _user_data(body),
        "_volumes": ({root.volume_id: boot_volumes.DEVICE} if root.volume_id else {}) | volumes,
        "_boot": root.volume_id,
        "_boot_made": root.made,
        "_boot_own": root.volume_id if root.own else None,
        **MARK,
    }
    with call.cloud.store.transaction():
        wanted = {"instances": 1, "cores": flavor.vcpus, "ram": flavor.ram_mib}
        call.cloud.quota.check_compute(call.project, wanted)
        call.cloud.store.put("server", record)
        try:
            _bind(call, record, body)
        except Fault as fault:
            # Nova words what Neutron does not find as a bad request
            raise Fault(400 if fault.status in {403, 404} else fault.status, fault.message) from fault
    return record


def _bind(call: Call, record: Record, body: dict[str, Any]) -> None:
    """Give the server the ports that it wants, or a port on each network that it wants."""
    ports = call.cloud.ports
    groups = [reading.needed(group, "name") for group in reading.objects(body, "security_groups")] or None
    bound: set[str] = set()
    for nic in _nics(call, body):
        if nic.get("port"):
            port = call.find("port", str(nic["port"]))
        else:
            wanted: dict[str, Any] = {"network_id": str(nic["uuid"]), "security_groups": groups}
            if nic.get("fixed_ip"):
                wanted["fixed_ips"] = [{"ip_address": nic["fixed_ip"]}]
            port = ports.create(call, wanted, _own=True)
        if port["fixed_ips"] and port["fixed_ips"][0]["subnet_id"] in bound:
            raise bad_request("Two ports of a server can not be on one subnet of this cloud.")
        bound.add(ports.bind(port["id"], record["id"])["fixed_ips"][0]["subnet_id"])


def _nics(call: Call, body: dict[str, Any]) -> list[dict[str, Any]]:
    wanted = body.get("networks")
    if wanted == "none":
        raise bad_request("Servers of this cloud need a network.")
    nics = [] if wanted in (None, "auto") else reading.objects(body, "networks")
    for nic in nics:
        if not nic.get("port") and not nic.get("uuid"):
            raise bad_request("Invalid input for networks: each needs a port or a uuid.")
    if nics:
        return nics
    own = call.cloud.store.list("network", call.project)
    if len(own) > 1:
        raise conflict("Multiple possible networks found, use a Network ID to be more specific.")
    if not own:
        raise bad_request("There is no network in the project: make one, with a subnet, first.")
    return [{"uuid": own[0]["id"]}]


def _image(call: Call, body: dict[str, Any]) -> Image:
    if not body.get("imageRef"):
        raise bad_request("Invalid input: imageRef is needed, or a volume to boot from.")
    image = call.cloud.settings.image(str(body["imageRef"]).rstrip("/").rsplit("/", 1)[-1])
    if image is None:
        raise bad_request("Invalid imageRef provided: can not find requested image.")
    return image


def _flavor(call: Call, body: dict[str, Any]) -> Flavor:
    ident = str(body.get("flavorRef") or "").rstrip("/").rsplit("/", 1)[-1]
    flavor = call.cloud.settings.flavor(ident)
    if flavor is None:
        raise bad_request(f"Invalid flavorRef provided: Flavor {ident} could not be found.")
    return flavor


def _key(call: Call, body: dict[str, Any]) -> tuple[str | None, str]:
    name = reading.text(body, "key_name")
    if not name:
        return None, ""
    try:
        return name, str(call.cloud.keypairs.find(call.user, name)["public_key"]).strip()
    except Fault as fault:
        raise bad_request("Invalid key_name provided.") from fault


def _user_data(body: dict[str, Any]) -> str:
    data = reading.text(body, "user_data", limit=1 << 20) or ""
    if len(data) > USER_DATA_LIMIT:
        raise bad_request(
            f"Invalid input for field/attribute user_data. It is {len(data)} characters of base64, "
            f"at most {USER_DATA_LIMIT} are allowed."
        )
    plain = "".join(data.split())  # line breaks are legal
    try:
        base64.b64decode(plain, validate=True)
    except ValueError as error:
        raise bad_request("Invalid input for field/attribute user_data: it is not valid base64.") from error
    return plain


def _group(call: Call, hints: dict[str, Any]) -> str | None:
    wanted = hints.get("group")
    if not wanted:
        return None
    group = call.cloud.store.get("server_group", str(wanted))
    if group is None or not call.sees(group):
        raise bad_request(f"Invalid input: server group {wanted} could not be found.")
    return str(group["id"])


def _volumes(call: Call, body: dict[str, Any]) -> dict[str, str | None]:
    """Volumes to attach once the server is built: id to device."""
    wanted: dict[str, str | None] = {}
    for mapping in reading.objects(body, "block_device_mapping_v2"):
        source = mapping.get("source_type")
        if boot_volumes.is_root(mapping):
            continue
        if source == "volume" and str(mapping.get("boot_index", -1)) != "0":
            volume = call.find("volume", str(mapping.get("uuid")))
            wanted[volume["id"]] = reading.text(mapping, "device_name")
        elif source != "image" or mapping.get("destination_type") == "volume":
            raise bad_request(
                "Block Device Mapping is Invalid: this cloud boots from images and attaches existing volumes."
            )
    return wanted


def _check_rest(body: dict[str, Any]) -> None:
    zone = reading.text(body, "availability_zone")
    if zone and zone.split(":")[0] not in ZONES:
        raise bad_request("The requested availability zone is not available")
    for count in ("min_count", "max_count"):
        if (reading.number(body, count, least=1) or 1) != 1:
            raise bad_request(f"Invalid input for {count}: this cloud makes one server per request.")
