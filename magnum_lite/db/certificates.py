"""CAs, issued certificates and sealed secrets."""

from collections.abc import Collection
from typing import Any

import sqlalchemy as sa

from magnum_lite.db import rows
from magnum_lite.db.rows import Row
from magnum_lite.db.schema import authority, certificate, cluster, node, secret
from magnum_lite.db.session import utcnow
from magnum_lite.errors import NotFound

_AUTHORITIES = (
    sa.select(authority)
    .where(authority.c.cluster_id == sa.bindparam("cluster_id"))
    .order_by(authority.c.epoch, authority.c.id)
)
# What a certificate is issued by and what an event of it needs, of the cluster; its CAs; whether a node has
# one of the names. A signature costs about as much as one round trip, so this is one.
_SIGNING = ("uuid", "project_id", "coe", "generation", "renewal", "imported")
_FOR_SIGNING = (
    sa.select(
        *(cluster.c[name] for name in _SIGNING),
        sa.exists()
        .where(node.c.cluster_id == cluster.c.uuid)
        .where(sa.func.lower(node.c.hostname).in_(sa.bindparam("names", expanding=True)))
        .label("names_node"),
        *(c.label(f"ca_{c.name}") for c in authority.c),
    )
    .select_from(cluster.outerjoin(authority, authority.c.cluster_id == cluster.c.uuid))
    .where(cluster.c.uuid == sa.bindparam("cluster_id"))
    .order_by(authority.c.epoch, authority.c.id)
)
_INTEND = certificate.insert()
_ISSUED = (
    certificate.update()
    .where(certificate.c.serial == sa.bindparam("known"))
    .values(issued_at=sa.bindparam("at"), pem=sa.bindparam("text"))
)


def insert_authority(connection: sa.Connection, values: dict[str, Any]) -> None:
    """Store a new CA."""
    connection.execute(authority.insert().values(**values, created_at=utcnow()))


def authorities(connection: sa.Connection, cluster_id: str) -> list[Row]:
    """All CAs of a cluster, with their sealed keys, oldest first."""
    return rows.many(connection, _AUTHORITIES, {"cluster_id": cluster_id})


def for_signing(
    connection: sa.Connection, cluster_id: str, names: Collection[str]
) -> tuple[Row, list[Row]] | None:
    """What is needed of a cluster to issue a certificate, and its `authorities`; None when it is gone.
    ``names_node`` says whether one of ``names`` (in lower case) is a node's, a gone one's included.
    """
    found = rows.many(connection, _FOR_SIGNING, {"cluster_id": cluster_id, "names": list(names)})
    if not found:
        return None
    known = [{c.name: row[f"ca_{c.name}"] for c in authority.c} for row in found]
    return {k: v for k, v in found[0].items() if not k.startswith("ca_")}, [k for k in known if k["id"]]


def public_parts(connection: sa.Connection, cluster_id: str) -> list[Row]:
    """The same without keys, for those who have no business with them."""
    known = [c for c in authority.c if c.name != "sealed_key"]
    query = sa.select(*known).where(authority.c.cluster_id == cluster_id)
    return rows.many(connection, query.order_by(authority.c.epoch, authority.c.id))


def change_authority(connection: sa.Connection, uuid: str, values: dict[str, Any]) -> None:
    """Store changed fields."""
    connection.execute(authority.update().where(authority.c.uuid == uuid).values(**values))


def drop_authority(connection: sa.Connection, uuid: str) -> None:
    """Forget a CA, key and all; what it issued is marked as superseded."""
    c = certificate.c
    connection.execute(
        certificate.update()
        .where(c.authority_id == uuid, c.revoked_at.is_(None))
        .values(revoked_at=utcnow(), revocation_reason="superseded")
    )
    connection.execute(authority.delete().where(authority.c.uuid == uuid))


def ca_bundle(connection: sa.Connection, cluster_id: str, purpose: str) -> str:
    """Certificates of all CAs of a purpose, for those who call the cluster; '' if there is none yet. The
    oldest is first: while there are two, it signs what servers show.
    """
    c = authority.c
    query = (
        sa.select(c.certificate)
        .where(c.cluster_id == cluster_id, c.purpose == purpose)
        .order_by(c.epoch, c.id)
    )
    return "".join(connection.execute(query).scalars())


def intend(connection: sa.Connection, values: dict[str, Any]) -> None:
    """Record what is about to be signed."""
    connection.execute(_INTEND, {**values, "created_at": utcnow(), "issued_at": None, "pem": None})


def issued(connection: sa.Connection, serial: str, pem: str) -> None:
    """Record that it was signed."""
    connection.execute(_ISSUED, {"known": serial, "at": utcnow(), "text": pem})


def of_cluster(connection: sa.Connection, cluster_id: str, limit: int, after: str | None = None) -> list[Row]:
    """What was issued, newest first, without the certificates themselves: the page behind the one with the
    serial ``after``. Raises NotFound for a serial that the cluster's CAs did not issue.
    """
    c = certificate.c
    where = [c.cluster_id == cluster_id, c.issued_at.is_not(None)]
    if after is not None:
        known = c.serial == after.replace("\0", "")  # PostgreSQL takes no text with NUL
        found = rows.one(connection, sa.select(c.id).where(known, *where))
        if found is None:
            raise NotFound("Certificate", after)
        where.append(c.id < found["id"])
    query = (
        sa.select(*[column for column in c if column.name != "pem"])
        .where(*where)
        .order_by(c.id.desc())
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


def drop_secret(connection: sa.Connection, cluster_id: str, name: str) -> None:
    """Forget a sealed secret."""
    connection.execute(secret.delete().where(secret.c.cluster_id == cluster_id, secret.c.name == name))


def get_secret(connection: sa.Connection, cluster_id: str, name: str) -> str | None:
    """A sealed secret."""
    query = sa.select(secret.c.sealed).where(secret.c.cluster_id == cluster_id, secret.c.name == name)
    return connection.execute(query).scalar_one_or_none()
