"""What the supervisor is given: services that run and tasks that are done once, as data."""

import dataclasses
from collections.abc import Callable, Mapping

Action = Callable[[], object]


@dataclasses.dataclass(frozen=True, slots=True)
class Service:
    """A process that must run. ``after`` names units that must be ready before its first start;
    ``prepare`` are called, in order, before each start; ``ready`` says whether it serves.
    """

    name: str
    command: tuple[str, ...]
    ready: Callable[[], bool]
    environment: Mapping[str, str] = dataclasses.field(default_factory=dict)
    after: tuple[str, ...] = ()
    prepare: tuple[Action, ...] = ()
    before_stop: tuple[Action, ...] = ()
    start_seconds: float = 120
    stop_seconds: float = 10


@dataclasses.dataclass(frozen=True, slots=True)
class Task:
    """Something to do once at each start of the supervisor. It is repeated when it fails."""

    name: str
    run: Action
    after: tuple[str, ...] = ()


Unit = Service | Task


class PlanError(Exception):
    """The units name one another wrongly."""


def in_order(units: tuple[Unit, ...]) -> tuple[Unit, ...]:
    """The units, each behind those that it names in ``after``. Raises PlanError for a circle, an
    unknown or a repeated name.
    """
    if len({unit.name for unit in units}) != len(units):
        raise PlanError("two units have the same name")
    done: list[Unit] = []
    waiting = list(units)
    while waiting:
        names = {unit.name for unit in done}
        ready = [unit for unit in waiting if names.issuperset(unit.after)]
        if not ready:
            raise PlanError(f"these wait for one another or for nobody: {', '.join(u.name for u in waiting)}")
        done.extend(ready)
        waiting = [unit for unit in waiting if unit not in ready]
    return tuple(done)
