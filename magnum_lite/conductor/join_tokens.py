"""Swarm's join tokens: reported by managers, sealed here, given to nodes of their own role, and replaced."""

import hashlib
from collections.abc import Mapping

from magnum_lite.conductor.ports import Ports
from magnum_lite.db import certificates
from magnum_lite.db.session import Connection
from magnum_lite.pki.sealing import SealContext

ROLES = ("manager", "worker")


def _context(cluster_id: str, role: str) -> SealContext:
    return SealContext("secret", cluster_id, f"join-{role}")


def keep(ports: Ports, connection: Connection, cluster_id: str, tokens: Mapping[str, str]) -> None:
    """Seal what is new of them."""
    for role in ROLES:
        token = tokens.get(role)
        if isinstance(token, str) and token != get(ports, connection, cluster_id, role):
            context = _context(cluster_id, role)
            sealed = ports.sealer.seal(token.encode(), context)
            certificates.put_secret(connection, cluster_id, context.purpose, sealed)


def get(ports: Ports, connection: Connection, cluster_id: str, role: str) -> str | None:
    """The token of ``manager`` or ``worker``; None while no manager has reported one."""
    context = _context(cluster_id, role)
    sealed = certificates.get_secret(connection, cluster_id, context.purpose)
    return None if sealed is None else ports.sealer.unseal(sealed, context).decode()


def digest(ports: Ports, cluster_id: str) -> str | None:
    """What names the tokens of now without telling them: SHA-256 of the workers' token, in hex."""
    with ports.database.read() as connection:
        token = get(ports, connection, cluster_id, "worker")
    return None if token is None else hashlib.sha256(token.encode()).hexdigest()
