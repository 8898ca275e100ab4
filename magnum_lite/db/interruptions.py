"""What a database does to transactions that are not wrong: it ends one of two that block each other, takes
too long over a lock, or goes away. Such a transaction left nothing behind, and may be done again, unless it
was the commit that got no answer.
"""

import contextlib
import random
import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any, TypeVar

import sqlalchemy as sa
from oslo_log import log

from magnum_lite import metrics
from magnum_lite.errors import Unavailable

LOG = log.getLogger(__name__)
T = TypeVar("T")
_TRIES = 4

# MariaDB: a deadlock; a lock wait that took too long.
_MYSQL = {1213, 1205}
# PostgreSQL: serialization failure, deadlock, lock not available.
_POSTGRESQL = {"40001", "40P01", "55P03"}


class Interrupted(Unavailable):
    """The database ended a transaction, or can not be reached. ``certain``: nothing of it was stored."""

    def __init__(self, *, certain: bool, lost: bool) -> None:
        self.certain, self.lost = certain, lost
        hint = "Please try again in a moment."
        if not certain:
            hint = "The change may have been stored all the same: look before you try again."
        super().__init__("database", hint)


class _Attempt:
    """Whether anything was committed in it."""

    committed = False


_ATTEMPT: ContextVar[_Attempt | None] = ContextVar("attempt", default=None)


def interrupted(error: sa.exc.SQLAlchemyError) -> Interrupted | None:
    """What an error of SQLAlchemy says of its transaction; None for a mistake of ours."""
    if isinstance(error, sa.exc.TimeoutError | sa.exc.DisconnectionError):  # none was free, or none is good
        return Interrupted(certain=True, lost=True)
    if not isinstance(error, sa.exc.DBAPIError) or isinstance(
        error, sa.exc.IntegrityError | sa.exc.DataError | sa.exc.ProgrammingError
    ):
        return None
    if error.connection_invalidated:
        return Interrupted(certain=True, lost=True)
    raw: Any = error.orig
    number = raw.args[0] if raw is not None and raw.args else None
    if number in _MYSQL or getattr(raw, "sqlstate", None) in _POSTGRESQL:
        return Interrupted(certain=True, lost=False)
    missing = str(raw).startswith("no such ")  # what SQLite says of a table that is not there
    if isinstance(error, sa.exc.OperationalError | sa.exc.InterfaceError) and not missing:
        return Interrupted(certain=True, lost=True)
    return None


@contextlib.contextmanager
def told() -> Iterator[None]:
    """Within: errors of the database's own making become `Interrupted`."""
    try:
        yield
    except sa.exc.SQLAlchemyError as error:
        found = interrupted(error)
        if found is None:
            raise
        raise found from error


def committed() -> None:
    """A transaction of this attempt has been stored."""
    attempt = _ATTEMPT.get()
    if attempt is not None:
        attempt.committed = True


def again(work: Callable[[], T], *, sleep: Callable[[float], None] = time.sleep) -> T:
    """Do ``work``; when the database interrupted it before anything was stored, do it again, a few times.

    Raises Interrupted.
    """
    for tried in range(1, _TRIES + 1):
        attempt = _Attempt()
        token = _ATTEMPT.set(attempt)
        try:
            return work()
        except Interrupted as error:
            metrics.count("database_interruptions", lost=error.lost)
            if attempt.committed or not error.certain or tried == _TRIES:
                raise
            LOG.info("transaction interrupted lost=%s tried=%d", error.lost, tried)
            sleep(random.uniform(0.5, 1.0) * 0.05 * 2**tried)  # noqa: S311  # nosec B311  so that two do not meet again
        finally:
            _ATTEMPT.reset(token)
    raise AssertionError
