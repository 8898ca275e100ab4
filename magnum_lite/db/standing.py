"""How the service stands, in numbers, for those who watch it."""

import dataclasses
import time
from collections.abc import Mapping

import sqlalchemy as sa

from magnum_lite.db.schema import authority, cluster, service
from magnum_lite.db.session import now_epoch


@dataclasses.dataclass(frozen=True, slots=True)
class Numbers:
    """Of the whole service. Ages in seconds by the database's clock."""

    clusters: Mapping[str, int]
    queue_length: int
    queue_age_seconds: float
    leases_expired: int
    conductors_up: int
    authorities_ending: int


def now(connection: sa.Connection, *, down_after: float, warn_days: int) -> Numbers:
    """Five SELECTs over indexed columns, but for the count by status."""
    c, clock = cluster.c, now_epoch()
    by_status = connection.execute(sa.select(c.status, sa.func.count()).group_by(c.status))
    waiting = sa.select(sa.func.count(), sa.func.max(clock - c.next_sync)).where(
        c.next_sync <= clock, c.lease_expires <= clock, c.next_sync > 0
    )
    length, age = connection.execute(waiting).one()
    # one that was asked for just now is due since time 0
    fresh = sa.select(sa.func.count()).where(c.next_sync <= 0, c.lease_expires <= clock)
    silent = sa.select(sa.func.count()).where(c.lease_owner.is_not(None), c.lease_expires <= clock)
    up = sa.select(sa.func.count()).where(service.c.last_seen >= clock - down_after)
    ending = sa.select(sa.func.count()).where(
        authority.c.state == "active", authority.c.not_after < time.time() + warn_days * 86400
    )
    return Numbers(
        clusters={str(row[0]): int(row[1]) for row in by_status},
        queue_length=int(length + (connection.scalar(fresh) or 0)),
        queue_age_seconds=float(age or 0.0),
        leases_expired=int(connection.scalar(silent) or 0),
        conductors_up=int(connection.scalar(up) or 0),
        authorities_ending=int(connection.scalar(ending) or 0),
    )
