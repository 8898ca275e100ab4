"""In-memory twins of the engine and the host, for fast tests of everything above them.

They keep the contract of the ports, also its refusals: overlapping networks, an address taken
twice, a network in use, an unknown image.
"""

import ipaddress
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from magnum_lite.local.cloud.engine import (
    AddressConflict,
    BalancerSpec,
    EngineAway,
    EngineError,
    Link,
    NodeSpec,
)


class MemoryEngine:
    """An engine whose nodes are dicts. ``images`` are the names it knows; ``hold`` stops ``run``
    until it is set again, ``away`` makes every call fail.
    """

    def __init__(self, images: frozenset[str]) -> None:
        self.images = images
        self.networks: dict[str, str] = {}
        self.nodes: dict[str, NodeSpec] = {}
        self.plugged: dict[str, dict[str, Link]] = {}
        self.balancing: dict[str, BalancerSpec] = {}
        self.commands: list[tuple[str, tuple[str, ...]]] = []
        self.hold = threading.Event()
        self.hold.set()
        self.away = False
        self._states: dict[str, str] = {}
        self._lock = threading.RLock()
        self._closed = threading.Event()
        self._started: Callable[[str], None] = lambda _server: None

    def alive(self) -> bool:
        """Whether the engine answers."""
        return not self.away

    def ensure_network(self, subnet_id: str, project_id: str, cidr: str, gateway: str) -> None:  # noqa: ARG002
        """Make the subnet's network unless it is there. Raises AddressConflict."""
        self._answer()
        wanted = ipaddress.IPv4Network(cidr)
        with self._lock:
            for other, known in self.networks.items():
                if other != subnet_id and wanted.overlaps(ipaddress.IPv4Network(known)):
                    raise AddressConflict("Pool overlaps with other one on this address space")
            self.networks[subnet_id] = cidr

    def remove_network(self, subnet_id: str) -> None:
        """Remove the subnet's network; none is fine."""
        self._answer()
        with self._lock:
            used = [one.link.subnet_id for one in self.balancing.values()]
            if subnet_id in used or any(subnet_id in links for links in self.plugged.values()):
                raise EngineError(f"network sub-{subnet_id} has active endpoints")
            self.networks.pop(subnet_id, None)

    def run(self, spec: NodeSpec) -> None:
        """Create and start a node. One that runs already is left alone."""
        self._answer()
        self.hold.wait(30)
        with self._lock:
            if self._states.get(spec.server_id) in {"running", "paused"}:
                return
            if spec.image not in self.images:
                raise EngineError(f"No such image: {spec.image}")
            self.plugged.setdefault(spec.server_id, {})
            for link in spec.links:
                self._plug(spec.server_id, link)
            self.nodes[spec.server_id] = spec
            self._states[spec.server_id] = "running"
        self._started(spec.server_id)

    def remove(self, server_id: str) -> None:
        """Remove a node; none is fine."""
        self._answer()
        with self._lock:
            for kept in (self.nodes, self.plugged, self._states):
                kept.pop(server_id, None)

    def states(self) -> dict[str, str]:
        """Server id to state."""
        self._answer()
        return dict(self._states)

    def state(self, server_id: str) -> str | None:
        """The state of one node, None when there is none."""
        self._answer()
        return self._states.get(server_id)

    def act(self, server_id: str, action: str) -> None:
        """start, stop, restart, kill, pause or unpause a node."""
        self._exists(server_id)
        self._states[server_id] = {"stop": "exited", "pause": "paused"}.get(action, "running")
        if action in {"start", "restart", "kill"}:
            self._started(server_id)

    def connect(self, server_id: str, link: Link) -> None:
        """Plug a node into a network."""
        self._exists(server_id)
        with self._lock:
            self._plug(server_id, link)

    def _plug(self, server_id: str, link: Link) -> None:
        if link.subnet_id not in self.networks:
            raise EngineError(f"network sub-{link.subnet_id} not found")
        for other, links in self.plugged.items():
            if other != server_id and any(known.address == link.address for known in links.values()):
                raise EngineError("Address already in use")
        self.plugged[server_id][link.subnet_id] = link

    def disconnect(self, server_id: str, subnet_id: str) -> None:
        """Unplug a node; one that is not plugged in is fine."""
        self._answer()
        self.plugged.get(server_id, {}).pop(subnet_id, None)

    def console(self, server_id: str) -> str:
        """A console with one line that names the server."""
        self._answer()
        return f"boot of {server_id}\nlogin:\n" if server_id in self._states else ""

    def execute(self, server_id: str, command: tuple[str, ...]) -> tuple[int, str]:
        """Record a command and say that it went well."""
        self._exists(server_id)
        self.commands.append((server_id, command))
        return 0, ""

    def balance(self, spec: BalancerSpec) -> None:
        """Run a load balancer."""
        self._answer()
        with self._lock:
            if spec.image not in self.images:
                raise EngineError(f"No such image: {spec.image}")
            if spec.link.subnet_id not in self.networks:
                raise EngineError(f"network sub-{spec.link.subnet_id} not found")
            self.balancing[spec.balancer_id] = spec

    def unbalance(self, balancer_id: str) -> None:
        """Remove a load balancer; none is fine."""
        self._answer()
        self.balancing.pop(balancer_id, None)

    def balancers(self) -> dict[str, str]:
        """Id to state of the load balancers."""
        self._answer()
        return dict.fromkeys(self.balancing, "running")

    def watch(self, started: Callable[[str], None], back: Callable[[], None]) -> None:
        """Report starts of nodes until ``close``."""
        self._started = started
        back()
        self._closed.wait()

    def close(self) -> None:
        """End ``watch``."""
        self._closed.set()

    def _answer(self) -> None:
        if self.away:
            raise EngineAway("dockerd does not answer")

    def _exists(self, server_id: str) -> None:
        self._answer()
        if server_id not in self._states:
            raise EngineError(f"No such container: srv-{server_id}")


class MemoryHost:
    """A machine whose rules and loop devices are dicts."""

    def __init__(self) -> None:
        self.published: dict[str, str] = {}
        self.loops: dict[Path, int] = {}
        self.busy: set[Path] = set()

    def publish(self, addresses: Mapping[str, str]) -> None:
        """Make exactly these floating addresses lead to these fixed ones."""
        self.published = dict(addresses)

    def attach(self, file: Path) -> tuple[int, int]:
        """Put a file behind a loop device: major, minor."""
        free = next(minor for minor in range(256) if minor not in self.loops.values())
        return 7, self.loops.setdefault(file, free)

    def release(self, file: Path) -> None:
        """Take the file's loop device away unless it is ``busy``."""
        if file not in self.busy:
            self.loops.pop(file, None)

    def attached(self, file: Path) -> bool:
        """Whether a loop device still holds the file."""
        return file in self.loops

    def grow(self, file: Path) -> None:
        """Nothing to do in memory."""
