"""When Heat is told once more what it was told already."""

import dataclasses

_FIRST = 30.0
_MOST = 1000


@dataclasses.dataclass(slots=True)
class Patience:
    """By what is waited for: Unix seconds since when, and seconds to wait before the next time, twice as many
    each time. A conductor that starts begins anew.
    """

    _waits: dict[tuple[str, int], tuple[float, float]] = dataclasses.field(default_factory=dict)

    def is_over(self, cluster_uuid: str, generation: int, now: float) -> bool:
        """Whether this wait has lasted long enough to do something; the first call begins it."""
        key = (cluster_uuid, generation)
        if key not in self._waits:
            if len(self._waits) >= _MOST:  # those that have ended are not told of
                del self._waits[next(iter(self._waits))]
            self._waits[key] = (now, _FIRST)
            return False
        since, wait = self._waits[key]
        if now - since < wait:
            return False
        self._waits[key] = (now, 2 * wait)
        return True
