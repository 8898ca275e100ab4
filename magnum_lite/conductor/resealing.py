"""Exchanging the key-encryption key under everything that is sealed, while conductors go on.

Each row is rewritten only if it is as it was read, in small transactions: killed at any point, it goes on
where it was when it is run again. A row whose key is not at hand is named and left alone.
"""

import collections
import dataclasses
from collections.abc import Callable

from magnum_lite.db import sealed
from magnum_lite.db.session import Database
from magnum_lite.pki.errors import EnvelopeError
from magnum_lite.pki.sealing import SealContext, Sealer, sealed_by

BATCH = 100


@dataclasses.dataclass(slots=True)
class Tally:
    """How far it came, ``batch`` rows at a time. ``changed_meanwhile`` were written by a conductor in
    between; ``lost`` are places whose envelope does not open with any key at hand.
    """

    batch: int
    seen: int = 0
    resealed: int = 0
    changed_meanwhile: int = 0
    lost: list[str] = dataclasses.field(default_factory=list)


def uses(database: Database) -> dict[str, int]:
    """Key id → how many envelopes need it. Damaged envelopes count under ``damaged``."""
    counts: collections.Counter[str] = collections.Counter()
    with database.read() as connection:
        for rows in sealed.batches(connection, 1000):
            for row in rows:
                try:
                    counts[sealed_by(row.envelope)] += 1
                except EnvelopeError:
                    counts["damaged"] += 1
    return dict(counts)


def reseal(
    database: Database,
    sealer: Sealer,
    *,
    batch: int = BATCH,
    progress: Callable[[Tally], None] = lambda _: None,
) -> Tally:
    """Bring every envelope under the key that seals now. ``progress`` is told after each batch."""
    tally, current = Tally(batch), sealer.current
    with database.read() as reading:
        found = sealed.batches(reading, batch)
        while True:
            # The reading ends between batches: a reader that stays holds up SQLite's checkpoints.
            rows = next(found, None)
            reading.rollback()
            if rows is None:
                return tally
            _reseal(database, sealer, current, rows, tally)
            progress(tally)


def _reseal(
    database: Database, sealer: Sealer, current: str, rows: list[sealed.SealedRow], tally: Tally
) -> None:
    fresh = []
    for row in rows:
        tally.seen += 1
        place = SealContext(row.table, row.row_id, row.purpose)
        try:
            if sealed_by(row.envelope) != current:
                fresh.append((row, sealer.rewrap(row.envelope, place)))
        except EnvelopeError as error:
            tally.lost.append(f"{row.table} {row.row_id} {row.purpose}: {error.reason}")
    if not fresh:
        return
    with database.write() as connection:
        for row, envelope in fresh:
            if sealed.replace(connection, row, envelope):
                tally.resealed += 1
            else:
                tally.changed_meanwhile += 1
