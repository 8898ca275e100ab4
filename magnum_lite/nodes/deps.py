"""What the node door works with."""

import dataclasses
import time
from collections.abc import Callable
from typing import Any, Protocol

from magnum_lite.db.session import Database


class ConductorPort(Protocol):
    """What the door asks of conductors (``rpc.Conductors``): everything with a key or a secret."""

    def look(self, cluster_uuid: str) -> None:
        """Nudge."""

    def enrol(self, request: dict[str, Any]) -> dict[str, Any]:
        """A node's certificates."""

    def keep_join_tokens(self, node_id: str, tokens: dict[str, str]) -> None:
        """To be sealed."""

    def join_token(self, node_id: str) -> str | None:
        """Of the node's role."""


@dataclasses.dataclass(frozen=True)
class DoorDeps:
    """``clock`` gives Unix seconds."""

    conf: Any
    database: Database
    conductors: ConductorPort
    clock: Callable[[], float] = time.time
