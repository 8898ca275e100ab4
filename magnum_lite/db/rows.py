"""Looking rows up and paging through them, the same way for every noun.

Pages are keyset pages: the cost of a page does not grow with its distance from the start, as long as an
index of the table (``schema.py``) has the columns of ``where``, the sort key and the id, in this order.

Building a statement and its cache key costs SQLAlchemy more than running it. So statements are built once
for each shape, with bound values by name: ``where`` holds constants of a module, ``values`` what they mean.
"""

import dataclasses
import functools
import operator
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from magnum_lite.errors import Ambiguous, NotFound

Row = dict[str, Any]
Query = sa.Select[Any] | sa.CompoundSelect[Any]


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


def one(connection: sa.Connection, query: Query, values: Mapping[str, Any] | None = None) -> Row | None:
    """The first row as a dict."""
    found = many(connection, query, values)
    return found[0] if found else None


def many(connection: sa.Connection, query: Query, values: Mapping[str, Any] | None = None) -> list[Row]:
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
    columns: tuple[sa.Column[Any], ...] | None = None,
    values: Mapping[str, Any] | None = None,
) -> Row:
    """One row by uuid or by name, of all columns if none are given. Raises NotFound, or Ambiguous if a name
    is used twice.
    """
    if "\0" in ident:  # PostgreSQL takes no such text, and nothing has such a name
        raise NotFound(kind, ident)
    wanted = [(table.c.uuid, ident.lower())] if looks_like_uuid(ident) else []
    for column, value in (*wanted, (table.c.name, ident)):
        query = _finding(columns or tuple(table.c), column, tuple(where))
        found = many(connection, query, {**(values or {}), "ident": value})
        if len(found) > 1:
            raise Ambiguous(kind, ident)
        if found:
            return found[0]
    raise NotFound(kind, ident)


@functools.lru_cache(maxsize=64)
def _finding(
    columns: tuple[sa.Column[Any], ...], column: sa.Column[Any], where: tuple[sa.ColumnElement[bool], ...]
) -> sa.Select[Any]:
    return sa.select(*columns).where(column == sa.bindparam("ident"), *where).limit(2)


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
        database=connection.dialect.name,
    )
    return many(connection, _paging(shape), values | {"page_size": wanted.limit})


_FIRST, _AFTER, _AFTER_NULL = "first", "after", "after null"
_MYSQL = ("mysql", "mariadb")


@dataclasses.dataclass(frozen=True, slots=True)
class _Shape:
    """All that makes the text of a page's statement."""

    table: sa.Table
    columns: tuple[sa.Column[Any], ...] | None
    where: tuple[sa.ColumnElement[bool], ...]
    column: sa.Column[Any]
    descending: bool
    start: str
    database: str


@functools.lru_cache(maxsize=64)
def _marked(
    table: sa.Table,
    column: sa.Column[Any],
    named: sa.Column[Any],
    where: tuple[sa.ColumnElement[bool], ...],
) -> sa.Select[Any]:
    return sa.select(table.c.id, column).where(named == sa.bindparam("marker"), *where)


@functools.lru_cache(maxsize=256)
def _paging(shape: _Shape) -> Query:
    table, column, down = shape.table, shape.column, shape.descending
    columns = tuple(table.c) if shape.columns is None else shape.columns
    query = sa.select(*columns, *([] if column in columns else [column])).where(*shape.where)
    order: list[Any] = [table.c.id.desc() if down else table.c.id]
    if column is not table.c.id:
        order.insert(0, column.desc() if down else column)
        if column.nullable:
            order.insert(0, column.is_(None).desc() if down else column.is_(None))
    size: sa.BindParameter[int] = sa.bindparam("page_size")
    if shape.start == _FIRST:
        return _by_index(query, shape).order_by(*order).limit(size)
    same, further = _behind(shape)
    if shape.database == "sqlite" and not column.nullable and column is not table.c.id:
        # It finds no place among equals by an "or" or by comparing rows, but merges two walks of an index.
        both = sa.union_all(query.where(same), query.where(further))
        keys = (both.selected_columns[c.name] for c in (column, table.c.id))
        return both.order_by(*(k.desc() if down else k for k in keys)).limit(size)
    return _by_index(query, shape).where(sa.or_(same, further)).order_by(*order).limit(size)


def _by_index(query: sa.Select[Any], shape: _Shape) -> sa.Select[Any]:
    """With the index for this order, if there is one, named to MySQL and MariaDB: they would walk it from the
    beginning of the project to the marker.
    """
    equal = [
        c.left.name for c in shape.where if isinstance(c, sa.BinaryExpression) and c.operator is operator.eq
    ]
    wanted = [*equal, *([] if shape.column.name == "id" else [shape.column.name]), "id"]
    for index in shape.table.indexes:
        if [c.name for c in index.columns] == wanted:
            for database in _MYSQL:
                query = query.with_hint(shape.table, f"FORCE INDEX ({index.name})", database)
    return query


def _behind(shape: _Shape) -> tuple[sa.ColumnElement[bool], sa.ColumnElement[bool]]:
    """Conditions of rows behind the marker's: with the same value, and with a later one. Nulls sort last
    going up, first going down.
    """
    ident, column, down = shape.table.c.id, shape.column, shape.descending
    last_id = sa.bindparam("last_id", type_=ident.type)
    later = ident < last_id if down else ident > last_id
    if column is ident:
        return later, sa.false()
    if shape.start == _AFTER_NULL:
        return sa.and_(column.is_(None), later), column.is_not(None) if down else sa.false()
    last = sa.bindparam("last_value", type_=column.type)  # plain True and False would be refused by "<"
    further = column < last if down else column > last
    if column.nullable and not down:
        further = sa.or_(further, column.is_(None))
    if (
        shape.database == "postgresql" and not column.nullable
    ):  # this it finds in an index, an "or" it doesn't
        here, there = sa.tuple_(column, ident), sa.tuple_(last, last_id)
        return here < there if down else here > there, sa.false()
    return sa.and_(column == last, later), further
