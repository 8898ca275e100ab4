"""Routers and floating addresses. A router is a record which decides, as in Neutron, whether a
floating address can reach a subnet; a floating address is a DNAT rule.
"""

import threading
from typing import Any

from magnum_lite.local.cloud import addresses, attributes
from magnum_lite.local.cloud.call import Call
from magnum_lite.local.cloud.faults import Fault, bad_request, conflict, not_found
from magnum_lite.local.cloud.host import Host
from magnum_lite.local.cloud.networks import stamped, touched
from magnum_lite.local.cloud.ports import ROUTER_OWNER, Ports
from magnum_lite.local.cloud.quotas import Quota
from magnum_lite.local.cloud.store import Record, Store


class Routers:
    """Routers and their interfaces."""

    def __init__(self, store: Store, ports: Ports) -> None:
        self._store = store
        self._ports = ports

    def create(self, call: Call, body: dict[str, Any]) -> Record:
        """A new router. Raises Fault 400 or 404."""
        values = attributes.created("router", body)
        values["external_gateway_info"] = _gateway(call, values["external_gateway_info"])
        return self._store.put("router", stamped(call.project, values | {"availability_zones": ["nova"]}))

    def update(self, call: Call, record: Record, body: dict[str, Any]) -> Record:
        """Change a router. Raises Fault 400, and 409 for a gateway that floating addresses need."""
        values = attributes.changed("router", body)
        with self._store.transaction():
            if "external_gateway_info" in values:
                values["external_gateway_info"] = _gateway(call, values["external_gateway_info"])
                if not values["external_gateway_info"] and self._floating(record["id"]):
                    raise conflict(
                        f"Gateway cannot be updated for router {record['id']}, since a gateway to external "
                        "network is required by one or more floating IPs.",
                        "RouterExternalGatewayInUseByFloatingIp",
                    )
            return self._store.put("router", touched(record, values))

    def delete(self, record: Record) -> None:
        """Remove a router. Raises Fault 409 while it has interfaces."""
        with self._store.transaction():
            if self.interfaces(record["id"]):
                raise conflict(f"Router {record['id']} still has ports", "RouterInUse")
            self._store.delete("router", record["id"])

    def interfaces(self, router_id: str) -> list[Record]:
        """The router's ports."""
        ports = self._store.list("port")
        return [
            port for port in ports if port["device_owner"] == ROUTER_OWNER and port["device_id"] == router_id
        ]

    def add_interface(self, call: Call, router: Record, body: dict[str, Any]) -> dict[str, Any]:
        """Put a router on a subnet. Raises Fault 400, 404, 409."""
        if body.get("port_id"):
            port = call.find("port", str(body["port_id"]))
            if port["device_id"]:
                raise conflict(f"Port {port['id']} is still in use.", "PortInUse")
            owned = {"device_id": router["id"], "device_owner": ROUTER_OWNER, "status": "ACTIVE"}
            port = self._store.put("port", touched(port, owned))
        elif body.get("subnet_id"):
            subnet = call.find("subnet", str(body["subnet_id"]))
            with self._store.transaction():
                for known in self.interfaces(router["id"]):
                    if known["fixed_ips"][0]["subnet_id"] == subnet["id"]:
                        raise bad_request(
                            f"Bad router request: Router already has a port on subnet {subnet['id']}.",
                            "BadRequest",
                        )
                port = self._ports.interface(router, subnet)
        else:
            raise bad_request(
                "Bad router request: Either subnet_id or port_id must be specified.", "BadRequest"
            )
        return _interface(router, port)

    def remove_interface(self, router: Record, body: dict[str, Any]) -> dict[str, Any]:
        """Take a router off a subnet. Raises Fault 404, and 409 while a floating address needs it."""
        port_id, subnet_id = body.get("port_id"), body.get("subnet_id")
        if not port_id and not subnet_id:
            raise bad_request(
                "Bad router request: Either subnet_id or port_id must be specified.", "BadRequest"
            )
        with self._store.transaction():
            for port in self.interfaces(router["id"]):
                subnet = port["fixed_ips"][0]["subnet_id"]
                if port["id"] == port_id or subnet == subnet_id:
                    if self._floating(router["id"], subnet):
                        raise conflict(
                            f"Router interface for subnet {subnet} on router {router['id']} cannot be deleted, "
                            "as it is required by one or more floating IPs.",
                            "RouterInterfaceInUseByFloatingIP",
                        )
                    self._ports.forget(port)
                    return _interface(router, port)
        raise Fault(
            404,
            f"Router {router['id']} has no interface on {subnet_id or port_id}",
            "RouterInterfaceNotFoundForSubnet" if subnet_id else "RouterInterfaceNotFound",
        )

    def reaching(self, subnet_id: str, network_id: str) -> Record | None:
        """The router that joins a subnet with an external network."""
        for router in self._store.list("router"):
            if (router["external_gateway_info"] or {}).get("network_id") == network_id:
                for port in self.interfaces(router["id"]):
                    if port["fixed_ips"][0]["subnet_id"] == subnet_id:
                        return router
        return None

    def _floating(self, router_id: str, subnet_id: str | None = None) -> bool:
        """Whether floating addresses go through a router (to a subnet)."""
        for floating in self._store.list("floatingip"):
            port = self._store.get("port", floating["port_id"]) if floating["port_id"] else None
            if (
                port
                and floating["router_id"] == router_id
                and subnet_id in (None, port["fixed_ips"][0]["subnet_id"])
            ):
                return True
        return False


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
                stamped(call.project, values | {"port_forwardings": []})
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
                    f"Cannot associate floating IP with port {port['id']} using fixed IP {fixed['ip_address']}, "
                    "as that fixed IP already has a floating IP.",
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


def _gateway(call: Call, wanted: dict[str, Any] | None) -> dict[str, Any] | None:
    """A router's way out, checked. Raises Fault 400 or 404."""
    if not wanted:
        return None
    network = wanted.get("network_id")
    if not network:
        raise bad_request("Invalid input for external_gateway_info. Reason: network_id is needed.")
    if not call.find("network", str(network))["router:external"]:
        raise bad_request(f"Bad router request: Network {network} is not an external network.", "BadRequest")
    return {
        "network_id": network,
        "enable_snat": bool(wanted.get("enable_snat", True)),
        "external_fixed_ips": [],
    }


def _interface(router: Record, port: Record) -> dict[str, Any]:
    subnet = port["fixed_ips"][0]["subnet_id"]
    if not subnet:
        raise not_found("subnet", subnet)
    return {
        "id": router["id"],
        "port_id": port["id"],
        "subnet_id": subnet,
        "subnet_ids": [subnet],
        "network_id": port["network_id"],
        "tenant_id": router["project_id"],
        "project_id": router["project_id"],
        "tags": [],
    }
