"""When a row was last changed by a user, read so that nobody changes it before the transaction ends."""

import sqlalchemy as sa

from magnum_lite.db.schema import cluster, cluster_template, nodegroup, quota
from magnum_lite.models.views import timestamp

_KEYS: dict[str, sa.Column[object]] = {
    "cluster": cluster.c.uuid,
    "cluster_template": cluster_template.c.uuid,
    "nodegroup": nodegroup.c.uuid,
    "quota": quota.c.id,
}


def updated_at(connection: sa.Connection, noun: str, key: object) -> str | None:
    """As answers show it; None for a row that is as it was made, or gone."""
    column = _KEYS[noun]
    query = sa.select(column.table.c.updated_at).where(column == key).with_for_update()
    found = connection.execute(query).scalar_one_or_none()
    return None if found is None else timestamp(found)
