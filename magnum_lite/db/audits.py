"""What an audit compares the cloud with."""

import sqlalchemy as sa

from magnum_lite.db import rows
from magnum_lite.db.rows import Row
from magnum_lite.db.schema import cluster, event, node


def projects(connection: sa.Connection) -> list[str]:
    """Projects that have clusters, or had some that events still tell of."""
    both = sa.union(sa.select(cluster.c.project_id), sa.select(event.c.project_id))
    return list(connection.execute(both).scalars())


def clusters(connection: sa.Connection) -> list[Row]:
    """Where each one is, and which stack it knows."""
    c = cluster.c
    wanted = (c.uuid, c.name, c.project_id, c.action, c.status, c.stack_id, c.stack_name)
    return rows.many(connection, sa.select(*wanted))


def nodes(connection: sa.Connection) -> list[Row]:
    """Which server each one knows."""
    n = node.c
    return rows.many(connection, sa.select(n.cluster_id, n.hostname, n.state, n.server_id))


def ever_known(connection: sa.Connection) -> set[str]:
    """Uuids of clusters that events tell of, those that are gone too."""
    return set(connection.execute(sa.select(event.c.cluster_id).distinct()).scalars())
