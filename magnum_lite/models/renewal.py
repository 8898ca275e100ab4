"""How CAs and certificates follow each other, as rules over rows, for the conductor and the node door.

A cluster's **renewal** is a text of three numbers, ``<newest CA>.<oldest trusted CA>.<credentials>``. Users
raise the numbers (spec); the conductor tells nodes the text once the CAs are there, and a node is done when
it has proved that it holds what was issued under this text.

While two CAs are trusted the *new* one signs clients, as every engine trusts both by then, and the *old* one
signs servers, as clients that were made before know only the old one. Servers change when the old CA goes.

Where nodes are clients of each other (Kubernetes), a fourth number follows once all of them trust both CAs:
then they take certificates of the new one, so that nobody holds one of the old CA when that goes.
"""

import enum
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Row = Mapping[str, Any]

FIRST = "1.1.1"
_FOLLOWS = ".1"
ACTIVE, INCOMING, RETIRING = "active", "incoming", "retiring"
# Of a certificate's life: renewed when the last third begins, missed when only the last sixth is left.
_RENEW_AT, _MISSED_AT = 2 / 3, 5 / 6
_AGAIN, _ASTRAY_AGAIN = 120.0, 300.0  # seconds before a node that was given certificates is told again


class Signs(enum.Enum):
    """What a CA is wanted for."""

    CLIENTS = "clients"
    SERVERS = "servers"
    IDENTITIES = "identities"


def wanted(cluster: Row) -> str:
    """What the user wants."""
    return f"{cluster['ca_epoch']}.{cluster['ca_floor']}.{cluster['credentials_epoch']}"


def epochs(renewal: str) -> tuple[int, int, int]:
    """Newest CA, oldest trusted CA, credentials."""
    newest, oldest, credentials = (int(number) for number in renewal.split(".")[:3])
    return newest, oldest, credentials


def follows(renewal: str) -> str:
    """What nodes are told once they trust both CAs, where they are clients of each other."""
    return f"{renewal}{_FOLLOWS}"


def means(told: str, wanted: str) -> bool:
    """What nodes are told is what the user wants."""
    return told in {wanted, follows(wanted)}


def trusted(rows: Iterable[Row], renewal: str) -> list[Row]:
    """CAs of one purpose that nodes trust under ``renewal``, oldest first."""
    _, oldest, _ = epochs(renewal)
    return sorted((r for r in rows if r["epoch"] >= oldest), key=lambda r: int(r["epoch"]))


def signer(rows: Sequence[Row], signs: Signs, renewal: str, now: float) -> Row | None:
    """The CA of one purpose's ``rows`` that signs; None while there is none."""
    if signs is Signs.CLIENTS:
        return next((r for r in rows if r["state"] == ACTIVE), None)
    newest, _, _ = epochs(renewal)
    known = [r for r in trusted(rows, renewal) if r["epoch"] <= newest]
    if signs is Signs.SERVERS:
        # An old CA that has ended is no use to anybody.
        return next((r for r in known if r["not_after"] > now), known[-1] if known else None)
    return known[-1] if known else None


def bundle(rows: Iterable[Row], renewal: str) -> str:
    """The certificates that nodes trust, PEM."""
    return "".join(r["certificate"] for r in trusted(rows, renewal))


def digest(pem: str) -> str:
    """How a node names a bundle that it has: SHA-256 of the text without line ends."""
    return hashlib.sha256(pem.replace("\n", "").encode()).hexdigest()


def ends(node: Row) -> float:
    """When the first of a node's certificates ends, Unix seconds; 0: it has none."""
    known = [t for t in (node["identity_until"], node["server_until"]) if t]
    return min(known, default=0.0)


def _used(node: Row, now: float) -> float:
    """Which part of their life is over."""
    until, since = ends(node), node["certified_at"]
    return (now - since) / (until - since) if until > since else 0.0


def missed(node: Row, now: float) -> bool:
    """The node should have renewed its certificates long ago."""
    return _used(node, now) >= _MISSED_AT


def serves(node: Row, trust: str) -> bool:
    """A master's API shows the certificate that was issued last, and trusts just ``trust`` (PEM)."""
    served = node["served"] or {}
    return bool(served.get("server") == node["server_serial"] and served.get("trust") == digest(trust))


def confirmed(node: Row, renewal: str, trust: str) -> bool:
    """The node holds, and uses, what belongs to ``renewal``."""
    return node["renewal"] == renewal and (node["role"] != "master" or serves(node, trust))


def lacks_credential(node: Row, cluster: Row, now: float) -> bool:
    """A master was given another application credential than the cluster's, for example before somebody took
    that out of Keystone: the next enrolment brings the one of now.
    """
    served, wanted = node["served"] or {}, cluster["credential_id"]
    astray = bool(wanted and served) and served.get("credential") != wanted
    return node["role"] == "master" and astray and now - node["certified_at"] >= _AGAIN


def is_due(node: Row, renewal: str, known: Sequence[Row], now: float) -> bool:
    """Whether the node is to be told to renew its certificates. ``known``: the cluster's CAs."""
    if node["identity"] is None:
        return False
    told_just_now = now - node["certified_at"] < _AGAIN
    if node["pending_identity"] is not None:  # its next report should be signed with the new key
        return node["pending_renewal"] != renewal or not told_just_now
    if node["renewal"] != renewal:
        return True
    if _used(node, now) >= _RENEW_AT:  # no use near the end of the CA itself: nothing lives longer
        last = min((r["not_after"] for r in trusted(known, renewal)), default=0.0)
        return not told_just_now and ends(node) < last - _AGAIN
    trust = bundle((r for r in known if r["purpose"] == "cluster"), renewal)
    astray = node["role"] == "master" and bool(node["served"]) and not serves(node, trust)
    return astray and now - node["certified_at"] >= _ASTRAY_AGAIN
