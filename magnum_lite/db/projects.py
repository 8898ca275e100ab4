"""Which projects have clusters."""

from typing import Any

import sqlalchemy as sa

from magnum_lite.db.schema import cluster


def all_projects(connection: sa.Connection) -> list[str]:
    """Their ids, each once."""
    return list(connection.execute(sa.select(cluster.c.project_id).distinct()).scalars())


def alive() -> sa.Select[Any]:
    """A subquery of the uuids of all clusters."""
    return sa.select(cluster.c.uuid)
