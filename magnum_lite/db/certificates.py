"""CAs, issued certificates and sealed secrets."""

from typing import Any

import sqlalchemy as sa

from magnum_lite.db import rows
from magnum_lite.db.rows import Row
from magnum_lite.db.schema import authority, certificate, secret
from magnum_lite.db.session import utcnow


def insert_authority(connection: sa.Connection, values: dict[str, Any]) -> None:
    """Store a new CA."""
    connection.execute(authority.insert().values(**values, created_at=utcnow()))


def authorities(connection: sa.Connection, cluster_id: str) -> dict[str, Row]:
    """The active CA of each purpose."""
    c = authority.c
    query = sa.select(authority).where(c.cluster_id == cluster_id, c.state == "active").order_by(c.id)
    return {r["purpose"]: r for r in rows.many(connection, query)}


def ca_bundle(connection: sa.Connection, cluster_id: str, purpose: str) -> str:
    """Certificates of all CAs to be trusted, the active one first; '' if there is none yet."""
    c = authority.c
    query = (
        sa.select(c.certificate)
        .where(c.cluster_id == cluster_id, c.purpose == purpose)
        .order_by(c.state, c.id.desc())
    )
    return "".join(connection.execute(query).scalars())


def intend(connection: sa.Connection, values: dict[str, Any]) -> None:
    """Record what is about to be signed."""
    connection.execute(certificate.insert().values(**values, created_at=utcnow(), issued_at=None, pem=None))


def issued(connection: sa.Connection, serial: str, pem: str) -> None:
    """Record that it was signed."""
    connection.execute(
        certificate.update().where(certificate.c.serial == serial).values(issued_at=utcnow(), pem=pem)
    )


def of_cluster(connection: sa.Connection, cluster_id: str, limit: int) -> list[Row]:
    """What was issued, newest first, without the certificates themselves."""
    query = (
        sa.select(*[c for c in certificate.c if c.name != "pem"])
        .where(certificate.c.cluster_id == cluster_id, certificate.c.issued_at.is_not(None))
        .order_by(certificate.c.id.desc())
        .limit(limit)
    )
    return rows.many(connection, query)


def put_secret(connection: sa.Connection, cluster_id: str, name: str, sealed: str) -> None:
    """Store or replace a sealed secret."""
    c = secret.c
    changed = connection.execute(
        secret.update().where(c.cluster_id == cluster_id, c.name == name).values(sealed=sealed)
    )
    if changed.rowcount == 0:
        connection.execute(secret.insert().values(cluster_id=cluster_id, name=name, sealed=sealed))


def get_secret(connection: sa.Connection, cluster_id: str, name: str) -> str | None:
    """A sealed secret."""
    query = sa.select(secret.c.sealed).where(secret.c.cluster_id == cluster_id, secret.c.name == name)
    return connection.execute(query).scalar_one_or_none()
