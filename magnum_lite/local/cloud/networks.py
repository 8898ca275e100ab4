"""Networks and subnets. A network is a record; a subnet is a bridge network of the dockerd.

Routers and security groups are records only: the dockerd routes between its bridges and the
transit link, isolates bridges from each other, and filters nothing inside one.
"""

import logging
import threading
from typing import Any

from magnum_lite.local.cloud import addresses, attributes
from magnum_lite.local.cloud.call import SHARED, Call
from magnum_lite.local.cloud.engine import AddressConflict, Engine
from magnum_lite.local.cloud.faults import Fault, bad_request, conflict, not_found
from magnum_lite.local.cloud.quotas import Quota
from magnum_lite.local.cloud.settings import CloudSettings
from magnum_lite.local.cloud.stamps import fixed_id, new_id, now
from magnum_lite.local.cloud.store import Record, Store
from magnum_lite.local.cloud.unanswered import MARK

LOG = logging.getLogger(__name__)

PUBLIC = fixed_id("network public")
CERN = fixed_id("network CERN_NETWORK")
"""The same way out by the name that the 2016 session uses, so that its commands work as they are."""
POOL = fixed_id("subnetpool default")


def stamped(project: str, values: dict[str, Any]) -> Record:
    """A new record of the network API: id, owner, times and the attributes that every object has."""
    when = now()
    owner = {"id": new_id(), "project_id": project, "tenant_id": project}
    return (
        owner
        | {"status": "ACTIVE", "tags": [], "created_at": when, "updated_at": when, "revision_number": 1}
        | values
    )


def touched(record: Record, values: dict[str, Any]) -> Record:
    """A changed record, with its new time and revision."""
    return record | values | {"updated_at": now(), "revision_number": record.get("revision_number", 0) + 1}


class Networks:
    """Networks, subnets and the one subnet pool."""

    def __init__(self, settings: CloudSettings, store: Store, engine: Engine, quota: Quota) -> None:
        self._prefix = settings.network_prefix
        self._store = store
        self._engine = engine
        self._quota = quota
        self._bridging = threading.Lock()
        self._put_shared()

    def create_network(self, call: Call, body: dict[str, Any]) -> Record:
        """A new network. Raises Fault 400, 403, 409 (quota)."""
        values = attributes.created("network", body)
        if values["router:external"] or values["shared"]:
            raise Fault(
                403,
                "rule:create_network is disallowed by policy: 'public' is the external network.",
                "PolicyNotAuthorized",
            )
        with self._store.transaction():
            self._quota.check_network(call.project, "network")
            return self._store.put(
                "network",
                stamped(call.project, values | {"subnets": [], "availability_zones": ["nova"]}) | MARK,
            )

    def update_network(self, record: Record, body: dict[str, Any]) -> Record:
        """Change a network's attributes. Raises Fault 400 or 403."""
        values = attributes.changed("network", body)
        if values.get("shared") or values.get("router:external"):
            raise Fault(403, "rule:update_network is disallowed by policy", "PolicyNotAuthorized")
        return self._store.put("network", touched(record, values))

    def delete_network(self, record: Record) -> None:
        """Remove a network with its subnets. Raises Fault 409 while it has ports."""
        with self._store.transaction():
            if any(port["network_id"] == record["id"] for port in self._store.list("port")):
                raise conflict(
                    f"Unable to complete operation on network {record['id']}. "
                    "There are one or more ports still in use on the network.",
                    "NetworkInUse",
                )
            subnets = [one for one in self._store.list("subnet") if one["network_id"] == record["id"]]
            for subnet in subnets:
                self._store.put("subnet", subnet | {"_deleting": True})
        for subnet in subnets:
            self._remove(subnet)
        self._store.delete("network", record["id"])

    def create_subnet(self, call: Call, body: dict[str, Any]) -> Record:
        """A new subnet, with the wanted range or the pool's next. Raises Fault 400, 404, 409."""
        values = attributes.created("subnet", body)
        if values["ip_version"] != 4:
            raise bad_request("Invalid input for ip_version. Reason: this cloud has IPv4 only.")
        network = call.find("network", values["network_id"])
        if network["project_id"] == SHARED:
            raise Fault(403, "rule:create_subnet is disallowed by policy", "PolicyNotAuthorized")
        with self._store.transaction():
            record = stamped(call.project, self._placed(values, explicit_gateway="gateway_ip" in body)) | MARK
            self._store.put("subnet", record)
            self._list_in_network(record, present=True)
        try:
            self._ensure(record)
        except Exception:
            with self._store.transaction():
                self._store.delete("subnet", record["id"])
                self._list_in_network(record, present=False)
            raise
        return record

    def _placed(self, values: dict[str, Any], *, explicit_gateway: bool) -> dict[str, Any]:
        """The subnet's range, gateway and allocation pools."""
        taken = [subnet["cidr"] for subnet in self._store.list("subnet")]
        pooled = values.pop("use_default_subnetpool") or values["subnetpool_id"]
        length = values.pop("prefixlen")
        if values["subnetpool_id"] not in (None, POOL):
            raise not_found("subnetpool", values["subnetpool_id"])
        if values["cidr"]:
            values["cidr"] = addresses.check_range(self._prefix, values["cidr"], taken)
        elif pooled:
            if not str(length or 24).isdigit():
                raise bad_request(f"Invalid input for prefixlen. Reason: '{length}' is not an integer.")
            values["subnetpool_id"] = POOL
            values["cidr"] = addresses.next_range(self._prefix, int(length or 24), taken)
        else:
            raise bad_request("Bad subnets request: a subnetpool must be specified in the absence of a cidr.")
        # a null gateway means none to Neutron; the bridge has one all the same
        if explicit_gateway and values["gateway_ip"]:
            values["gateway_ip"] = addresses.inside(values["cidr"], values["gateway_ip"], "gateway_ip")
        else:
            values["gateway_ip"] = addresses.default_gateway(values["cidr"])
        pools = values["allocation_pools"] or [addresses.default_pool(values["cidr"])]
        values["allocation_pools"] = addresses.check_pools(values["cidr"], pools)
        values["dns_nameservers"] = addresses.check_nameservers(values["dns_nameservers"])
        return values

    def update_subnet(self, record: Record, body: dict[str, Any]) -> Record:
        """Change a subnet's attributes; its gateway is its bridge's and stays. Raises Fault 400 or 409."""
        values = attributes.changed("subnet", body)
        if values.get("gateway_ip", record["gateway_ip"]) != record["gateway_ip"]:
            raise conflict(
                f"Gateway ip {record['gateway_ip']} is the bridge's and cannot be updated", "GatewayIpInUse"
            )
        if "dns_nameservers" in values:
            values["dns_nameservers"] = addresses.check_nameservers(values["dns_nameservers"])
        if "allocation_pools" in values:
            values["allocation_pools"] = addresses.check_pools(
                record["cidr"], values["allocation_pools"] or []
            )
        return self._store.put("subnet", touched(record, values))

    def delete_subnet(self, record: Record) -> None:
        """Remove a subnet and its bridge. Raises Fault 409 while a port has an address of it."""
        with self._store.transaction():
            for port in self._store.list("port"):
                if any(fixed["subnet_id"] == record["id"] for fixed in port["fixed_ips"]):
                    raise conflict(
                        f"Unable to complete operation on subnet {record['id']}: One or more ports have an "
                        "IP allocation from this subnet.",
                        "SubnetInUse",
                    )
            # from here on no port can take an address of it
            self._store.put("subnet", record | {"_deleting": True})
        self._remove(record)

    def restore(self) -> None:
        """Make what should exist exist, and end removals that were cut off."""
        for subnet in self._store.list("subnet"):
            if subnet.get("_deleting"):
                self._remove(subnet)
            else:
                self._ensure(subnet)

    def _ensure(self, subnet: Record) -> None:
        try:
            with self._bridging:
                self._engine.ensure_network(
                    subnet["id"], subnet["project_id"], subnet["cidr"], subnet["gateway_ip"]
                )
        except AddressConflict as error:
            raise conflict(
                f"The range {subnet['cidr']} overlaps with a network of the machine: {error}",
                "OverlappingAllocationPools",
            ) from error

    def _remove(self, subnet: Record) -> None:
        self._engine.remove_network(subnet["id"])
        with self._store.transaction():
            self._store.delete("subnet", subnet["id"])
            self._list_in_network(subnet, present=False)

    def _list_in_network(self, subnet: Record, *, present: bool) -> None:
        network = self._store.get("network", subnet["network_id"])
        if network is not None:
            others = [ident for ident in network["subnets"] if ident != subnet["id"]]
            self._store.put("network", network | {"subnets": [*others, subnet["id"]] if present else others})

    def _put_shared(self) -> None:
        """The external networks and the subnet pool, the same in every project."""
        shared = {
            "admin_state_up": True,
            "description": "",
            "is_default": True,
            "project_id": SHARED,
            "tenant_id": SHARED,
        }
        public = {
            "shared": False,
            "router:external": True,
            "mtu": 1500,
            "subnets": [],
            "availability_zones": ["nova"],
        }
        pool = {
            "shared": True,
            "ip_version": 4,
            "prefixes": [str(addresses.pool(self._prefix))],
            "default_prefixlen": 24,
            "min_prefixlen": addresses.SHORTEST_PREFIX,
            "max_prefixlen": addresses.LONGEST_PREFIX,
            "default_quota": None,
            "address_scope_id": None,
        }
        for kind, ident, name, values in (
            ("network", PUBLIC, "public", public),
            ("network", CERN, "CERN_NETWORK", public | {"is_default": False}),
            ("subnetpool", POOL, "default", pool),
        ):
            if self._store.get(kind, ident) is None:
                self._store.put(kind, stamped(SHARED, shared | values | {"id": ident, "name": name}))
