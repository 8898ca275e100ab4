"""Who works on which cluster. A claim is a compare-and-swap on the fencing token, portable over
the three databases; expiry is by the database's clock.
"""

from collections.abc import Sequence

import sqlalchemy as sa

from magnum_lite.db import rows
from magnum_lite.db.rows import Row
from magnum_lite.db.schema import cluster
from magnum_lite.db.session import now_epoch

_SETTLED = cluster.c.generation == cluster.c.observed_generation
_DUE = (
    sa.select(cluster.c.uuid, cluster.c.fencing_token)
    .where(cluster.c.next_sync <= now_epoch(), cluster.c.lease_expires <= now_epoch())
    .order_by(sa.case((_SETTLED, 1), else_=0), cluster.c.next_sync)
    .limit(sa.bindparam("most"))
)
_BUSY = cluster.c.stack_busy == sa.true()  # "IS true" would use no index of MariaDB
_LATE = sa.and_(_BUSY, cluster.c.next_sync > now_epoch())
_COUNT_BUSY = sa.select(sa.func.count()).select_from(cluster).where(_BUSY)
_WAITING = sa.select(cluster.c.uuid, cluster.c.project_id, cluster.c.stack_id).where(
    _LATE, cluster.c.stack_id.is_not(None)
)
_CHUNK = 500


def due(connection: sa.Connection, limit: int) -> list[tuple[str, int]]:
    """(uuid, fencing token) of clusters that nobody holds and that are due: first those whose user waits,
    then the longest due.
    """
    return [(r.uuid, r.fencing_token) for r in connection.execute(_DUE, {"most": limit})]


def busy(connection: sa.Connection) -> int:
    """How many clusters had a stack in progress at their last look."""
    return int(connection.execute(_COUNT_BUSY).scalar_one())


def waiting(connection: sa.Connection) -> list[Row]:
    """Those of them that are not due: ``uuid``, ``project_id`` and ``stack_id``."""
    return rows.many(connection, _WAITING)


def hurry(connection: sa.Connection, uuids: Sequence[str]) -> None:
    """Make clusters due at once, as what they wait for has happened."""
    for start in range(0, len(uuids), _CHUNK):
        mine = cluster.c.uuid.in_(uuids[start : start + _CHUNK])
        connection.execute(cluster.update().where(mine, _LATE).values(next_sync=0.0, stack_busy=None))


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
