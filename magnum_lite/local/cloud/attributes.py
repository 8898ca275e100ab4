"""Which attributes Neutron's and Octavia's objects have, what they may hold and who may change them: one
table, from which bodies are checked and defaults filled.
"""

import copy
import dataclasses
from collections.abc import Mapping
from typing import Any

from magnum_lite.local.cloud.faults import bad_request

_ANY = object


@dataclasses.dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute: its type (None is always allowed unless ``required``), its default, and
    whether a PUT may change it.
    """

    type: type[Any]
    default: Any = None
    mutable: bool = True
    required: bool = False


_COMMON = {"name": Attribute(str, ""), "description": Attribute(str, "")}
#: Accepted in a create, always answered from the token.
_OWNER = {"tenant_id": Attribute(str, mutable=False), "project_id": Attribute(str, mutable=False)}

_TABLE: Mapping[str, Mapping[str, Attribute]] = {
    "network": {
        "admin_state_up": Attribute(bool, True),
        "mtu": Attribute(int, 1500),
        "shared": Attribute(bool, False),
        "router:external": Attribute(bool, False),
        "port_security_enabled": Attribute(bool, True),
        "availability_zone_hints": Attribute(list, [], mutable=False),
        "dns_domain": Attribute(str, ""),
    },
    "subnet": {
        "network_id": Attribute(str, mutable=False, required=True),
        "ip_version": Attribute(int, 4, mutable=False),
        "cidr": Attribute(str, mutable=False),
        "subnetpool_id": Attribute(str, mutable=False),
        "prefixlen": Attribute(_ANY, mutable=False),
        "use_default_subnetpool": Attribute(bool, False, mutable=False),
        "gateway_ip": Attribute(str),
        "allocation_pools": Attribute(list),
        "dns_nameservers": Attribute(list, []),
        "host_routes": Attribute(list, []),
        "enable_dhcp": Attribute(bool, True),
        "ipv6_address_mode": Attribute(str, mutable=False),
        "ipv6_ra_mode": Attribute(str, mutable=False),
        "segment_id": Attribute(str, mutable=False),
    },
    "port": {
        "network_id": Attribute(str, mutable=False, required=True),
        "admin_state_up": Attribute(bool, True),
        "mac_address": Attribute(str, mutable=False),
        "fixed_ips": Attribute(list),
        "device_id": Attribute(str, ""),
        "device_owner": Attribute(str, ""),
        "security_groups": Attribute(list),
        "allowed_address_pairs": Attribute(list, []),
        "port_security_enabled": Attribute(bool, True),
        "binding:vnic_type": Attribute(str, "normal"),
        "binding:host_id": Attribute(str, ""),
        "extra_dhcp_opts": Attribute(list, []),
        "dns_name": Attribute(str, ""),
        "propagate_uplink_status": Attribute(bool),
    },
    "router": {
        "admin_state_up": Attribute(bool, True),
        "external_gateway_info": Attribute(dict),
        "routes": Attribute(list, []),
        "distributed": Attribute(bool, False),
        "ha": Attribute(bool, False),
        "availability_zone_hints": Attribute(list, [], mutable=False),
    },
    "floatingip": {
        "floating_network_id": Attribute(str, mutable=False, required=True),
        "floating_ip_address": Attribute(str, mutable=False),
        "subnet_id": Attribute(str, mutable=False),
        "port_id": Attribute(str),
        "fixed_ip_address": Attribute(str),
        "dns_name": Attribute(str, "", mutable=False),
        "dns_domain": Attribute(str, "", mutable=False),
    },
    "security_group": {"stateful": Attribute(bool, True)},
    "security_group_rule": {
        "security_group_id": Attribute(str, mutable=False, required=True),
        "direction": Attribute(str, mutable=False, required=True),
        "ethertype": Attribute(str, "IPv4", mutable=False),
        "protocol": Attribute(_ANY, mutable=False),
        "port_range_min": Attribute(int, mutable=False),
        "port_range_max": Attribute(int, mutable=False),
        "remote_ip_prefix": Attribute(str, mutable=False),
        "remote_group_id": Attribute(str, mutable=False),
        "remote_address_group_id": Attribute(str, mutable=False),
    },
    "loadbalancer": {
        "admin_state_up": Attribute(bool, True),
        "vip_address": Attribute(str, mutable=False),
        "vip_subnet_id": Attribute(str, mutable=False),
        "vip_network_id": Attribute(str, mutable=False),
        "vip_port_id": Attribute(str, mutable=False),
        "vip_qos_policy_id": Attribute(str),
        "provider": Attribute(str, mutable=False),
        "flavor_id": Attribute(str, mutable=False),
        "availability_zone": Attribute(str, mutable=False),
        "tags": Attribute(list, []),
    },
    "listener": {
        "admin_state_up": Attribute(bool, True),
        "protocol": Attribute(str, mutable=False, required=True),
        "protocol_port": Attribute(int, mutable=False, required=True),
        "loadbalancer_id": Attribute(str, mutable=False, required=True),
        "default_pool_id": Attribute(str),
        "connection_limit": Attribute(int, -1),
        "allowed_cidrs": Attribute(list),
        "timeout_client_data": Attribute(int, 50000),
        "timeout_member_connect": Attribute(int, 5000),
        "timeout_member_data": Attribute(int, 50000),
        "timeout_tcp_inspect": Attribute(int, 0),
        "tags": Attribute(list, []),
    },
    "pool": {
        "admin_state_up": Attribute(bool, True),
        "protocol": Attribute(str, mutable=False, required=True),
        "lb_algorithm": Attribute(str, required=True),
        "session_persistence": Attribute(dict),
        "listener_id": Attribute(str, mutable=False),
        "loadbalancer_id": Attribute(str, mutable=False),
        "tls_enabled": Attribute(bool, False),
        "tags": Attribute(list, []),
    },
    "member": {
        "admin_state_up": Attribute(bool, True),
        "address": Attribute(str, mutable=False, required=True),
        "protocol_port": Attribute(int, mutable=False, required=True),
        "subnet_id": Attribute(str, mutable=False),
        "weight": Attribute(int, 1),
        "backup": Attribute(bool, False),
        "monitor_address": Attribute(str),
        "monitor_port": Attribute(int),
        "tags": Attribute(list, []),
    },
    "healthmonitor": {
        "admin_state_up": Attribute(bool, True),
        "pool_id": Attribute(str, mutable=False, required=True),
        "type": Attribute(str, mutable=False, required=True),
        "delay": Attribute(int, required=True),
        "timeout": Attribute(int, required=True),
        "max_retries": Attribute(int, required=True),
        "max_retries_down": Attribute(int, 3),
        "tags": Attribute(list, []),
    },
}


def created(kind: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes of a new object: the body's, checked, and defaults. Raises Fault 400."""
    known = {**_COMMON, **_OWNER, **_TABLE[kind]}
    values = {name: copy.deepcopy(attribute.default) for name, attribute in known.items()}
    values.update(_checked(known, body))
    for name, attribute in known.items():
        if attribute.required and values[name] in (None, ""):
            raise bad_request(
                f"Failed to parse request. Required attribute '{name}' not specified", "HTTPBadRequest"
            )
    for name in _OWNER:
        del values[name]
    return values


def changed(kind: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes that a PUT changes, checked. Raises Fault 400."""
    known = {**_COMMON, **_TABLE[kind]}
    values = _checked(known, body)
    for name in values:
        if not known[name].mutable:
            raise bad_request(f"Cannot update read-only attribute {name}", "HTTPBadRequest")
    return values


def _checked(known: Mapping[str, Attribute], body: Mapping[str, Any]) -> dict[str, Any]:
    if unknown := sorted(set(body) - set(known)):
        raise bad_request(f"Unrecognized attribute(s) '{', '.join(unknown)}'", "HTTPBadRequest")
    return {name: _value(name, known[name], value) for name, value in body.items()}


def _value(name: str, attribute: Attribute, value: Any) -> Any:
    if value is None:
        return copy.deepcopy(attribute.default)
    if attribute.type is int and isinstance(value, str) and value.isdigit():
        value = int(value)
    if attribute.type is bool and str(value).lower() in {"true", "false"}:
        value = str(value).lower() == "true"
    wrong = not isinstance(value, attribute.type) or (attribute.type is int and isinstance(value, bool))
    if wrong or (isinstance(value, str) and len(value) > 255):
        raise bad_request(
            f"Invalid input for {name}. Reason: '{str(value)[:60]}' is not valid.", "HTTPBadRequest"
        )
    return value
