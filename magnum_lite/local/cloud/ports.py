"""Ports: an address on a subnet, free or bound to a server or a router.

``_server`` is the server that has the port; ``_own`` marks a port that Nova made by itself and
that goes with its server.
"""

from typing import Any

from magnum_lite.local.cloud import addresses, attributes
from magnum_lite.local.cloud.call import SHARED, Call
from magnum_lite.local.cloud.engine import Link
from magnum_lite.local.cloud.faults import Fault, bad_request, conflict, not_found
from magnum_lite.local.cloud.networks import stamped, touched
from magnum_lite.local.cloud.security import SecurityGroups
from magnum_lite.local.cloud.store import Record, Store
from magnum_lite.local.cloud.unanswered import MARK

ROUTER_OWNER = "network:router_interface"
SERVER_OWNER = "compute:nova"


def link(port: Record) -> Link:
    """Where a port plugs a node in."""
    fixed = port["fixed_ips"][0]
    return Link(fixed["subnet_id"], fixed["ip_address"], port["mac_address"])


class Ports:
    """Ports and their addresses. Addresses are chosen inside a transaction: never twice."""

    def __init__(self, store: Store, groups: SecurityGroups) -> None:
        self._store = store
        self._groups = groups

    def create(self, call: Call, body: dict[str, Any], **internal: Any) -> Record:
        """A new port. Raises Fault 400, 403, 404, 409 (no address, or the wanted one is taken)."""
        values = attributes.created("port", body)
        network = call.find("network", values["network_id"])
        if network["project_id"] == SHARED and not call.admin:
            raise Fault(
                403,
                f"Tenant {call.project} not allowed to create port on network {network['name']}: "
                "use a network of the project and a floating IP.",
                "PolicyNotAuthorized",
            )
        with self._store.transaction():
            values["security_groups"] = self._groups.resolve(call, values["security_groups"])
            values["fixed_ips"] = self._addresses(network, values["fixed_ips"])
            if values["mac_address"]:
                values["mac_address"] = addresses.check_mac(values["mac_address"])
            else:
                first = next(iter(values["fixed_ips"]), None)
                values["mac_address"] = addresses.mac(first["ip_address"] if first else "0.0.0.0")  # noqa: S104  # nosec B104
            record = stamped(call.project, values) | {"status": "DOWN"} | (internal or MARK)
            return self._store.put("port", record)

    def _addresses(self, network: Record, wanted: list[Any] | None) -> list[dict[str, str]]:
        """The port's one address: the wanted one, one of the wanted subnet, or any."""
        subnets = [
            subnet
            for subnet in self._store.list("subnet")
            if subnet["network_id"] == network["id"] and not subnet.get("_deleting")
        ]
        if wanted == [] or (not wanted and not subnets):
            return []
        if wanted and len(wanted) > 1:
            raise bad_request("Invalid input for fixed_ips. Reason: a port of this cloud has one address.")
        choice = wanted[0] if wanted else {}
        if not isinstance(choice, dict) or set(choice) - {"subnet_id", "ip_address"}:
            raise bad_request(
                "Invalid input for fixed_ips. Reason: objects with subnet_id and ip_address are needed."
            )
        taken = {fixed["ip_address"] for port in self._store.list("port") for fixed in port["fixed_ips"]}
        subnet_id, address = choice.get("subnet_id"), choice.get("ip_address")
        if subnet_id:
            subnets = [subnet for subnet in subnets if subnet["id"] == subnet_id]
            if not subnets:
                raise bad_request(
                    f"Invalid input for operation: Failed to create port on network {network['id']}, because "
                    f"fixed_ips included invalid subnet {subnet_id}.",
                    "InvalidInput",
                )
        if address:
            return [self._wanted(subnets, str(address), taken)]
        for subnet in subnets:
            free = addresses.next_address(subnet["allocation_pools"], taken | {subnet["gateway_ip"]})
            if free:
                return [{"subnet_id": subnet["id"], "ip_address": free}]
        raise conflict(
            f"No more IP addresses available on network {network['id']}.", "IpAddressGenerationFailure"
        )

    @staticmethod
    def _wanted(subnets: list[Record], address: str, taken: set[str]) -> dict[str, str]:
        for subnet in subnets:
            try:
                plain = addresses.inside(subnet["cidr"], address)
            except Fault:
                continue
            if plain in taken or plain == subnet["gateway_ip"]:
                raise conflict(
                    f"IP address {plain} already allocated in subnet {subnet['id']}",
                    "IpAddressAlreadyAllocated",
                )
            return {"subnet_id": subnet["id"], "ip_address": plain}
        raise bad_request(
            f"IP address {address} is not a valid IP for the specified subnet.", "InvalidIpForSubnet"
        )

    def interface(self, router: Record, subnet: Record) -> Record:
        """The port of a router on a subnet: it has the gateway's address. Raises Fault 409."""
        address = subnet["gateway_ip"]
        with self._store.transaction():
            for port in self._store.list("port"):
                if any(fixed["ip_address"] == address for fixed in port["fixed_ips"]):
                    raise conflict(
                        f"IP address {address} already allocated in subnet {subnet['id']}", "IpAddressInUse"
                    )
            values = attributes.created("port", {"network_id": subnet["network_id"]}) | {
                "fixed_ips": [{"subnet_id": subnet["id"], "ip_address": address}],
                "mac_address": addresses.mac(address),
                "security_groups": [],
                "device_id": router["id"],
                "device_owner": ROUTER_OWNER,
            }
            return self._store.put("port", stamped(router["project_id"], values))

    def update(self, call: Call, record: Record, body: dict[str, Any]) -> Record:
        """Change a port. Raises Fault 400, 404, and 409 for what its server or router holds."""
        values = attributes.changed("port", body)
        with self._store.transaction():
            record = self._store.get("port", record["id"]) or record
            bound = record.get("_server") or record["device_owner"] == ROUTER_OWNER
            for name in ("fixed_ips", "device_id", "device_owner"):
                if bound and name in values and values[name] != record[name]:
                    raise conflict(
                        f"Unable to complete operation on port {record['id']}: it is in use by "
                        f"{record['device_id']}, {name} can not be changed.",
                        "PortInUse",
                    )
            if "security_groups" in values:
                values["security_groups"] = self._groups.resolve(call, values["security_groups"])
            if values.get("fixed_ips", record["fixed_ips"]) != record["fixed_ips"]:
                network = self._store.get("network", record["network_id"])
                if network is None:
                    raise not_found("network", record["network_id"])
                self._store.put("port", record | {"fixed_ips": []})
                values["fixed_ips"] = self._addresses(network, values["fixed_ips"])
                if values["fixed_ips"]:
                    values["mac_address"] = addresses.mac(values["fixed_ips"][0]["ip_address"])
            return self._store.put("port", touched(record, values))

    def delete(self, record: Record) -> None:
        """Remove a port and what leads to it. Raises Fault 409 while a server or router has it."""
        with self._store.transaction():
            record = self._store.get("port", record["id"]) or record
            if record["device_owner"] == ROUTER_OWNER:
                raise conflict(
                    f"Port {record['id']} cannot be deleted directly via the port API: has device owner "
                    f"{ROUTER_OWNER}.",
                    "ServicePortInUse",
                )
            if record.get("_server"):
                raise conflict(
                    f"Unable to complete operation on port {record['id']}: it is in use by server "
                    f"{record['_server']}.",
                    "PortInUse",
                )
            self.forget(record)

    def forget(self, record: Record) -> None:
        """Remove a port's record; floating addresses that led to it are free again."""
        with self._store.transaction():
            for floating in self._store.list("floatingip"):
                if floating["port_id"] == record["id"]:
                    loose = {"port_id": None, "fixed_ip_address": None, "router_id": None, "status": "DOWN"}
                    self._store.put("floatingip", touched(floating, loose))
            self._store.delete("port", record["id"])

    def bind(self, port_id: str, server_id: str) -> Record:
        """Give a port to a server. Raises Fault 400 for one without address, 404, 409 for one in use."""
        with self._store.transaction():
            port = self._store.get("port", port_id)
            if port is None:
                raise not_found("port", port_id)
            if port.get("_server") not in (None, server_id) or port["device_owner"] == ROUTER_OWNER:
                raise conflict(f"Port {port_id} is still in use.", "PortInUse")
            if not port["fixed_ips"]:
                raise bad_request(f"Port {port_id} requires a FixedIP in order to be used.")
            bound = {
                "_server": server_id,
                "device_id": server_id,
                "device_owner": SERVER_OWNER,
                "status": "ACTIVE",
            }
            return self._store.put("port", touched(port, bound))

    def release(self, port: Record) -> None:
        """Take a port back from its server: one that Nova made is gone, another is free."""
        with self._store.transaction():
            if port.get("_own"):
                self.forget(port)
                return
            loose = {"_server": None, "device_id": "", "device_owner": "", "status": "DOWN"}
            self._store.change("port", port["id"], **loose)

    def of_server(self, server_id: str) -> list[Record]:
        """The ports of a server, oldest first."""
        return [port for port in self._store.list("port") if port.get("_server") == server_id]
