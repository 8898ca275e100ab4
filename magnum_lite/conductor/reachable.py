"""Where the conductor may call an engine. Heat says where a master is, and a project's member can change what
his stack says in Heat: an address is his word, so it may not lead to the conductor's own machine or to what
an operator keeps from tenants.
"""

import functools
import ipaddress

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# Never an engine: the machine itself, its link (where clouds keep their metadata service), groups, nobody.
_NEVER = ("is_loopback", "is_link_local", "is_multicast", "is_unspecified", "is_reserved")


@functools.lru_cache
def networks(texts: tuple[str, ...]) -> tuple[Network, ...]:
    """CIDRs as networks. Raises ValueError for what is none."""
    return tuple(ipaddress.ip_network(text) for text in texts)


def is_allowed(address: str, forbidden: tuple[Network, ...]) -> bool:
    """Whether an engine may be called there. A name is refused as well: what it means can change."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv6Address):
        found = found.ipv4_mapped or found
        if found.version == 6 and (found.scope_id or found.sixtofour or found.teredo):
            return False
    return not any(getattr(found, name) for name in _NEVER) and not any(found in n for n in forbidden)
