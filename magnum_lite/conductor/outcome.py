"""What a phase answers."""

import dataclasses
from collections.abc import Mapping


@dataclasses.dataclass(frozen=True)
class Done:
    """As it should be: go on."""


@dataclasses.dataclass(frozen=True)
class Wait:
    """Look again in ``seconds``. ``reason`` is shown to the user."""

    seconds: float
    reason: str = ""


@dataclasses.dataclass(frozen=True)
class Failed:
    """This generation has failed. ``faults``: by node or resource."""

    reason: str
    faults: Mapping[str, str] = dataclasses.field(default_factory=dict)


Outcome = Done | Wait | Failed
DONE = Done()
