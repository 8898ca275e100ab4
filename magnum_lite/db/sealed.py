"""Every column that holds something sealed, for those who exchange the key of them all."""

import dataclasses
from collections.abc import Iterator

import sqlalchemy as sa

from magnum_lite.db.schema import authority, node, secret


@dataclasses.dataclass(frozen=True, slots=True)
class SealedRow:
    """One envelope and its place: ``table``, ``row_id`` and ``purpose`` as in ``pki.sealing.SealContext``."""

    table: str
    id: int
    row_id: str
    purpose: str
    envelope: str


@dataclasses.dataclass(frozen=True, slots=True)
class _Place:
    table: sa.Table
    column: sa.Column[str]
    row_id: sa.ColumnElement[str]
    purpose: sa.ColumnElement[str]


_PLACES = (
    _Place(authority, authority.c.sealed_key, authority.c.uuid, authority.c.purpose),
    _Place(node, node.c.sealed_token, node.c.uuid, sa.literal("bootstrap")),
    _Place(secret, secret.c.sealed, secret.c.cluster_id, secret.c.name),
)


def batches(connection: sa.Connection, size: int) -> Iterator[list[SealedRow]]:
    """All that is sealed, ``size`` rows at a time, in the order of their ids."""
    for place in _PLACES:
        last = 0
        while True:
            query = (
                sa.select(place.table.c.id, place.row_id, place.purpose, place.column)
                .where(place.table.c.id > last, place.column.is_not(None))
                .order_by(place.table.c.id)
                .limit(size)
            )
            found = [SealedRow(place.table.name, *row) for row in connection.execute(query)]
            if not found:
                break
            last = found[-1].id
            yield found


def replace(connection: sa.Connection, row: SealedRow, envelope: str) -> bool:
    """Write a new envelope, if the old one is still there."""
    place = next(p for p in _PLACES if p.table.name == row.table)
    changed = connection.execute(
        place.table.update()
        .where(place.table.c.id == row.id, place.column == row.envelope)
        .values({place.column: envelope})
    )
    return bool(changed.rowcount == 1)


def columns() -> set[tuple[str, str]]:
    """(table, column) of all that is looked at."""
    return {(p.table.name, p.column.name) for p in _PLACES}
