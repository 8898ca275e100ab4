"""Events of clusters; they outlive their cluster for a retention time."""

import datetime as dt
from typing import Any

import sqlalchemy as sa

from magnum_lite.db import rows
from magnum_lite.db.rows import Row
from magnum_lite.db.schema import event
from magnum_lite.db.session import utcnow

_ADD = event.insert()
DELETED = "deleted"  # step of the last event of all


def add(
    connection: sa.Connection,
    cluster: Row,
    kind: str,
    message: str,
    **more: Any,
) -> None:
    """Record that something happened to ``cluster`` (needs uuid, project_id and generation)."""
    values = {
        "cluster_id": cluster["uuid"],
        "project_id": cluster["project_id"],
        "generation": cluster.get("generation", 0),
        "created_at": utcnow(),
        "level": "info",
        "kind": kind,
        "message": message[:8192],
    }
    connection.execute(_ADD, values | more)


def told(connection: sa.Connection, cluster_id: str, node: str, step: str, since: dt.datetime) -> bool:
    """Whether an event of this step of this node (by host name) was added since then (naive UTC)."""
    c = event.c
    query = sa.select(c.id).where(
        c.cluster_id == cluster_id, c.node == node, c.step == step, c.created_at >= since
    )
    return connection.execute(query.limit(1)).first() is not None


def page(
    connection: sa.Connection, cluster_id: str, project_id: str | None, *, after: int, limit: int
) -> list[Row]:
    """Events with an id above ``after``, oldest first."""
    where = [event.c.cluster_id == cluster_id, event.c.id > after]
    if project_id is not None:
        where.append(event.c.project_id == project_id)
    return rows.many(connection, sa.select(event).where(*where).order_by(event.c.id).limit(limit))


def tells_of_deletion(connection: sa.Connection, cluster_id: str) -> bool:
    """Whether we ourselves have deleted this cluster, to the end."""
    where = (event.c.cluster_id == cluster_id, event.c.kind == "status", event.c.step == DELETED)
    return connection.execute(sa.select(event.c.id).where(*where).limit(1)).first() is not None


def expire(connection: sa.Connection, alive: sa.Select[Any], days: int) -> int:
    """Drop old events of clusters that are gone; gives how many."""
    old = utcnow() - dt.timedelta(days=days)
    gone = connection.execute(
        event.delete().where(event.c.created_at < old, event.c.cluster_id.not_in(alive))
    )
    return int(gone.rowcount)
