"""Accepting a change: a new generation on top of whatever is there now. Two callers at once both get
theirs, one after the other; who wants to know that nothing changed meanwhile says so with If-Match.
"""

from collections.abc import Callable

from magnum_lite.db import clusters as db
from magnum_lite.db.rows import Row
from magnum_lite.db.session import Connection
from magnum_lite.errors import Conflict, NotFound, Stale
from magnum_lite.models.status import Action
from magnum_lite.services.deps import Deps

_TRIES = 5


def changeable(row: Row) -> None:
    """Raise Conflict for a cluster that is being deleted, or that others made."""
    if row["action"] == Action.DELETE:
        raise Conflict(f"Cluster {row['uuid']} is being deleted; it can not be changed any more.")
    if row["imported"]:
        raise Conflict(
            f"Cluster {row['uuid']} was made by {row['imported']}, whose Heat templates are not this "
            "service's: it can be used and deleted, and not changed. Make a new one and move your workload."
        )


def accept(deps: Deps, uuid: str, action: Action, store: Callable[[Connection, Row], None]) -> Row:
    """Write a new generation and what belongs to it, then nudge a conductor; the cluster's new row.

    ``store`` writes the rest within the same transaction; what it raises undoes everything.
    Raises NotFound, Conflict (being deleted), Stale (others were always faster).
    """
    for last in range(_TRIES):
        try:
            with deps.database.write() as connection:
                row = db.by_uuid(connection, uuid)
                if row is None:
                    raise NotFound(db.KIND, uuid)
                changeable(row)
                generation = db.accept(connection, uuid, row["generation"], action.value, {})
                now = row | {"generation": generation, "action": action.value}
                store(connection, now)
        except Stale:
            if last == _TRIES - 1:
                raise
            continue
        deps.conductors.look(uuid)
        return now
    raise AssertionError
