"""Which projects have clusters, and all that a project has."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from magnum_lite.db import rows
from magnum_lite.db.rows import Row
from magnum_lite.db.schema import authority, cluster, cluster_template, node, nodegroup, quota, secret


def all_projects(connection: sa.Connection) -> list[str]:
    """Their ids, each once."""
    return list(connection.execute(sa.select(cluster.c.project_id).distinct()).scalars())


def alive() -> sa.Select[Any]:
    """A subquery of the uuids of all clusters."""
    return sa.select(cluster.c.uuid)


def clusters_of(connection: sa.Connection, project_id: str) -> list[Row]:
    """A project's clusters, whole rows."""
    query = sa.select(cluster).where(cluster.c.project_id == project_id).order_by(cluster.c.id)
    return rows.many(connection, query)


def templates_of(connection: sa.Connection, project_id: str) -> tuple[list[Row], list[Row]]:
    """A project's templates: those that no other project's cluster uses, and the others."""
    c = cluster_template.c
    found = rows.many(
        connection, sa.select(cluster_template).where(c.project_id == project_id).order_by(c.id)
    )
    others = sa.select(cluster.c.cluster_template_id).where(cluster.c.project_id != project_id).distinct()
    used = set(connection.execute(others).scalars())
    return [t for t in found if t["uuid"] not in used], [t for t in found if t["uuid"] in used]


def quotas_of(connection: sa.Connection, project_id: str) -> int:
    """How many quotas are set for a project."""
    query = sa.select(sa.func.count()).select_from(quota).where(quota.c.project_id == project_id)
    return int(connection.execute(query).scalar_one())


def forget(connection: sa.Connection, project_id: str, templates: Sequence[str]) -> None:
    """Remove a project's clusters, with all that hangs on them but events and issued certificates, its
    quotas, and these templates.
    """
    mine = sa.select(cluster.c.uuid).where(cluster.c.project_id == project_id).scalar_subquery()
    for table in (node, nodegroup, authority, secret):
        connection.execute(table.delete().where(table.c.cluster_id.in_(mine)))
    connection.execute(cluster.delete().where(cluster.c.project_id == project_id))
    connection.execute(quota.delete().where(quota.c.project_id == project_id))
    own = (cluster_template.c.project_id == project_id, cluster_template.c.uuid.in_(templates))
    connection.execute(cluster_template.delete().where(*own))
