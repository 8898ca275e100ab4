"""Requests whose answer never left, because the cloud was killed between the record and the answer.

Their caller does not know the new object's id and will never use or delete it: a server would hold
its port, a port its network, for ever. So what a request makes is marked until its answer has been
sent, and what is still marked at the next start is taken back.
"""

import functools
import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from magnum_lite.local.cloud.engine import EngineError
from magnum_lite.local.cloud.faults import Fault
from magnum_lite.local.cloud.host import HostError
from magnum_lite.local.cloud.store import Record, Store

if TYPE_CHECKING:
    from magnum_lite.local.cloud.app import Cloud

LOG = logging.getLogger(__name__)

#: What a new record carries until its answer has been sent.
MARK = {"_unanswered": True}
#: What is marked; what uses others before the others.
_PARTS = ("member", "healthmonitor", "pool", "listener")
_KINDS = (
    *_PARTS, "loadbalancer", "server", "floatingip", "volume", "port", "router", "subnet", "network",
    "security_group",
)  # fmt: skip


def answered(store: Store, kind: str, ident: str) -> Callable[[], None]:
    """What is to be done once the answer about an object has been sent."""

    def settle() -> None:
        store.change(kind, ident, _unanswered=False)

    return settle


def lost(store: Store) -> dict[str, list[str]]:
    """What was never answered, by kind: to be read before the first request is served."""
    return {kind: [one["id"] for one in store.list(kind) if one.get("_unanswered")] for kind in _KINDS}


def take_back(cloud: "Cloud", ids: Mapping[str, list[str]]) -> None:
    """Remove what nobody knows of."""
    removals: dict[str, Callable[[Record], None]] = {
        "server": lambda record: cloud.servers.delete(record["id"]),
        "floatingip": cloud.floating.delete,
        "volume": cloud.volumes.delete,
        "port": cloud.ports.delete,
        "router": cloud.routers.delete,
        "subnet": cloud.networks.delete_subnet,
        "network": cloud.networks.delete_network,
        "security_group": cloud.groups.delete,
        "loadbalancer": functools.partial(cloud.balancers.delete, cascade=True),
    }
    removals |= {kind: functools.partial(cloud.balanced.delete, kind) for kind in _PARTS}
    for kind in _KINDS:
        for record in filter(None, (cloud.store.get(kind, ident) for ident in ids[kind])):
            LOG.warning("taking back kind=%s id=%s: its request was never answered", kind, record["id"])
            try:
                removals[kind](record)
            except (Fault, EngineError, HostError) as error:
                LOG.warning("could not take back kind=%s id=%s: %s", kind, record["id"], error)
