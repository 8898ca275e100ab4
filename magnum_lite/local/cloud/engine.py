"""The port to what really exists on the dockerd: networks, nodes, their files and states.

``docker_engine`` is the real one, ``memory`` its twin for fast tests; a contract test runs
against both. Every call is idempotent where a kill could have cut it off half way.
"""

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

#: Labels by which everything that exists can be found again.
SERVER_LABEL = "magnum-lite.server"
PROJECT_LABEL = "magnum-lite.project"
SUBNET_LABEL = "magnum-lite.subnet"
CLOUD_LABEL = "magnum-lite.cloud"
BALANCER_LABEL = "magnum-lite.balancer"


class EngineError(Exception):
    """The engine refused; the text is its own."""


class EngineAway(EngineError):
    """The engine does not answer at all: try again later."""


class AddressConflict(EngineError):
    """A network with an overlapping range exists already."""


@dataclasses.dataclass(frozen=True, slots=True)
class Link:
    """A node's place on a subnet's network."""

    subnet_id: str
    address: str
    mac: str


@dataclasses.dataclass(frozen=True, slots=True)
class NodeSpec:
    """A node to be run. ``files`` are put into it before its first start (absolute path to bytes,
    mode 0600); the limits are the flavor's. With several links, which becomes eth0 and has the
    default route is the engine's choice, and may change at a restart.
    """

    server_id: str
    project_id: str
    hostname: str
    image: str
    ram_mib: int
    vcpus: int
    links: tuple[Link, ...]
    files: Mapping[str, bytes]
    nameservers: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class BalancerSpec:
    """A load balancer to be run: a container with one program, which sees ``directory`` of this machine as
    ``BALANCER_HOME``.
    """

    balancer_id: str
    project_id: str
    image: str
    link: Link
    directory: Path
    command: tuple[str, ...]


BALANCER_HOME = "/balancer"


class Engine(Protocol):
    """What the local cloud asks of a container engine. Calls raise EngineAway or EngineError."""

    def alive(self) -> bool:
        """Whether the engine answers."""

    def ensure_network(self, subnet_id: str, project_id: str, cidr: str, gateway: str) -> None:
        """Make the subnet's bridge network unless it is there. Raises AddressConflict."""

    def remove_network(self, subnet_id: str) -> None:
        """Remove the subnet's network; none is fine."""

    def run(self, spec: NodeSpec) -> None:
        """Create and start a node. One that runs already is left alone, a half-made one is made again."""

    def remove(self, server_id: str) -> None:
        """Kill a node and remove it with its own volumes; none is fine."""

    def states(self) -> dict[str, str]:
        """Server id to state of this cloud's nodes: created, running, paused, restarting, exited, dead."""

    def state(self, server_id: str) -> str | None:
        """The state of one node, None when there is none."""

    def act(self, server_id: str, action: str) -> None:
        """start, stop, restart, kill (then start again), pause or unpause a node. Blocks until done."""

    def connect(self, server_id: str, link: Link) -> None:
        """Plug a node into a network."""

    def disconnect(self, server_id: str, subnet_id: str) -> None:
        """Unplug a node; one that is not plugged in is fine."""

    def console(self, server_id: str) -> str:
        """What PID 1 has printed and what cloud-init has logged, also of a node that stands still."""

    def execute(self, server_id: str, command: tuple[str, ...]) -> tuple[int, str]:
        """Run a command in a running node: its exit code and output."""

    def balance(self, spec: BalancerSpec) -> None:
        """Run a load balancer. One that runs is left alone, any other one is made again."""

    def unbalance(self, balancer_id: str) -> None:
        """Remove a load balancer; none is fine."""

    def balancers(self) -> dict[str, str]:
        """Id to state of this cloud's load balancers."""

    def watch(self, started: Callable[[str], None], back: Callable[[], None]) -> None:
        """Call ``started`` with the server id of each node that starts, and ``back`` whenever the
        engine answers again after it was away. Blocks until ``close``.
        """

    def close(self) -> None:
        """End ``watch``."""
