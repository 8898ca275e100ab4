"""Statuses of a cluster, and which of them a user sees.

The row holds what the conductor last concluded; while a newer generation is not yet observed,
the user sees ``<ACTION>_IN_PROGRESS`` of that generation.
"""

import enum


class Action(enum.StrEnum):
    """What the newest generation asks for."""

    CREATE = "CREATE"
    UPDATE = "UPDATE"
    ROLLBACK = "ROLLBACK"
    DELETE = "DELETE"


IN_PROGRESS = "IN_PROGRESS"
COMPLETE = "COMPLETE"
FAILED = "FAILED"

ALL = tuple(f"{a}_{s}" for a in Action for s in (IN_PROGRESS, COMPLETE, FAILED))


class Health(enum.StrEnum):
    """Upstream's three words."""

    HEALTHY = "HEALTHY"
    UNHEALTHY = "UNHEALTHY"
    UNKNOWN = "UNKNOWN"


class NodeState(enum.StrEnum):
    """Life of one node record."""

    PLANNED = "planned"  # recorded, its machine not seen yet
    BOOTING = "booting"  # it enrolled or reported
    READY = "ready"
    FAILED = "failed"  # it said so, or was silent past a step's deadline
    LEAVING = "leaving"  # chosen for removal
    GONE = "gone"


def shown(*, action: str, status: str, generation: int, observed_generation: int) -> str:
    """The status that a user sees."""
    return status if generation == observed_generation else f"{action}_{IN_PROGRESS}"


def is_busy(status: str) -> bool:
    """True for every ``*_IN_PROGRESS``."""
    return status.endswith(IN_PROGRESS)
