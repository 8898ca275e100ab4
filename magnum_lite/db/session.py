"""Engines and transactions. SQLite gets WAL, foreign keys and BEGIN IMMEDIATE for writers: two
transactions that read and then write would otherwise fail at once with "database is locked".

Servers get connections for reading of their own, which begin and end no transaction, and all are asked
whether they live only when in doubt: of four round trips of a small answer, two told nothing.
"""

import contextlib
import datetime as dt
import json
import time
from collections.abc import Iterator
from typing import Any

import pydantic_core
import sqlalchemy as sa
from sqlalchemy.engine import make_url
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.expression import FunctionElement

from magnum_lite import concurrency
from magnum_lite.db import interruptions

CONNECT_SECONDS = 10
STATEMENT_SECONDS = 30
LOCK_SECONDS = 5
Connection = sa.Connection  # for those above, who pass one on


class now_epoch(FunctionElement[float]):  # noqa: N801  a SQL function
    """Unix seconds by the database's clock, so that conductors' clocks need not agree."""

    type = sa.Double()
    inherit_cache = True


@compiles(now_epoch, "sqlite")
def _sqlite(*_: Any, **__: Any) -> str:
    return "((julianday('now') - 2440587.5) * 86400.0)"


@compiles(now_epoch, "mysql")
@compiles(now_epoch, "mariadb")
def _mysql(*_: Any, **__: Any) -> str:
    return "CAST(UNIX_TIMESTAMP(NOW(6)) AS DOUBLE)"


@compiles(now_epoch, "postgresql")
def _postgresql(*_: Any, **__: Any) -> str:
    return "CAST(EXTRACT(EPOCH FROM clock_timestamp()) AS DOUBLE PRECISION)"


def utcnow() -> dt.datetime:
    """Naive UTC, as the tables store it."""
    return dt.datetime.now(dt.UTC).replace(tzinfo=None)


def _document(text: str | bytes) -> Any:
    """A JSON column's value; several times as fast as the standard library, which is for what it refuses
    (half of a surrogate pair).
    """
    try:
        return pydantic_core.from_json(text)
    except ValueError:
        return json.loads(text)


_RESTED = 1.0  # seconds


class Database:
    """One process's way to the database. ``reading`` is the engine of SELECTs; of SQLite it is the same.
    ``seconds``: how long a statement may take; None for as long as it takes, for migrations.
    """

    def __init__(self, url: str, *, pool_size: int = 10, seconds: int | None = STATEMENT_SECONDS) -> None:
        parsed = make_url(url)
        self.is_sqlite = parsed.get_backend_name() == "sqlite"
        # Every connection is given back with its transaction ended, here or by SQLAlchemy.
        options: dict[str, Any] = {"pool_reset_on_return": None, "json_deserializer": _document}
        if self.is_sqlite and parsed.database in {None, "", ":memory:"}:
            options |= {"poolclass": sa.StaticPool, "connect_args": {"check_same_thread": False}}
        elif self.is_sqlite:
            options |= {"pool_size": pool_size, "connect_args": {"timeout": 30, "check_same_thread": False}}
        else:
            options |= {"pool_size": pool_size, "max_overflow": pool_size, "pool_recycle": 1800}
            options |= {"pool_timeout": CONNECT_SECONDS, "connect_args": _limits(parsed, seconds)}
        if parsed.get_backend_name() in {"mysql", "mariadb"}:
            # READ COMMITTED: a compare-and-swap must see what was committed meanwhile.
            options["isolation_level"] = "READ COMMITTED"
        self.engine = self.reading = sa.create_engine(parsed, **options)
        if self.is_sqlite:
            sa.event.listen(self.engine, "connect", _prepare_sqlite)
            sa.event.listen(self.engine, "begin", _begin_sqlite)
        else:
            options |= {"isolation_level": "AUTOCOMMIT", "skip_autocommit_rollback": True}
            self.reading = sa.create_engine(parsed, **options)
            _ask_doubtful(self.engine)
            _ask_doubtful(self.reading)

    @contextlib.contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A connection for SELECTs. Each sees what is committed when it begins; those of SQLite see one
        state. Raises Interrupted.
        """
        with interruptions.told(), self.reading.connect() as connection:
            if self.is_sqlite:
                connection.execution_options(magnum_lite_read=True)
            yield connection

    @contextlib.contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """A transaction; commits at the end, rolls back on an exception. Raises Interrupted: it says
        whether nothing was stored for certain, as a commit without an answer may have been one.
        """
        with interruptions.told(), self.engine.connect() as connection:
            transaction = connection.begin()
            with contextlib.ExitStack() as undo:
                undo.callback(transaction.close)
                yield connection
                try:
                    transaction.commit()
                except sa.exc.DBAPIError as error:
                    found = interruptions.interrupted(error)
                    if found is None:
                        raise
                    raise interruptions.Interrupted(certain=not found.lost, lost=found.lost) from error
            interruptions.committed()

    def now(self) -> float:
        """The database's clock."""
        with self.read() as connection:
            return float(connection.execute(sa.select(now_epoch())).scalar_one())


def _ask_doubtful(engine: sa.Engine) -> None:
    """Ping connections before they are used again if they rested, or if the server has said something that
    nobody asked for: that is how it closes them.
    """

    def rests(_dbapi: Any, record: Any) -> None:
        record.info["since"] = time.monotonic()

    def wakes(dbapi: Any, record: Any, _proxy: Any) -> None:
        rested = time.monotonic() - record.info.get("since", float("inf"))  # a new one has not
        if rested < 0 or (rested < _RESTED and not _speaks(dbapi)):
            return
        try:
            engine.dialect.do_ping(dbapi)
        except engine.dialect.loaded_dbapi.Error as error:  # the pool makes new connections then
            raise sa.exc.InvalidatePoolError from error

    sa.event.listen(engine, "checkin", rests)
    sa.event.listen(engine, "checkout", wakes)


def _speaks(dbapi: Any) -> bool:
    """Whether there is something to read; True also where the driver hides that."""
    fileno = getattr(dbapi, "fileno", None) or getattr(getattr(dbapi, "_sock", None), "fileno", None)
    return fileno is None or concurrency.readable(fileno())


def _limits(url: sa.URL, seconds: int | None) -> dict[str, Any]:
    """Time limits for a driver: a server that went away without a word must not hold a worker for ever."""
    if url.get_backend_name() in {"mysql", "mariadb"}:
        limits: dict[str, Any] = {"connect_timeout": CONNECT_SECONDS}
        if seconds is not None:
            limits |= {"read_timeout": seconds, "write_timeout": seconds}
            limits["init_command"] = f"SET SESSION innodb_lock_wait_timeout = {LOCK_SECONDS}"
        return limits
    limits = {"connect_timeout": CONNECT_SECONDS, "keepalives_idle": 10, "keepalives_interval": 5}
    if seconds is not None:
        limits["tcp_user_timeout"] = seconds * 1000
        limits["options"] = f"-c statement_timeout={seconds}s -c lock_timeout={LOCK_SECONDS}s"
    return limits


def _prepare_sqlite(dbapi: Any, _record: Any) -> None:
    dbapi.isolation_level = None  # we emit BEGIN ourselves
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON", "busy_timeout=30000"):
        dbapi.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: sa.Connection) -> None:
    reading = connection.get_execution_options().get("magnum_lite_read")
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")
