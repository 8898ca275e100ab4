"""Node groups."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from magnum_lite.db import rows
from magnum_lite.db.rows import Page, Row
from magnum_lite.db.schema import nodegroup
from magnum_lite.db.session import utcnow

KIND = "Node group"


def insert(connection: sa.Connection, values: dict[str, Any]) -> Row:
    """Store a new group."""
    row = {**values, "created_at": utcnow(), "updated_at": None}
    connection.execute(nodegroup.insert().values(row))
    return row


def of_clusters(connection: sa.Connection, uuids: Sequence[str]) -> dict[str, list[Row]]:
    """All groups of several clusters in one statement, by cluster."""
    out: dict[str, list[Row]] = {u: [] for u in uuids}
    query = sa.select(nodegroup).where(nodegroup.c.cluster_id.in_(uuids)).order_by(nodegroup.c.id)
    for row in rows.many(connection, query) if uuids else ():
        out[row["cluster_id"]].append(row)
    return out


def get(connection: sa.Connection, cluster_id: str, ident: str) -> Row:
    """By uuid or name. Raises NotFound."""
    return rows.find(connection, nodegroup, ident, [nodegroup.c.cluster_id == cluster_id], kind=KIND)


def page(connection: sa.Connection, cluster_id: str, role: str | None, wanted: Page) -> list[Row]:
    """One page, of one role if asked."""
    where = [nodegroup.c.cluster_id == cluster_id]
    if role:
        where.append(nodegroup.c.role == role)
    return rows.page(connection, nodegroup, where, wanted, kind=KIND)


def update(connection: sa.Connection, uuid: str, values: dict[str, Any]) -> None:
    """Store changed fields."""
    connection.execute(
        nodegroup.update().where(nodegroup.c.uuid == uuid).values(**values, updated_at=utcnow())
    )
