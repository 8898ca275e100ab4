"""What nodes of a role share (see ``Driver.secrets``): made once, sealed, given at enrolment only."""

import base64
import secrets

from magnum_lite.conductor.ports import Ports
from magnum_lite.conductor.work import Work
from magnum_lite.db import certificates
from magnum_lite.db.rows import Row
from magnum_lite.drivers import registry
from magnum_lite.drivers.contract import MASTER, WORKER
from magnum_lite.drivers.port import SecretKind
from magnum_lite.pki.requests import private_key
from magnum_lite.pki.sealing import SealContext


def _context(cluster_id: str, name: str) -> SealContext:
    return SealContext("secret", cluster_id, f"shared-{name}")


def _made(kind: SecretKind) -> str:
    """A PKCS #8 ECDSA P-256 key, PEM; or 32 random bytes, base64."""
    return private_key() if kind == "ec-key" else base64.b64encode(secrets.token_bytes(32)).decode()


def ensure(work: Work) -> None:
    """Make what is missing; whoever holds the lease is the only one who does."""
    wanted = {**work.driver.secrets(MASTER), **work.driver.secrets(WORKER)}
    for name, kind in wanted.items():
        context = _context(work.uuid, name)
        with work.ports.database.read() as connection:
            there = certificates.get_secret(connection, work.uuid, context.purpose)
        if there is None:
            sealed = work.ports.sealer.seal(_made(kind).encode(), context)
            with work.write() as connection:
                certificates.put_secret(connection, work.uuid, context.purpose, sealed)


def of_role(ports: Ports, cluster: Row, role: str) -> dict[str, str]:
    """What a node of this role is given."""
    out: dict[str, str] = {}
    names = registry.get(cluster["coe"]).secrets(role)
    if not names:
        return out
    with ports.database.read() as connection:
        for name in names:
            context = _context(cluster["uuid"], name)
            sealed = certificates.get_secret(connection, cluster["uuid"], context.purpose)
            if sealed is not None:
                out[name] = ports.sealer.unseal(sealed, context).decode()
    return out
