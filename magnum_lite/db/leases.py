"""Who works on which cluster. A claim is a compare-and-swap on the fencing token, portable over
the three databases; expiry is by the database's clock.
"""

import sqlalchemy as sa

from magnum_lite.db import rows
from magnum_lite.db.rows import Row
from magnum_lite.db.schema import cluster
from magnum_lite.db.session import now_epoch


def due(connection: sa.Connection, limit: int) -> list[tuple[str, int]]:
    """(uuid, fencing token) of clusters that nobody holds and that are due, longest due first."""
    c = cluster.c
    query = (
        sa.select(c.uuid, c.fencing_token)
        .where(c.next_sync <= now_epoch(), c.lease_expires <= now_epoch())
        .order_by(c.next_sync)
        .limit(limit)
    )
    return [(r.uuid, r.fencing_token) for r in connection.execute(query)]


def claim(connection: sa.Connection, uuid: str, fencing_token: int, owner: str, seconds: float) -> Row | None:
    """Take the lease if nobody did meanwhile; the whole row, or None."""
    c = cluster.c
    taken = connection.execute(
        cluster.update()
        .where(c.uuid == uuid, c.fencing_token == fencing_token, c.lease_expires <= now_epoch())
        .values(lease_owner=owner, lease_expires=now_epoch() + seconds, fencing_token=fencing_token + 1)
    )
    if taken.rowcount != 1:
        return None
    return rows.one(connection, sa.select(cluster).where(c.uuid == uuid))


def extend(connection: sa.Connection, uuid: str, fencing_token: int, seconds: float) -> bool:
    """Keep a lease during long work; False when it is lost."""
    changed = connection.execute(
        cluster.update()
        .where(cluster.c.uuid == uuid, cluster.c.fencing_token == fencing_token)
        .values(lease_expires=now_epoch() + seconds)
    )
    return bool(changed.rowcount == 1)


def release(
    connection: sa.Connection, uuid: str, fencing_token: int, *, generation: int, wait: float, attempts: int
) -> bool:
    """Give the lease back, due again in ``wait`` seconds; at once if the user changed it meanwhile."""
    c = cluster.c
    changed = connection.execute(
        cluster.update()
        .where(c.uuid == uuid, c.fencing_token == fencing_token)
        .values(
            lease_owner=None,
            lease_expires=0.0,
            attempts=attempts,
            next_sync=sa.case((c.generation != generation, 0.0), else_=now_epoch() + wait),
        )
    )
    return bool(changed.rowcount == 1)
