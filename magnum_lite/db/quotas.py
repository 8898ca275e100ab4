"""Limits per project."""

import sqlalchemy as sa

from magnum_lite.db.schema import quota


def limit(connection: sa.Connection, project_id: str, resource: str = "Cluster") -> int | None:
    """The project's own limit, or None where the operator's default holds."""
    query = sa.select(quota.c.hard_limit).where(
        quota.c.project_id == project_id, quota.c.resource == resource
    )
    return connection.execute(query).scalar_one_or_none()
