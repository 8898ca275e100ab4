"""A bay's Docker API: its swarm's nodes, over mutual TLS, at whichever manager answers.

See ``native.engine.Engine``.
"""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import docker
import requests
from docker import errors as docker_errors

from magnum_lite.models.load import Load
from magnum_lite.native.engine import EngineNode, EngineRefused, EngineUnreachable
from magnum_lite.native.masters import Masters
from magnum_lite.native.tls import ContextTLS, TooMuch

_ATTEMPTS = 4
# Task states in which something of the task still runs on its node (SwarmKit's api/types.proto).
_ALIVE = frozenset({"assigned", "accepted", "preparing", "ready", "starting", "running"})

T = TypeVar("T")


@dataclasses.dataclass(frozen=True, slots=True)
class SwarmNode:
    """One line of ``docker node ls``. ``state`` is ready, down, unknown or disconnected; ``availability``
    active, pause or drain; ``role`` manager or worker; ``reachability`` of managers is reachable,
    unreachable or unknown, of workers None.
    """

    id: str
    hostname: str
    state: str
    availability: str
    role: str
    address: str
    engine_version: str
    labels: Mapping[str, str]
    reachability: str | None
    leader: bool


def _node(raw: Mapping[str, Any]) -> SwarmNode:
    manager = raw.get("ManagerStatus") or {}
    status, spec, description = raw["Status"], raw["Spec"], raw.get("Description") or {}
    address = manager.get("Addr", "").rpartition(":")[0] if status.get("Addr") == "0.0.0.0" else None  # noqa: S104  # nosec B104
    return SwarmNode(
        id=raw["ID"],
        hostname=description.get("Hostname", ""),
        state=status["State"],
        availability=spec["Availability"],
        role=spec["Role"],
        # The node that answers may know its own address only as a manager's.
        address=address or status.get("Addr", ""),
        engine_version=(description.get("Engine") or {}).get("EngineVersion", ""),
        labels=spec.get("Labels") or {},
        reachability=manager.get("Reachability"),
        leader=bool(manager.get("Leader")),
    )


def _why(address: str, error: BaseException) -> str:
    if isinstance(error, docker_errors.DockerException) and error.__cause__:
        error = error.__cause__  # the SDK wraps what went wrong with its first request
    match error:
        case requests.exceptions.SSLError():
            return f"{address}: the TLS handshake failed; a certificate was not accepted"
        case requests.exceptions.TooManyRedirects() | TooMuch():
            return f"{address}: what answers is no engine"
        case requests.exceptions.ConnectTimeout() | requests.exceptions.ReadTimeout():
            return f"{address}: no answer in time"
    # With TLS 1.3 a server refuses the client's certificate after the handshake, in place of an answer.
    if "alert" in str(error):
        return f"{address}: the engine refused the client's certificate"
    return f"{address}: can't be reached"


class SwarmEngine(Masters):
    """See `Masters`; here they are managers."""

    @functools.cached_property
    def _clients(self) -> dict[str, Any]:
        return {}

    def load(self) -> Load | None:
        """Services wait in a swarm without saying for what."""
        return None

    def close(self) -> None:
        """Close all connections."""
        for client in self._clients.values():
            client.close()
        self._clients.clear()

    def _client(self, address: str) -> Any:
        if address not in self._clients:
            self._clients[address] = docker.APIClient(
                f"https://{address}", version="auto", tls=ContextTLS(self._context), timeout=self._time_limit
            )
        return self._clients[address]

    def _ask(self, call: Callable[[Any], T]) -> T:
        """``call`` with a client of the first manager that answers."""
        reasons: list[str] = []
        refused: str | None = None
        for address in list(self._addresses):
            try:
                answer = call(self._client(address))
            except docker_errors.NotFound:
                raise
            except docker_errors.APIError as error:
                if error.status_code != 503:
                    raise EngineRefused(f"The engine refused: {error.explanation or error}") from error
                refused = f"The engine refused: {error.explanation}"  # no manager (any more), or no leader
            except (requests.exceptions.RequestException, docker_errors.DockerException) as error:
                reasons.append(_why(address, error))
            except (LookupError, TypeError, ValueError, AttributeError):
                reasons.append(f"{address}: what answers is no engine")  # root on a manager can be anything
            else:
                self._answered(address)
                return answer
        if refused:
            raise EngineRefused(refused)
        raise EngineUnreachable("; ".join(reasons) or "The bay has no manager's address.")

    def check(self) -> str:
        """A swarm that answers is well; it has no API that says more."""
        self._ask(lambda client: client.ping())
        return ""

    def nodes(self) -> list[EngineNode]:
        """``docker node ls``, as every engine tells it."""
        return [
            EngineNode(
                n.id,
                n.hostname,
                n.state,
                draining=n.availability == "drain",
                role="master" if n.role == "manager" else "worker",
                version=n.engine_version,
                labels=n.labels,
            )
            for n in self.swarm_nodes()
        ]

    def swarm_nodes(self) -> list[SwarmNode]:
        """All nodes the swarm knows."""
        return self._ask(lambda client: [_node(raw) for raw in client.nodes()])

    def _change(self, node_id: str, change: Callable[[dict[str, Any]], None]) -> None:
        """Read a node's spec, change it, write it back; again if somebody else wrote in between."""

        def once(client: Any) -> None:
            raw = client.inspect_node(node_id)
            spec = raw["Spec"]
            spec["Labels"] = dict(spec.get("Labels") or {})
            before = {**spec, "Labels": dict(spec["Labels"])}
            change(spec)
            if spec != before:
                client.update_node(node_id, raw["Version"]["Index"], spec)

        for attempt in range(1, _ATTEMPTS + 1):
            try:
                self._ask(once)
            except docker_errors.NotFound:
                raise EngineRefused(f"The swarm has no node {node_id}.") from None
            except EngineRefused as error:
                if "out of sequence" not in error.reason or attempt == _ATTEMPTS:
                    raise
            else:
                return

    def set_labels(self, node_id: str, labels: Mapping[str, str | None]) -> None:
        """Set these labels of a node, remove those with None, leave the tenant's others alone."""

        def change(spec: dict[str, Any]) -> None:
            merged = {**spec["Labels"], **labels}
            spec["Labels"] = {name: value for name, value in merged.items() if value is not None}

        self._change(node_id, change)

    def drain(self, node_id: str) -> bool:
        """Ask the swarm to move its services' tasks elsewhere; True once none runs. Containers of ``docker
        run`` stay. A node that is down or gone runs nothing that waiting could help.
        """
        node = next((n for n in self.swarm_nodes() if n.id == node_id), None)
        if node is None:
            return True
        if node.availability != "drain":
            self._change(node_id, lambda spec: spec.update(Availability="drain"))
        if node.state == "down":
            return True
        tasks = self._ask(lambda client: client.tasks(filters={"node": node_id}))
        return not any(task["Status"]["State"] in _ALIVE for task in tasks)

    def uncordon(self, node_id: str) -> None:
        """Let the node take tasks again."""
        self._change(node_id, lambda spec: spec.update(Availability="active"))

    def promote(self, node_id: str) -> None:
        """Make a worker a manager."""
        self._change(node_id, lambda spec: spec.update(Role="manager"))

    def demote(self, node_id: str) -> None:
        """Make a manager a worker, which it must be before it is removed."""
        self._change(node_id, lambda spec: spec.update(Role="worker"))

    def remove(self, node_id: str) -> bool:
        """Take a node off the swarm's list, also one that still runs; one that is not on it is fine. A
        manager is demoted first; False until the others have it out of their Raft.
        """
        node = next((n for n in self.swarm_nodes() if n.id == node_id), None)
        if node is None:
            return True
        if node.role == "manager":
            self.demote(node_id)
        if node.role == "manager" or node.reachability is not None:
            return False
        try:
            self._ask(lambda client: client.remove_node(node_id, force=True))
        except docker_errors.NotFound:
            return True
        return True
