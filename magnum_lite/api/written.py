"""Objects that were written for an answer once and have not changed since. Cluster templates are listed by
every client before it makes a cluster, and hardly ever change: reading and writing their 36 fields again is
nearly all that such a list costs. What a caller may see is asked of the database each time, and so is whether
it changed; only what it looks like is kept, which is the same for everybody.
"""

import operator
from collections.abc import Callable, Hashable, Mapping, Sequence

from magnum_lite.api.call import Call, written
from magnum_lite.db.rows import Row

MOST = 4 * 2**20  # bytes of all that is kept
_LARGE = 2**16


class Written:
    """Written objects by how they are shown (dialect, version, links) and by which state of which row they
    show, bounded.
    """

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._size = 0
        self._kept: dict[Hashable, bytes] = {}

    def shown_to(self, call: Call) -> "Shown":
        """What is there for this kind of call."""
        return Shown((call.dialect.clusters, call.version, call.base), self._kept, self._keep)

    def _keep(self, key: Hashable, raw: bytes) -> None:
        if len(raw) > _LARGE:
            return
        if self._size + len(raw) > self._most:
            self._kept, self._size = {}, 0  # another one: who reads the one before has it still
        self._kept[key] = raw
        self._size += len(raw)


class Shown:
    """For one request: nothing that is known at its start is gone before its end, whatever other threads
    write meanwhile.
    """

    def __init__(
        self, manner: Hashable, kept: Mapping[Hashable, bytes], keep: Callable[[Hashable, bytes], None]
    ) -> None:
        self._manner, self._kept, self._keep = manner, kept, keep

    def _key(self, row: Row) -> Hashable:
        return (self._manner, _state(row))

    def is_known(self, row: Row) -> bool:
        """Whether a row's object is there; of the row uuid and times are enough."""
        return self._key(row) in self._kept

    def parts(self, rows: Sequence[Row], show: Callable[[Row], object]) -> list[bytes]:
        """Each row's object; ``show`` makes those that are not there yet, of rows that are whole."""
        out = []
        for row in rows:
            key = self._key(row)
            raw = self._kept.get(key)
            if raw is None:
                raw = written(show(row))
                self._keep(key, raw)
            out.append(raw)
        return out


_state = operator.itemgetter("uuid", "created_at", "updated_at")  # both to the microsecond
