"""Limits per project."""

from typing import Any

import sqlalchemy as sa

from magnum_lite.db import rows
from magnum_lite.db.rows import Page, Row
from magnum_lite.db.schema import quota
from magnum_lite.db.session import utcnow


def find(connection: sa.Connection, project_id: str, resource: str) -> Row | None:
    """A project's limit, if one was set."""
    c = quota.c
    return rows.one(connection, sa.select(quota).where(c.project_id == project_id, c.resource == resource))


def limit(connection: sa.Connection, project_id: str, resource: str = "Cluster") -> int | None:
    """The project's own limit, or None where the operator's default holds."""
    found = find(connection, project_id, resource)
    return None if found is None else int(found["hard_limit"])


def page(connection: sa.Connection, project_id: str | None, wanted: Page) -> list[Row]:
    """One page, of every project for None. The marker is a row's id."""
    where = [] if project_id is None else [quota.c.project_id == project_id]
    return rows.page(connection, quota, where, wanted, kind="Quota", marker=quota.c.id)


def insert(connection: sa.Connection, values: dict[str, Any]) -> Row:
    """Store a limit."""
    row = {**values, "created_at": utcnow(), "updated_at": None}
    made = connection.execute(quota.insert().values(row))
    return row | {"id": made.inserted_primary_key[0]} if made.inserted_primary_key else row


def update(connection: sa.Connection, row: Row, hard_limit: int) -> Row:
    """Store another limit."""
    values = {"hard_limit": hard_limit, "updated_at": utcnow()}
    connection.execute(quota.update().where(quota.c.id == row["id"]).values(values))
    return row | values


def delete(connection: sa.Connection, row: Row) -> None:
    """Forget it."""
    connection.execute(quota.delete().where(quota.c.id == row["id"]))
