"""Reading the tables of OpenStack Magnum (16.x to 22.x), which this service takes the place of. Nothing is
written there.
"""

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from magnum_lite.db.session import Connection, Database

_TABLES = ("cluster", "cluster_template", "nodegroup", "quotas", "x509keypair")
_JSON = {"labels", "health_status_reason", "node_addresses"}


class NotUpstream(Exception):
    """The database is not Magnum's, or of a time before node groups (Train)."""


@dataclasses.dataclass(frozen=True, slots=True)
class Upstream:
    """All rows, as dicts; ``revision`` is alembic's."""

    revision: str
    clusters: list[dict[str, Any]]
    templates: list[dict[str, Any]]
    groups: list[dict[str, Any]]
    quotas: list[dict[str, Any]]
    key_pairs: Mapping[str, dict[str, Any]]


def read(database: Database) -> Upstream:
    """Raises `NotUpstream`."""
    with database.read() as connection:
        there = set(sa.inspect(connection).get_table_names())
        if missing := sorted(set(_TABLES) - there):
            raise NotUpstream(f"it has no table {', '.join(missing)}")
        revision = connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar_one()
        rows = {name: _rows(connection, name) for name in _TABLES}
    return Upstream(
        revision=str(revision),
        clusters=rows["cluster"],
        templates=rows["cluster_template"],
        groups=rows["nodegroup"],
        quotas=rows["quotas"],
        key_pairs={row["uuid"]: row for row in rows["x509keypair"]},
    )


def _rows(connection: Connection, name: str) -> list[dict[str, Any]]:
    table = sa.Table(name, sa.MetaData(), autoload_with=connection)
    found = connection.execute(table.select().order_by(table.c.id)).mappings()
    return [{key: _value(key, value) for key, value in row.items()} for row in found]


def _value(key: str, value: Any) -> Any:
    """Upstream keeps JSON as text in columns of its own type."""
    if key in _JSON and isinstance(value, str):
        return json.loads(value)
    return value
