"""What the use cases work with; made once per process."""

import dataclasses
from typing import Any, Protocol

from magnum_lite.cloud.lookups import Lookups
from magnum_lite.context import Context
from magnum_lite.db.session import Database
from magnum_lite.policy import Policy


class ConductorPort(Protocol):
    """What the API asks of conductors (``rpc.Conductors``)."""

    def look(self, cluster_uuid: str) -> None:
        """Nudge."""

    def sign(self, context: Context, cluster_uuid: str, csr: str, ttl: int | None) -> str:
        """A client certificate, PEM."""

    def plan(self, cluster: dict[str, Any], groups: list[dict[str, Any]], action: str) -> dict[str, Any]:
        """What a change would do."""


@dataclasses.dataclass(frozen=True)
class Deps:
    """Ports of the use cases."""

    conf: Any
    database: Database
    policy: Policy
    lookups: Lookups
    conductors: ConductorPort


def scope(deps: Deps, context: Context, verb: str) -> str | None:
    """The project whose objects the caller sees; None: all of them. ``verb``: whose rule
    ``<verb>_all_projects`` opens them to an administrator (``cluster:get_one``).
    """
    everywhere = deps.policy.is_admin(context) and deps.policy.allows(context, f"{verb}_all_projects")
    return None if everywhere else context.project_id
