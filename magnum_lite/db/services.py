"""Heartbeats of conductors."""

import sqlalchemy as sa

from magnum_lite.db import rows
from magnum_lite.db.rows import Row
from magnum_lite.db.schema import service
from magnum_lite.db.session import now_epoch, utcnow


def beat(connection: sa.Connection, host: str, binary: str) -> None:
    """Record that a conductor is alive."""
    c = service.c
    again = service.update().where(c.host == host, c.binary == binary)
    again = again.values(report_count=c.report_count + 1, last_seen=now_epoch(), updated_at=utcnow())
    if connection.execute(again).rowcount:
        return
    first = {"report_count": 1, "disabled": False, "last_seen": now_epoch(), "created_at": utcnow()}
    try:
        with connection.begin_nested():
            connection.execute(service.insert().values(host=host, binary=binary, **first))
    except sa.exc.IntegrityError:  # another one on this host came first
        connection.execute(again)


def is_first(connection: sa.Connection, host: str, binary: str, down_after: float) -> bool:
    """Whether no living conductor was there before this host's: what one is enough for is its."""
    c = service.c
    alive = (c.binary == binary, c.last_seen > now_epoch() - down_after)
    query = sa.select(c.host).where(*alive).order_by(c.id).limit(1)
    return connection.execute(query).scalar() == host


def every(connection: sa.Connection) -> list[Row]:
    """All of them, with ``age``: seconds since the last beat."""
    query = sa.select(service, (now_epoch() - service.c.last_seen).label("age")).order_by(service.c.id)
    return rows.many(connection, query)
