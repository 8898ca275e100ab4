"""Objects that were written for an answer once and have not changed since. Cluster templates are listed by
every client before it makes a cluster, and hardly ever change: reading and writing their 36 fields again is
nearly all that such a list costs. What a caller may see is asked of the database each time, and so is whether
it changed; only what it looks like is kept, which is the same for everybody.
"""

import operator
from collections.abc import Callable, Hashable, Sequence

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
        self._kept: dict[Hashable, dict[Hashable, bytes]] = {}

    def known(self, call: Call) -> Callable[[Row], bool]:
        """Whether a row's object is there for this kind of call; of the row uuid and times are enough."""
        kept = self._kept.get(_manner(call), {})
        return lambda row: _state(row) in kept

    def parts(self, call: Call, rows: Sequence[Row], show: Callable[[Row], object]) -> list[bytes]:
        """Each row's object; ``show`` makes those that are not there yet, of rows that are whole."""
        manner = _manner(call)
        kept = self._kept.get(manner, {})
        out = []
        for row in rows:
            state = _state(row)
            raw = kept.get(state)
            if raw is None:
                raw = written(show(row))
                self._keep(manner, state, raw)
            out.append(raw)
        return out

    def _keep(self, manner: Hashable, key: Hashable, raw: bytes) -> None:
        if len(raw) > _LARGE:
            return
        if self._size + len(raw) > self._most:
            self._kept, self._size = {}, 0
        self._kept.setdefault(manner, {})[key] = raw
        self._size += len(raw)


_state = operator.itemgetter("uuid", "created_at", "updated_at")  # both to the microsecond


def _manner(call: Call) -> Hashable:
    return (call.dialect.clusters, call.version, call.base)
