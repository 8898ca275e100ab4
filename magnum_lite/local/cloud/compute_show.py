"""Servers as the Compute API 2.1 shows them, and its filters."""

import hashlib
import re
from collections.abc import Mapping
from typing import Any

from magnum_lite.local.cloud import power
from magnum_lite.local.cloud.call import Call
from magnum_lite.local.cloud.faults import bad_request
from magnum_lite.local.cloud.stamps import bare
from magnum_lite.local.cloud.store import Record
from magnum_lite.local.cloud.volumes import ZONE


def links(call: Call, ident: str) -> list[dict[str, str]]:
    """A server's address."""
    return [{"rel": "self", "href": f"{call.request.host_url}/compute/v2.1/servers/{ident}"}]


def wanted(call: Call, item: dict[str, Any]) -> bool:
    """Whether a server passes the query's filters; ``name`` is a regular expression. Raises Fault 400."""
    query = call.query
    if name := query.get("name"):
        try:
            if not re.search(name, item["name"]):
                return False
        except re.error as error:
            raise bad_request("Invalid input for name: it is not a regular expression.") from error
    exact = {
        "status": item["status"],
        "image": item["image"] and item["image"]["id"],
        "flavor": item["flavor"]["id"],
        "user_id": item["user_id"],
        "uuid": item["id"],
    }
    asked = {key: value.upper() if key == "status" else value for key, value in query.items()}
    return all(asked[key] == value for key, value in exact.items() if key in asked)


def all_shown(call: Call, records: list[Record], states: Mapping[str, str]) -> list[dict[str, Any]]:
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
        "links": links(call, record["id"]),
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
        # as Nova shows one that boots from a volume
        "image": "" if record.get("_boot") else {"id": record["image_id"], "links": []},
        "flavor": {"id": record["flavor_id"], "links": []},
        "OS-DCF:diskConfig": "MANUAL",
        "OS-EXT-AZ:availability_zone": record.get("zone", ZONE),
        "OS-EXT-STS:vm_state": power.vm_state(status),
        "OS-EXT-STS:task_state": record["task"],
        "OS-EXT-STS:power_state": power.power_state(state),
        "OS-SRV-USG:launched_at": bare(record["launched_at"]),
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
