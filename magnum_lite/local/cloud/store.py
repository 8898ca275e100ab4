"""The cloud's records: JSON documents in one SQLite file, so that they survive kill -9 and a
change of several of them happens wholly or not at all.

A record is a dict with at least ``id`` and ``project_id``. Kinds are the API's nouns ("server",
"port", ...). Everything here is short; nothing slow (docker, iptables) belongs in a transaction.
"""

import json
import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

Record = dict[str, Any]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS record (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL, id TEXT NOT NULL, project TEXT NOT NULL, body TEXT NOT NULL,
    UNIQUE (kind, id)
);
CREATE INDEX IF NOT EXISTS record_project ON record (kind, project);
"""


class Store:
    """Records in a SQLite file (mode 0600), or in memory when ``path`` is None.

    One connection behind one re-entrant lock: every method is atomic, and ``transaction`` makes
    several of them atomic together, also towards other threads.
    """

    def __init__(self, path: Path | None) -> None:
        if path is not None:
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        self._lock = threading.RLock()
        self._depth = 0
        self._db = sqlite3.connect(
            str(path) if path is not None else ":memory:", check_same_thread=False, isolation_level=None
        )
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.executescript(_SCHEMA)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All that happens inside is kept together, or rolled back when an exception leaves it."""
        with self._lock:
            if self._depth == 0:
                self._db.execute("BEGIN IMMEDIATE")
            self._depth += 1
            try:
                yield
            except BaseException:
                self._depth -= 1
                if self._depth == 0:
                    self._db.execute("ROLLBACK")
                raise
            self._depth -= 1
            if self._depth == 0:
                self._db.execute("COMMIT")

    def put(self, kind: str, record: Record) -> Record:
        """Write a record, new or known (it keeps its place in the order then), and give it back."""
        with self._lock:
            self._db.execute(
                "INSERT INTO record (kind, id, project, body) VALUES (?, ?, ?, ?) "
                "ON CONFLICT (kind, id) DO UPDATE SET project = excluded.project, body = excluded.body",
                (kind, record["id"], record["project_id"], json.dumps(record)),
            )
        return record

    def change(self, kind: str, ident: str, **fields: Any) -> Record | None:
        """Set some fields of a record as it is *now*; None when it is gone."""
        with self.transaction():
            record = self.get(kind, ident)
            if record is None:
                return None
            return self.put(kind, record | fields)

    def get(self, kind: str, ident: str) -> Record | None:
        """A copy of one record."""
        with self._lock:
            row = self._db.execute(
                "SELECT body FROM record WHERE kind = ? AND id = ?", (kind, ident)
            ).fetchone()
        return json.loads(row[0]) if row else None

    def list(self, kind: str, project: str | None = None) -> list[Record]:
        """Copies of the records of a kind, oldest first, of one project or of all."""
        query, values = "SELECT body FROM record WHERE kind = ?", [kind]
        if project is not None:
            query, values = query + " AND project = ?", [kind, project]
        with self._lock:
            rows = self._db.execute(query + " ORDER BY position", values).fetchall()
        return [json.loads(body) for (body,) in rows]

    def delete(self, kind: str, ident: str) -> bool:
        """Forget a record; whether there was one."""
        with self._lock:
            return (
                self._db.execute("DELETE FROM record WHERE kind = ? AND id = ?", (kind, ident)).rowcount > 0
            )

    def close(self) -> None:
        """Give the file back."""
        with self._lock:
            self._db.close()
