"""The port to a bay's own API, whichever its engine (COE) is, and who speaks it.

All calls can be repeated: asking for what is so already changes nothing.
"""

import dataclasses
import functools
import importlib
import importlib.metadata
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from magnum_lite.models.load import Load

GROUP = "magnum_lite.engines"
_OWN = {
    "kubernetes": "magnum_lite.native.kubernetes:KubernetesEngine",
    "swarm": "magnum_lite.native.docker:SwarmEngine",
}


class EngineError(Exception):
    """A call to the bay's API came to nothing; ``reason`` may be shown to the bay's owner."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class EngineUnreachable(EngineError):
    """No master could be talked to: network, time limit, or TLS."""


class EngineRefused(EngineError):
    """A master answered, and would not."""


@dataclasses.dataclass(frozen=True, slots=True)
class EngineNode:
    """A node as the engine sees it. ``state`` is ``ready`` or the engine's word for what it is instead,
    ``reason`` says why. ``draining``: takes nothing new.
    """

    id: str
    hostname: str
    state: str
    reason: str = ""
    draining: bool = False
    role: str = "worker"
    version: str = ""
    labels: Mapping[str, str] = dataclasses.field(default_factory=dict)


class Engine(Protocol):
    """The masters of one bay. Each call raises EngineUnreachable or EngineRefused. Not for sharing between
    threads; close it.
    """

    def check(self) -> str:
        """What is wrong with the API as a whole, in words; '' if nothing is."""
        ...

    def nodes(self) -> list[EngineNode]:
        """All nodes that the engine knows."""
        ...

    def set_labels(self, node_id: str, labels: Mapping[str, str | None]) -> None:
        """Set these labels of a node, remove those with None, leave the tenant's others alone."""
        ...

    def drain(self, node_id: str) -> bool:
        """Nothing new on this node, and what is there moves elsewhere. True once nothing is left that could
        move, and of a node that is down or gone: call it until then.
        """
        ...

    def uncordon(self, node_id: str) -> None:
        """Undo `drain`: the node takes work again."""
        ...

    def remove(self, node_id: str) -> bool:
        """Take a node off the engine's list, also one that still runs; one that is not on it is fine. True
        once it is off: a master has to leave those who vote first; call it until then.
        """
        ...

    def load(self) -> Load | None:
        """What its nodes have to do, and what waits for room; None where the engine has no such numbers."""
        ...

    def close(self) -> None:
        """Close all connections."""
        ...


def connect(coe: str, addresses: Sequence[str], *, ca_pem: str, cert_pem: str, key_pem: str) -> Engine:
    """The engine of a bay at ``host:port`` addresses, tried in this order. Keys stay in memory. Raises
    EngineUnreachable if a PEM can't be used.
    """
    return _factory(coe)(addresses, ca_pem=ca_pem, cert_pem=cert_pem, key_pem=key_pem)


@functools.cache
def _factory(coe: str) -> Callable[..., Engine]:
    for point in importlib.metadata.entry_points(group=GROUP):
        if point.name == coe:
            found: Callable[..., Engine] = point.load()
            return found
    module, _, name = _OWN[coe].partition(":")  # a checkout that nobody installed has no metadata
    own: Callable[..., Engine] = getattr(importlib.import_module(module), name)
    return own
