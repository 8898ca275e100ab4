"""Which range and which address comes next: pure functions over what is taken.

Two bays never share a range, since one dockerd can not have two networks that overlap; ranges
come from the cloud's own /16, floating addresses from its 254th /24.
"""

import ipaddress
import re
from collections.abc import Collection, Iterable
from typing import Any

from magnum_lite.local.cloud.faults import Fault, bad_request, conflict

Net = ipaddress.IPv4Network

#: The first addresses of a range are left to the gateway and to whoever needs a fixed one.
FIRST_HOST = 10
SHORTEST_PREFIX, LONGEST_PREFIX = 24, 28


def pool(prefix: str) -> Net:
    """The cloud's whole range."""
    return Net(f"{prefix}.0.0/16")


def reserved(prefix: str) -> tuple[Net, ...]:
    """Ranges that no subnet may have: the pool's first /24, floating addresses, the transit link."""
    return Net(f"{prefix}.0.0/24"), floating(prefix), Net(f"{prefix}.255.0/24")


def floating(prefix: str) -> Net:
    """The range of floating addresses."""
    return Net(f"{prefix}.254.0/24")


def next_range(prefix: str, length: int, taken: Collection[str]) -> str:
    """The lowest free range of that prefix length. Raises Fault 400 for a length that the pool
    does not give, 409 when nothing is free.
    """
    if not SHORTEST_PREFIX <= length <= LONGEST_PREFIX:
        raise bad_request(
            f"Unable to allocate subnet with prefix length {length}, "
            f"the pool gives {SHORTEST_PREFIX} to {LONGEST_PREFIX}.",
            "PrefixLengthNotAllowed",
        )
    used = [*reserved(prefix), *map(Net, taken)]
    for candidate in pool(prefix).subnets(new_prefix=length):
        if not any(candidate.overlaps(other) for other in used):
            return str(candidate)
    raise conflict("Insufficient prefix space: the subnet pool is used up.", "SubnetAllocationError")


def check_range(prefix: str, cidr: Any, taken: Iterable[str]) -> str:
    """A range that a user asked for, in its plain form. Raises Fault 400 or 409."""
    try:
        net = Net(str(cidr))
    except ValueError as error:
        raise bad_request(f"Invalid input for cidr. Reason: '{cidr}' is not a valid IPv4 subnet.") from error
    if net.prefixlen > 29 or not net.is_private or net.is_loopback or net.is_link_local:
        raise bad_request(
            f"Invalid input for cidr. Reason: '{cidr}' is not a private subnet of 8 addresses or more."
        )
    for other in (*reserved(prefix), *map(Net, taken)):
        if net.overlaps(other):
            raise conflict(
                f"Requested subnet with cidr: {net} overlaps with {other}, and this cloud can not have "
                "both. Leave the cidr out and name the subnet pool 'default' to get a free one.",
                "OverlappingAllocationPools",
            )
    return str(net)


def default_gateway(cidr: str) -> str:
    """The first address of a range."""
    return str(Net(cidr)[1])


def default_pool(cidr: str) -> dict[str, str]:
    """The addresses that are given out by default."""
    net = Net(cidr)
    first = net[FIRST_HOST] if net.num_addresses > 16 else net[2]
    return {"start": str(first), "end": str(net[-2])}


def inside(cidr: str, address: Any, name: str = "ip_address") -> str:
    """An address that must be a host of the range. Raises Fault 400."""
    try:
        wanted = ipaddress.IPv4Address(str(address))
    except ValueError as error:
        raise bad_request(
            f"Invalid input for {name}. Reason: '{address}' is not a valid IP address."
        ) from error
    net = Net(cidr)
    if wanted not in net or wanted in (net.network_address, net.broadcast_address):
        raise bad_request(
            f"IP address {wanted} is not a valid IP for the specified subnet.", "InvalidIpForSubnet"
        )
    return str(wanted)


def next_address(pools: Iterable[dict[str, str]], taken: Collection[str]) -> str | None:
    """The lowest free address of the allocation pools, None when all are taken."""
    for span in pools:
        first, last = (int(ipaddress.IPv4Address(span[end])) for end in ("start", "end"))
        for value in range(first, last + 1):
            if (address := str(ipaddress.IPv4Address(value))) not in taken:
                return address
    return None


def check_pools(cidr: str, pools: Iterable[Any]) -> list[dict[str, str]]:
    """Allocation pools that a user asked for. Raises Fault 400."""
    checked = []
    for span in pools:
        if not isinstance(span, dict) or set(span) != {"start", "end"}:
            raise bad_request("Invalid input for allocation_pools: objects with start and end are needed.")
        first, last = inside(cidr, span["start"], "start"), inside(cidr, span["end"], "end")
        if ipaddress.IPv4Address(first) > ipaddress.IPv4Address(last):
            raise bad_request(f"The allocation pool {first}-{last} is not valid.", "InvalidAllocationPool")
        checked.append({"start": first, "end": last})
    return checked


def mac(address: str) -> str:
    """A MAC address made from the IP address: whoever gets the address next has the same, so no
    neighbour keeps a stale entry.
    """
    return "02:42:" + ":".join(f"{octet:02x}" for octet in ipaddress.IPv4Address(address).packed)


def check_mac(value: str) -> str:
    """A MAC address that a user asked for, in its plain form. Raises Fault 400."""
    plain = value.lower()
    # the second digit of a unicast address is even
    if not re.fullmatch(r"[0-9a-f][02468ace](:[0-9a-f]{2}){5}", plain):
        raise bad_request(f"Invalid input for mac_address. Reason: '{value}' is not a valid MAC address.")
    return plain


def check_nameservers(wanted: Iterable[Any]) -> list[str]:
    """Name servers that a user asked for. Raises Fault 400."""
    try:
        return [str(ipaddress.ip_address(str(name))) for name in wanted]
    except ValueError as error:
        raise bad_request(f"Invalid input for dns_nameservers. Reason: {error}.") from error


def next_floating(prefix: str, wanted: Any, taken: Collection[str]) -> str:
    """A floating address: the one that is wanted, or the lowest free one. Raises Fault 400 or 409."""
    net = floating(prefix)
    if wanted:
        address = inside(str(net), wanted, "floating_ip_address")
        if address in taken:
            raise conflict(f"IP address {address} already allocated", "IpAddressAlreadyAllocated")
        return address
    free = next_address([{"start": str(net[1]), "end": str(net[-2])}], taken)
    if free is None:
        raise Fault(409, "No more IP addresses available on network public.", "IpAddressGenerationFailure")
    return free
