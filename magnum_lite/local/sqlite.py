"""Make a threaded or multi-process OpenStack service safe on SQLite.

oslo.db opens each transaction with a deferred BEGIN; of two transactions that read and then write,
one fails at once with "database is locked", as SQLite can't wait while upgrading a lock. Writers
therefore begin IMMEDIATE, and readers get an engine of their own (``slave_connection`` with
``role=ro`` in its query), which never blocks thanks to the write-ahead log.
"""

import sqlite3
from pathlib import Path
from typing import Any

import sqlalchemy
from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine

BUSY_SECONDS = 60


def urls(path: Path) -> tuple[str, str]:
    """SQLAlchemy URLs of a database file: (for writers, for readers)."""
    return f"sqlite:///{path}?timeout={BUSY_SECONDS}", f"sqlite:///{path}?timeout={BUSY_SECONDS}&role=ro"


def install(*, foreign_keys: bool) -> None:
    """From now on every SQLite engine of this process is set up so. Call before the first use.

    ``foreign_keys``: Heat counts on ON DELETE CASCADE; Keystone deletes children itself.
    """

    def on_connect(connection: Any, _record: Any) -> None:
        if isinstance(connection, sqlite3.Connection):
            connection.execute(f"PRAGMA busy_timeout={BUSY_SECONDS * 1000}")
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=NORMAL")
            if foreign_keys:
                connection.execute("PRAGMA foreign_keys=ON")

    event.listen(Engine, "connect", on_connect)
    event.listen(Engine, "before_cursor_execute", _begin_immediate, retval=True)


def install_for_making() -> None:
    """For a database that is made in a draft file and renamed when complete: no log beside it, no
    fsync, and keys that are never used twice.

    SQLite gives the id of a deleted row to the next one unless a key is AUTOINCREMENT. A new stack
    inherited what still hung on a deleted one.
    """

    def on_connect(connection: Any, _record: Any) -> None:
        if isinstance(connection, sqlite3.Connection):
            connection.execute("PRAGMA synchronous=OFF")

    event.listen(Engine, "connect", on_connect)
    event.listen(sqlalchemy.Table, "before_create", _autoincrement)


def _begin_immediate(
    connection: Connection, _cursor: Any, statement: str, parameters: Any, _context: Any, _many: Any
) -> tuple[str, Any]:
    writer = connection.engine.url.query.get("role") != "ro"
    if statement == "BEGIN" and connection.dialect.name == "sqlite" and writer:
        return "BEGIN IMMEDIATE", parameters
    return statement, parameters


def _autoincrement(table: sqlalchemy.Table, connection: Connection, **_options: Any) -> None:
    key = list(table.primary_key.columns)
    if connection.dialect.name == "sqlite" and len(key) == 1 and isinstance(key[0].type, sqlalchemy.Integer):
        table.dialect_options["sqlite"]["autoincrement"] = True
