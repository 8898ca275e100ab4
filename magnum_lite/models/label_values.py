"""What labels' values may be, by kind: each is read from text. Raises ValueError with what would be right."""

import ipaddress
import re
from collections.abc import Callable, Mapping
from typing import Literal

from magnum_lite.models.fields import MAX_COUNT, MAX_GIB

Kind = Literal[
    "str", "int", "gib", "count", "bool", "cidr", "cidrs", "map", "url", "ports", "auth", "version", "prefix",
    "zones",
]  # fmt: skip

_TRUE = frozenset({"true", "1", "yes", "on", "t", "y"})
_FALSE = frozenset({"false", "0", "no", "off", "f", "n"})
_LABEL_KEY = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._/-]{0,61}[A-Za-z0-9])?")
OWN_PREFIXES = ("org.openstack.magnum.", "magnum.openstack.org/")
# What a kubelet may set on its own node: https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/#noderestriction
_OPEN_PREFIXES = ("kubelet.kubernetes.io", "node.kubernetes.io")
_OPEN_LABELS = ("topology.kubernetes.io/region", "topology.kubernetes.io/zone",
                "kubernetes.io/hostname", "kubernetes.io/arch", "kubernetes.io/os")  # fmt: skip
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::[0-9]{1,5})?(?:/[\w./-]*)?")
_URL = re.compile(r"https?://[^\s'\"\\\x00-\x1f\x7f`$]+")
_VERSION = re.compile(r"v[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}(?:-[a-z0-9.]{1,30})?")
_PREFIX = re.compile(r"[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?(?::[0-9]{1,5})?(?:/[a-z0-9._-]+)*/?")
_ZONE = re.compile(r"[^\s,:\x00-\x1f\x7f]{1,255}")  # Nova takes a host after a colon
_PORTS = re.compile(r"([0-9]{1,5})(?:-([0-9]{1,5}))?(?:/(tcp|udp))?")


def parse_zones(text: str) -> tuple[str, ...]:
    """Names of availability zones, in their order. Raises ValueError."""
    found = tuple(word.strip() for word in text.split(","))
    if not all(_ZONE.fullmatch(word) for word in found):
        raise ValueError("must be names of availability zones, as az1,az2")
    if len(set(found)) != len(found):
        raise ValueError("names a zone twice")
    return found


def parse_bool(text: str) -> bool:
    """Raises ValueError for anything that is not a usual word for true or false."""
    word = text.strip().lower()
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise ValueError(f"must be true or false, not {text!r}")


def is_true(text: str | None) -> bool:
    """What is no word for true or false is refused elsewhere."""
    try:
        return parse_bool(text or "")
    except ValueError:
        return False


def parse_cidrs(text: str) -> tuple[str, ...]:
    """``10.0.0.0/8, 192.0.2.1`` → its networks, normalised. Raises ValueError."""
    return tuple(str(_cidr(part)) for part in _parts(text))


def parse_ports(text: str) -> tuple[tuple[str, int, int], ...]:
    """``80,8000-8100,53/udp`` → (protocol, first, last); ``none`` → (). Raises ValueError."""
    if text.strip().lower() == "none":
        return ()
    found: list[tuple[str, int, int]] = []
    for part in _parts(text):
        match = _PORTS.fullmatch(part)
        if match is None:
            raise ValueError(f"{part!r} is not a port, a range as 8000-8100, or one of them with /udp")
        first, last = int(match[1]), int(match[2] or match[1])
        if not 1 <= first <= last <= 65535:
            raise ValueError(f"{part!r} is not within 1..65535, first to last")
        found.append((match[3] or "tcp", first, last))
    return tuple(dict.fromkeys(found))


def parse_node_labels(text: str) -> dict[str, str]:
    """``storage=ssd,tier=fast`` → dict. Raises ValueError with the part that is wrong."""
    found: dict[str, str] = {}
    for part in _parts(text):
        key, sign, value = part.partition("=")
        key, value = key.strip(), value.strip()
        if not sign or _LABEL_KEY.fullmatch(key) is None:
            raise ValueError(
                f"{part!r} is not key=value (key: letters, digits, '.', '_', '/', '-', at most 63)"
            )
        if len(value) > 255:
            raise ValueError(f"the value of {key!r} is longer than 255 characters")
        found[key] = value
    return found


def node_label_problem(key: str, value: str) -> str | None:
    """Why a tenant may not set this label of a node."""
    if _LABEL_KEY.fullmatch(key) is None or len(value) > 255:
        return f"{key[:80]!r} is no label (letters, digits, '.', '_', '/', '-', at most 63; its value 255)"
    if key.startswith(OWN_PREFIXES):
        return f"{key} is set by this service itself"
    prefix, slash, _ = key.partition("/")
    owned = re.fullmatch(r"(.+\.)?(kubernetes|k8s)\.io", prefix)
    if slash and owned and prefix not in _OPEN_PREFIXES and key not in _OPEN_LABELS:
        return f"{key} is the engine's own; labels below {prefix} are not for tenants"
    return None


def parse_registry_auth(text: str) -> dict[str, tuple[str, str]]:
    """``registry.example.org=user:password,…`` → host → (user, password). Raises ValueError, whose
    text never holds a password.
    """
    found: dict[str, tuple[str, str]] = {}
    for number, part in enumerate(_parts(text), start=1):
        host, sign, login = part.partition("=")
        user, colon, password = login.partition(":")
        if not (sign and colon and user and password) or _HOST.fullmatch(host) is None:
            raise ValueError(f"entry {number} is not host=user:password")
        found[host] = (user, password)
    return found


def _parts(text: str) -> list[str]:
    return [part for part in (x.strip() for x in text.split(",")) if part]


def _int(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ValueError(f"must be a whole number, not {text!r}") from None


def _within(most: int, what: str) -> Callable[[str], int]:
    def read(text: str) -> int:
        number = _int(text)
        if not 0 <= number <= most:
            raise ValueError(f"must be a {what}, from 0 to {most}")
        return number

    return read


def _cidr(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    try:
        return ipaddress.ip_network(text.strip(), strict=False)
    except ValueError:
        raise ValueError(f"{text!r} is not a network in CIDR notation") from None


def _url(text: str) -> str:
    if _URL.fullmatch(text) is None:
        raise ValueError("must be an http:// or https:// URL without spaces or quotes")
    return text


def _version(text: str) -> str:
    if _VERSION.fullmatch(text) is None:
        raise ValueError(f"must be a version as v1.36.3, not {text!r}")
    return text


def _prefix(text: str) -> str:
    if _PREFIX.fullmatch(text) is None:
        raise ValueError("must be a registry and a path, as registry.example.org/kubernetes")
    return text


READERS: Mapping[Kind, Callable[[str], object]] = {
    "str": str, "int": _int, "bool": parse_bool, "cidr": _cidr, "cidrs": parse_cidrs, "url": _url,
    "map": parse_node_labels, "ports": parse_ports, "auth": parse_registry_auth, "version": _version,
    "prefix": _prefix, "zones": parse_zones, "gib": _within(MAX_GIB, "size in GiB"),
    "count": _within(MAX_COUNT, "number of nodes"),
}  # fmt: skip
