"""Looking rows up and paging through them, the same way for every noun.

Pages are keyset pages: the cost of a page does not grow with its distance from the start, as long as an
index of the table (``schema.py``) has the columns of ``where``, the sort key and the id, in this order.

Building a statement and its cache key costs SQLAlchemy more than running it. So statements are built once
for each shape, with bound values by name: ``where`` holds constants of a module, ``values`` what they mean.
"""

import dataclasses
import functools
from collections.abc import Iterable, Mapping, Sequence
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


def one(
    connection: sa.Connection, query: sa.Select[Any], values: Mapping[str, Any] | None = None
) -> Row | None:
    """The first row as a dict."""
    found = many(connection, query, values)
    return found[0] if found else None


def many(
    connection: sa.Connection, query: sa.Select[Any], values: Mapping[str, Any] | None = None
) -> list[Row]:
    """All rows as dicts."""
    result = connection.execute(query, values)
    keys = tuple(result.keys())
    return [dict(zip(keys, row, strict=True)) for row in result.all()]


def find(
    connection: sa.Connection,
    table: sa.Table,
    ident: str,
    where: Iterable[sa.ColumnElement[bool]],
    *,
    kind: str,
    values: Mapping[str, Any] | None = None,
) -> Row:
    """One row by uuid or by name. Raises NotFound, or Ambiguous if a name is used twice."""
    if "\0" in ident:  # PostgreSQL takes no such text, and nothing has such a name
        raise NotFound(kind, ident)
    wanted = [(table.c.uuid, ident.lower())] if looks_like_uuid(ident) else []
    for column, value in (*wanted, (table.c.name, ident)):
        found = many(connection, _finding(table, column, tuple(where)), {**(values or {}), "ident": value})
        if len(found) > 1:
            raise Ambiguous(kind, ident)
        if found:
            return found[0]
    raise NotFound(kind, ident)


@functools.lru_cache(maxsize=64)
def _finding(
    table: sa.Table, column: sa.Column[Any], where: tuple[sa.ColumnElement[bool], ...]
) -> sa.Select[Any]:
    return sa.select(table).where(column == sa.bindparam("ident"), *where).limit(2)


def page(
    connection: sa.Connection,
    table: sa.Table,
    where: Iterable[sa.ColumnElement[bool]],
    wanted: Page,
    *,
    kind: str,
    marker: sa.Column[Any] | None = None,
    columns: Sequence[sa.Column[Any]] | None = None,
    values: Mapping[str, Any] | None = None,
) -> list[Row]:
    """One page of rows, of all columns if none are given. ``marker``: the column that markers name (the
    uuid, if none is given). Raises NotFound for a marker that isn't there.
    """
    column, where, values = table.c[wanted.sort_key], tuple(where), dict(values or {})
    start = _FIRST
    if wanted.marker is not None:
        named = table.c.uuid if marker is None else marker
        query = _marked(table, column, named, where)
        last = one(connection, query, values | {"marker": wanted.marker})
        if last is None:
            raise NotFound(kind, str(wanted.marker))
        values |= {"last_id": last["id"], "last_value": last[wanted.sort_key]}
        start = _AFTER_NULL if values["last_value"] is None else _AFTER
    shape = _Shape(
        table=table,
        columns=None if columns is None else tuple(columns),
        where=where,
        column=column,
        descending=wanted.descending,
        start=start,
        compares_rows=connection.dialect.name not in _NO_ROW_RANGES,
    )
    return many(connection, _paging(shape), values | {"page_size": wanted.limit})


_FIRST, _AFTER, _AFTER_NULL = "first", "after", "after null"
_NO_ROW_RANGES = {"mysql", "mariadb"}  # they compare rows, but find no range of an index by that


@dataclasses.dataclass(frozen=True, slots=True)
class _Shape:
    """All that makes the text of a page's statement."""

    table: sa.Table
    columns: tuple[sa.Column[Any], ...] | None
    where: tuple[sa.ColumnElement[bool], ...]
    column: sa.Column[Any]
    descending: bool
    start: str
    compares_rows: bool


@functools.lru_cache(maxsize=64)
def _marked(
    table: sa.Table,
    column: sa.Column[Any],
    named: sa.Column[Any],
    where: tuple[sa.ColumnElement[bool], ...],
) -> sa.Select[Any]:
    return sa.select(table.c.id, column).where(named == sa.bindparam("marker"), *where)


@functools.lru_cache(maxsize=256)
def _paging(shape: _Shape) -> sa.Select[Any]:
    table, column, down = shape.table, shape.column, shape.descending
    order: list[Any] = [table.c.id.desc() if down else table.c.id]
    if column is not table.c.id:
        order.insert(0, column.desc() if down else column)
        if column.nullable:
            order.insert(0, column.is_(None).desc() if down else column.is_(None))
    conditions = shape.where if shape.start == _FIRST else (*shape.where, _after(shape))
    query = sa.select(table) if shape.columns is None else sa.select(*shape.columns)
    return query.where(*conditions).order_by(*order).limit(sa.bindparam("page_size"))


def _after(shape: _Shape) -> sa.ColumnElement[bool]:
    """Rows behind the marker's; nulls sort last going up, first going down."""
    ident, column, down = shape.table.c.id, shape.column, shape.descending
    last_id = sa.bindparam("last_id", type_=ident.type)
    same_and_later = ident < last_id if down else ident > last_id
    if column is ident:
        return same_and_later
    if shape.start == _AFTER_NULL:
        rest = sa.and_(column.is_(None), same_and_later)
        return sa.or_(rest, column.is_not(None)) if down else rest
    last = sa.bindparam("last_value", type_=column.type)
    if shape.compares_rows:
        here, there = sa.tuple_(column, ident), sa.tuple_(last, last_id)
        behind: sa.ColumnElement[bool] = here < there if down else here > there
    else:
        further = column < last if down else column > last
        behind = sa.or_(further, sa.and_(column == last, same_and_later))
    return behind if down or not column.nullable else sa.or_(behind, column.is_(None))
