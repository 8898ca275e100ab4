"""Floating addresses: records from which the machine's DNAT rules are written, always as a whole."""

import threading
from typing import Any

from magnum_lite.local.cloud import addresses, attributes
from magnum_lite.local.cloud.call import Call
from magnum_lite.local.cloud.faults import Fault, bad_request, conflict
from magnum_lite.local.cloud.host import Host
from magnum_lite.local.cloud.networks import stamped, touched
from magnum_lite.local.cloud.quotas import Quota
from magnum_lite.local.cloud.routers import Routers
from magnum_lite.local.cloud.store import Record, Store
from magnum_lite.local.cloud.unanswered import MARK


class FloatingAddresses:
    """Floating addresses and the rules that make them work."""

    def __init__(self, prefix: str, store: Store, host: Host, quota: Quota, routers: Routers) -> None:
        self._prefix = prefix
        self._store = store
        self._host = host
        self._quota = quota
        self._routers = routers
        self._publishing = threading.Lock()
        self._published: dict[str, str] | None = None

    def create(self, call: Call, body: dict[str, Any]) -> Record:
        """A new floating address, for a port or for later. Raises Fault 400, 404, 409."""
        values = attributes.created("floatingip", body)
        network = call.find("network", values["floating_network_id"])
        if not network["router:external"]:
            raise bad_request(
                f"Bad floatingip request: Network {network['id']} is not a valid external network.",
                "BadRequest",
            )
        with self._store.transaction():
            self._quota.check_network(call.project, "floatingip")
            taken = {floating["floating_ip_address"] for floating in self._store.list("floatingip")}
            values["floating_ip_address"] = addresses.next_floating(
                self._prefix, values["floating_ip_address"], taken
            )
            values |= self._target(call, network["id"], values, None)
            record = self._store.put(
                "floatingip",
                stamped(call.project, values | {"port_forwardings": []} | MARK)
                | {"status": "ACTIVE" if values["port_id"] else "DOWN"},
            )
        self.publish()
        return record

    def update(self, call: Call, record: Record, body: dict[str, Any]) -> Record:
        """Lead a floating address elsewhere, or nowhere. Raises Fault 400, 404, 409."""
        values = attributes.changed("floatingip", body)
        with self._store.transaction():
            if "port_id" in values:
                wanted = {"fixed_ip_address": None} | values
                values |= self._target(call, record["floating_network_id"], wanted, record["id"])
                values["status"] = "ACTIVE" if values["port_id"] else "DOWN"
            record = self._store.put("floatingip", touched(record, values))
        self.publish()
        return record

    def delete(self, record: Record) -> None:
        """Give a floating address back."""
        self._store.delete("floatingip", record["id"])
        self.publish()

    def publish(self, *, again: bool = False) -> None:
        """Write the rules as the records are now, if they have changed or are wanted ``again``."""
        with self._publishing:
            wanted = {
                floating["floating_ip_address"]: floating["fixed_ip_address"]
                for floating in self._store.list("floatingip")
                if floating["fixed_ip_address"]
            }
            if again or wanted != self._published:
                self._published = None
                self._host.publish(wanted)
                self._published = wanted

    def _target(self, call: Call, network_id: str, values: dict[str, Any], own: str | None) -> dict[str, Any]:
        """The port, its address and the router between."""
        if not values["port_id"]:
            return {"port_id": None, "fixed_ip_address": None, "router_id": None}
        port = call.find("port", values["port_id"])
        fixed = next(
            (one for one in port["fixed_ips"] if values["fixed_ip_address"] in (None, one["ip_address"])),
            None,
        )
        if fixed is None:
            raise bad_request(
                f"Bad floatingip request: Port {port['id']} has no such fixed IP.", "BadRequest"
            )
        for other in self._store.list("floatingip"):
            if other["id"] != own and other["port_id"] == port["id"]:
                raise conflict(
                    f"Cannot associate floating IP with port {port['id']} using fixed IP "
                    f"{fixed['ip_address']}, as that fixed IP already has a floating IP.",
                    "FloatingIPPortAlreadyAssociated",
                )
        router = self._routers.reaching(fixed["subnet_id"], network_id)
        if router is None:
            raise Fault(
                404,
                f"External network {network_id} is not reachable from subnet {fixed['subnet_id']}. "
                f"Therefore, cannot associate Port {port['id']} with a Floating IP.",
                "ExternalGatewayForFloatingIPNotFound",
            )
        return {"port_id": port["id"], "fixed_ip_address": fixed["ip_address"], "router_id": router["id"]}
