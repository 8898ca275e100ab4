"""Cluster templates. A project sees its own and the public ones; hidden ones only their owner."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from magnum_lite.db import rows
from magnum_lite.db.rows import Page, Row
from magnum_lite.db.schema import cluster, cluster_template
from magnum_lite.db.session import utcnow

KIND = "Cluster template"


_OWN_OR_PUBLIC = (
    sa.or_(
        cluster_template.c.project_id == sa.bindparam("project_id"),
        sa.and_(cluster_template.c.public.is_(True), cluster_template.c.hidden.is_(False)),
    ),
)
_MARKS = tuple(cluster_template.c[name] for name in ("id", "uuid", "created_at", "updated_at"))
_BY_IDS = sa.select(cluster_template).where(cluster_template.c.id.in_(sa.bindparam("ids", expanding=True)))


def _visible(project_id: str | None) -> tuple[sa.ColumnElement[bool], ...]:
    return () if project_id is None else _OWN_OR_PUBLIC  # None: an admin's view


def insert(connection: sa.Connection, values: dict[str, Any]) -> Row:
    """Store a new template."""
    made = values.get("created_at") or utcnow()  # what is imported is older
    row = {**values, "created_at": made, "updated_at": values.get("updated_at")}
    connection.execute(cluster_template.insert().values(row))
    return row


def get(connection: sa.Connection, ident: str, project_id: str | None) -> Row:
    """By uuid or name, as ``project_id`` (None: everything) sees it. Raises NotFound, Ambiguous."""
    values = {"project_id": project_id}
    return rows.find(connection, cluster_template, ident, _visible(project_id), kind=KIND, values=values)


def marks(connection: sa.Connection, project_id: str | None, wanted: Page) -> list[Row]:
    """One page, of each row only ``id``, ``uuid``, its times and what the page is sorted by."""
    return rows.page(
        connection,
        cluster_template,
        _visible(project_id),
        wanted,
        kind=KIND,
        columns=_MARKS,
        values={"project_id": project_id},
    )


def whole(connection: sa.Connection, marks: Sequence[Row]) -> list[Row]:
    """The rows of these marks that are still there, in their order."""
    if not marks:
        return []
    found = {r["id"]: r for r in rows.many(connection, _BY_IDS, {"ids": [m["id"] for m in marks]})}
    return [found[m["id"]] for m in marks if m["id"] in found]


def update(connection: sa.Connection, uuid: str, values: dict[str, Any]) -> Row:
    """Store changed fields."""
    connection.execute(
        cluster_template.update().where(cluster_template.c.uuid == uuid).values(**values, updated_at=utcnow())
    )
    return get(connection, uuid, None)


def is_used(connection: sa.Connection, uuid: str) -> bool:
    """Whether a cluster refers to it."""
    query = sa.select(cluster.c.id).where(cluster.c.cluster_template_id == uuid).limit(1)
    return connection.execute(query).first() is not None


def delete(connection: sa.Connection, uuid: str) -> None:
    """Forget it."""
    connection.execute(cluster_template.delete().where(cluster_template.c.uuid == uuid))


def exists(connection: sa.Connection, uuid: str) -> bool:
    """Whether any template has this uuid."""
    query = sa.select(cluster_template.c.id).where(cluster_template.c.uuid == uuid)
    return connection.execute(query).first() is not None
