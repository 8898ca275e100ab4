"""Entity tags (RFC 9110 sections 8.8.3 and 13): a client that has an answer already gets 304, and one that
changes what it has not seen gets 412.

A tag is a digest of the answer's bytes: what a client sees of a cluster comes from several tables, and no
column of one says whether any of it changed.
"""

import contextlib
import dataclasses
import hashlib
import re
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from magnum_lite.api.call import NOTHING, Call, written
from magnum_lite.api.errors import PreconditionFailed
from magnum_lite.db import marks
from magnum_lite.db.session import Connection, Database

if TYPE_CHECKING:
    from magnum_lite.api.routes import Route

_TAG = re.compile(r'\s*(W/)?("[\x21\x23-\x7e\x80-\xff]*")\s*(?:,|$)')
_NOUNS = {
    "clusters": "cluster",
    "bays": "cluster",
    "clustertemplates": "cluster_template",
    "baymodels": "cluster_template",
    "nodegroups": "nodegroup",
    "quotas": "quota",
}


def tag(raw: bytes) -> str:
    """The strong tag of an answer."""
    return f'"{hashlib.blake2b(raw, digest_size=12).hexdigest()}"'


def names(header: str, wanted: str, *, strong: bool = False) -> bool:
    """Whether ``wanted`` is in an ``If-Match`` (``strong``: weak tags match nothing) or ``If-None-Match``."""
    if header.strip(" \t") == "*":
        return True
    place = 0
    while found := _TAG.match(header, place):
        if found[2] == wanted and not (strong and found[1]):
            return True
        place = found.end()
    return False


def seen(route: "Route", routes: Iterable["Route"]) -> "Route | None":
    """The route that shows what ``route`` changes: the longest part of its path that can be read."""
    for end in range(len(route.path), 1, -1):
        for other in routes:
            if other.method == "GET" and other.path == route.path[:end] and other.path[-1][:1] == "{":
                return other
    return None


def guarded(header: str, reader: "Route", call: Call, arguments: tuple[str, ...]) -> Call:
    """The call, with a database that changes nothing but what ``header`` names. What was checked here is
    checked again, with the row locked, when the change is written.

    Raises PreconditionFailed, and whatever reading raises.
    """
    looking = dataclasses.replace(call, query={}, body=NOTHING)
    count = sum(p[:1] == "{" for p in reader.path)
    body = reader.handler(looking, *arguments[:count]).body
    if not names(header, tag(written(body)), strong=True):
        raise PreconditionFailed(_STALE)
    noun = _NOUNS.get(next((p for p in reversed(reader.path) if p in _NOUNS), ""))
    key = body.get("uuid", body.get("id"))
    if noun is None or key is None or header.strip(" \t") == "*":
        return call
    database = Guarded(call.deps.database, _check(noun, key, body))
    return dataclasses.replace(call, deps=dataclasses.replace(call.deps, database=database))


_STALE = "It changed since the answer that If-Match names. Please look again and retry."


def _check(noun: str, key: Any, body: dict[str, Any]) -> Callable[[Connection], None]:
    def check(connection: Connection) -> None:
        if marks.updated_at(connection, noun, key) != body["updated_at"]:
            raise PreconditionFailed(_STALE)

    return check


class Guarded(Database):
    """The same database; its first transaction begins with a check."""

    def __init__(self, database: Database, check: Callable[[Connection], None]) -> None:
        self.engine, self.reading, self.is_sqlite = database.engine, database.reading, database.is_sqlite
        self._check: Callable[[Connection], None] | None = check

    @contextlib.contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction. Those after the first see what this call itself has changed."""
        check, self._check = self._check, None
        with super().write() as connection:
            if check:
                check(connection)
            yield connection
