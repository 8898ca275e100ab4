"""How often a cluster that waits for Heat is looked at by itself: many of them cost no more than few."""

import dataclasses

LOOKS = 20.0  # a second, of all that wait for Heat
_GLANCES = 10  # looks at all of them together, between two looks at one


@dataclasses.dataclass(slots=True)
class Pace:
    """``waiting``: clusters whose stacks are in progress, as the conductor counted them last."""

    waiting: int = 0

    @property
    def interval(self) -> float:
        """Seconds between two looks at the same cluster."""
        return self.waiting / LOOKS

    def glances(self, shortest: float) -> float | None:
        """Seconds between two looks at all of them together; None while so few wait that each is looked at
        every ``shortest`` seconds anyway.
        """
        return max(shortest, self.interval / _GLANCES) if self.interval > shortest else None
