"""Stacks of `memory.MemoryStacks` in one SQLite file, so that they outlive kill -9 as a Heat's do.

It is safe against the end of the process, not of the machine: nothing is synced.
"""

import contextlib
import dataclasses
import hashlib
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from magnum_lite.models.stack import ResourceFault
from magnum_lite.orchestration.memory_nodes import MemoryNode, Record

_SCHEMA = """
CREATE TABLE IF NOT EXISTS stack (
    position INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, body TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS node (stack TEXT PRIMARY KEY, holder TEXT NOT NULL, body TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS node_holder ON node (holder);
CREATE TABLE IF NOT EXISTS template (hash TEXT PRIMARY KEY, text TEXT NOT NULL);
"""


class Journal:
    """See ``memory.Keeper``. Not for several threads at once: its user has a lock."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=OFF")
        self._db.executescript(_SCHEMA)
        self._known: dict[str, str] = {}

    def load(self) -> list[Record]:
        """All that was kept, in the order in which it was made."""
        texts = dict(self._db.execute("SELECT hash, text FROM template"))
        self._known = {text: digest for digest, text in texts.items()}
        nodes: dict[str, list[MemoryNode]] = {}
        for holder, body in self._db.execute("SELECT holder, body FROM node ORDER BY rowid"):
            nodes.setdefault(holder, []).append(MemoryNode(**json.loads(body)))
        records = []
        for (body,) in self._db.execute("SELECT body FROM stack ORDER BY position"):
            told = json.loads(body)
            told |= {
                "tags": tuple(told["tags"]),
                "removed": {group: set(indices) for group, indices in told["removed"].items()},
                "faults": [ResourceFault(**fault) for fault in told["faults"]],
                "template": texts[told["template"]],
                "nodes": nodes.get(told["id"], []),
            }
            records.append(Record(**told))
        return records

    def keep(self, record: Record, node: MemoryNode | None = None) -> None:
        """A stack as it is now, with all its nodes or, where only that changed, with one."""
        with self._transaction():
            body = json.dumps(self._body(record))
            self._db.execute(
                "INSERT INTO stack (id, body) VALUES (?, ?)"
                " ON CONFLICT (id) DO UPDATE SET body = excluded.body",
                (record.id, body),
            )
            if node is None:
                there = {node.stack for node in record.nodes}
                had = self._db.execute("SELECT stack FROM node WHERE holder = ?", (record.id,)).fetchall()
                self._db.executemany(
                    "DELETE FROM node WHERE stack = ?", [h for h in had if h[0] not in there]
                )
            for changed in record.nodes if node is None else (node,):
                self._db.execute(
                    "INSERT INTO node (stack, holder, body) VALUES (?, ?, ?)"
                    " ON CONFLICT (stack) DO UPDATE SET body = excluded.body",
                    (changed.stack, record.id, json.dumps(dataclasses.asdict(changed))),
                )

    def drop(self, record: Record) -> None:
        """It is gone."""
        with self._transaction():
            self._db.execute("DELETE FROM node WHERE holder = ?", (record.id,))
            self._db.execute("DELETE FROM stack WHERE id = ?", (record.id,))

    def close(self) -> None:
        """Nothing more is kept."""
        self._db.close()

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            self._known.clear()  # what was written just now is not there any more
            raise
        self._db.execute("COMMIT")

    def _body(self, record: Record) -> dict[str, object]:
        fields = [f.name for f in dataclasses.fields(Record) if f.name not in {"nodes", "template"}]
        body = {name: getattr(record, name) for name in fields}
        return body | {
            "removed": {group: sorted(indices) for group, indices in record.removed.items()},
            "faults": [dataclasses.asdict(fault) for fault in record.faults],
            "template": self._template(record.template),
        }

    def _template(self, text: str) -> str:
        if text not in self._known:
            digest = hashlib.sha256(text.encode()).hexdigest()
            self._db.execute("INSERT OR IGNORE INTO template VALUES (?, ?)", (digest, text))
            self._known[text] = digest
        return self._known[text]
