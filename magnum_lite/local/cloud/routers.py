"""Routers: records which decide, as in Neutron, whether a floating address can reach a subnet. The
dockerd routes between its bridges and the transit link without them.
"""

from typing import Any

from magnum_lite.local.cloud import attributes
from magnum_lite.local.cloud.call import Call
from magnum_lite.local.cloud.faults import Fault, bad_request, conflict, not_found
from magnum_lite.local.cloud.networks import stamped, touched
from magnum_lite.local.cloud.ports import ROUTER_OWNER, Ports
from magnum_lite.local.cloud.store import Record, Store
from magnum_lite.local.cloud.unanswered import MARK


class Routers:
    """Routers and their interfaces."""

    def __init__(self, store: Store, ports: Ports) -> None:
        self._store = store
        self._ports = ports

    def create(self, call: Call, body: dict[str, Any]) -> Record:
        """A new router. Raises Fault 400 or 404."""
        values = attributes.created("router", body)
        values["external_gateway_info"] = _gateway(call, values["external_gateway_info"])
        return self._store.put(
            "router", stamped(call.project, values | {"availability_zones": ["nova"]}) | MARK
        )

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
                            f"Router interface for subnet {subnet} on router {router['id']} cannot be "
                            "deleted, as it is required by one or more floating IPs.",
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
