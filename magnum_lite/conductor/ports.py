"""What a conductor works with; made once per process."""

import dataclasses
import time
from collections.abc import Callable, Collection, Mapping
from typing import Any, Protocol

from magnum_lite.cloud.credentials import Credentials
from magnum_lite.cloud.lookups import Allowance, Flavor
from magnum_lite.conductor.notifications import Notify, nobody
from magnum_lite.conductor.pace import Pace
from magnum_lite.conductor.patience import Patience
from magnum_lite.db.session import Database
from magnum_lite.drivers.contract import DoorSpec
from magnum_lite.orchestration.stacks import Stacks
from magnum_lite.pki.sealing import Sealer


class MayAct(Protocol):
    """Whether the service user may act in a project (``cloud.sessions``)."""

    def may_act_in(self, project_id: str) -> bool:
        """False: its role is missing there."""


class ConsolePort(Protocol):
    """Consoles of servers (``cloud.console``)."""

    def tail(self, project_id: str, server_id: str, lines: int) -> str:
        """The last lines, or an empty text."""


class ServersPort(Protocol):
    """Servers of a project (``cloud.servers``)."""

    def states(self, project_id: str) -> Mapping[str, str]:
        """Server id → status. Raises Unavailable."""


class RoomPort(Protocol):
    """Quotas of a project (``cloud.room``). Calls raise what look-ups raise."""

    def flavor(self, project_id: str, ident: str) -> Flavor:
        """By id or name."""

    def left(self, project_id: str, wanted: Collection[str]) -> Mapping[str, Allowance]:
        """What is left of the quotas of these names; one without a limit is left out."""


@dataclasses.dataclass(frozen=True)
class Ports:
    """``clock`` gives Unix seconds; ``owner`` names this conductor in leases; ``last_words`` gives what
    ``notify`` was told up to so many seconds to leave; ``cloud_ca`` is what nodes check the cloud's APIs by.
    """

    conf: Any
    database: Database
    stacks: Stacks
    sealer: Sealer
    door: DoorSpec
    owner: str
    cloud_ca: str = ""
    sessions: MayAct | None = None
    consoles: ConsolePort | None = None
    notify: Notify = nobody
    last_words: Callable[[float], None] = lambda _: None
    servers: ServersPort | None = None
    credentials: Credentials | None = None
    room: RoomPort | None = None
    clock: Callable[[], float] = time.time
    pace: Pace = dataclasses.field(default_factory=Pace)
    patience: Patience = dataclasses.field(default_factory=Patience)
