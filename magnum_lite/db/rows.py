"""Looking rows up and paging through them, the same way for every noun.

Pages are keyset pages: the cost of a page does not grow with its distance from the start.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from magnum_lite.errors import Ambiguous, NotFound

Row = dict[str, Any]


@dataclasses.dataclass(frozen=True, slots=True)
class Page:
    """Which rows, in which order. ``marker`` is the uuid of the last row of the page before (quotas: id)."""

    limit: int
    marker: str | int | None = None
    sort_key: str = "id"
    descending: bool = False


def looks_like_uuid(text: str) -> bool:
    """Whether a uuid may be meant; names can look like one too, so both are tried."""
    return len(text) == 36 and text.count("-") == 4


def one(connection: sa.Connection, query: sa.Select[Any]) -> Row | None:
    """The first row as a dict."""
    row = connection.execute(query).mappings().first()
    return dict(row) if row is not None else None


def many(connection: sa.Connection, query: sa.Select[Any]) -> list[Row]:
    """All rows as dicts."""
    return [dict(r) for r in connection.execute(query).mappings()]


def find(
    connection: sa.Connection,
    table: sa.Table,
    ident: str,
    where: Sequence[sa.ColumnElement[bool]],
    *,
    kind: str,
) -> Row:
    """One row by uuid or by name. Raises NotFound, or Ambiguous if a name is used twice."""
    if "\0" in ident:  # PostgreSQL takes no such text, and nothing has such a name
        raise NotFound(kind, ident)
    wanted = [table.c.uuid == ident.lower()] if looks_like_uuid(ident) else []
    for condition in (*wanted, table.c.name == ident):
        found = many(connection, sa.select(table).where(condition, *where).limit(2))
        if len(found) > 1:
            raise Ambiguous(kind, ident)
        if found:
            return found[0]
    raise NotFound(kind, ident)


def page(
    connection: sa.Connection,
    table: sa.Table,
    where: Sequence[sa.ColumnElement[bool]],
    wanted: Page,
    *,
    kind: str,
    marker: sa.Column[Any] | None = None,
) -> list[Row]:
    """One page of rows. ``marker``: the column that markers name (the uuid, if none is given)."""
    column = table.c[wanted.sort_key]
    conditions = list(where)
    if wanted.marker is not None:
        named = table.c.uuid if marker is None else marker
        last = one(connection, sa.select(table.c.id, column).where(named == wanted.marker, *where))
        if last is None:
            raise NotFound(kind, str(wanted.marker))
        conditions.append(_after(table, column, last, wanted))
    order: list[Any] = [table.c.id.desc() if wanted.descending else table.c.id]
    if wanted.sort_key != "id":
        order.insert(0, column.desc() if wanted.descending else column)
        if column.nullable:
            order.insert(0, column.is_(None).desc() if wanted.descending else column.is_(None))
    return many(connection, sa.select(table).where(*conditions).order_by(*order).limit(wanted.limit))


def _after(table: sa.Table, column: sa.Column[Any], last: Row, wanted: Page) -> sa.ColumnElement[bool]:
    """Rows behind ``last``; nulls sort last going up, first going down."""
    down = wanted.descending
    same_and_later = table.c.id < last["id"] if down else table.c.id > last["id"]
    if wanted.sort_key == "id":
        return same_and_later
    value = last[wanted.sort_key]
    bound = sa.literal(value, column.type)  # plain True and False would be refused by "<"
    if value is None:
        rest = sa.and_(column.is_(None), same_and_later)
        return sa.or_(rest, column.is_not(None)) if down else rest
    further = column < bound if down else column > bound
    rest = sa.or_(further, sa.and_(column == bound, same_and_later))
    return rest if down or not column.nullable else sa.or_(rest, column.is_(None))
