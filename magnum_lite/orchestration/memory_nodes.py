"""One stack of `memory.MemoryStacks` and the nodes in it, as a state machine without locks or time of its
own.
"""

import dataclasses
import uuid
from collections.abc import Mapping
from typing import Any

from magnum_lite.models.stack import ResourceFault, Stack, StackRequest

# role: resource group, its output, and the parameters that set count and removed indices
_GROUPS = {
    "manager": ("swarm_masters", "masters", "managers", "removed_managers"),
    "worker": ("swarm_nodes", "workers", "workers", "removed_workers"),
}


@dataclasses.dataclass(slots=True)
class MemoryNode:
    """A server, its nested stack, and what its handle was told: None, "SUCCESS" or "FAILURE"."""

    role: str
    index: int
    address: str
    floating: str
    signalled: str | None = None
    server: str = dataclasses.field(default_factory=lambda: str(uuid.uuid4()))
    stack: str = dataclasses.field(default_factory=lambda: str(uuid.uuid4()))


def _indices(value: Any) -> set[int]:
    items = value.split(",") if isinstance(value, str) else value or ()
    return {int(item) for item in items if str(item).strip()}


@dataclasses.dataclass(slots=True)
class Record:
    """A stack. ``subnet`` numbers its network, so that no two stacks share an address."""

    id: str
    project_id: str
    name: str
    subnet: int
    action: str = ""
    status: str = ""
    reason: str = ""
    tags: tuple[str, ...] = ()
    started: float = 0.0
    limit: float = 0.0
    updates: int = 0
    nodes: list[MemoryNode] = dataclasses.field(default_factory=list)
    removed: dict[str, set[int]] = dataclasses.field(
        default_factory=lambda: {"manager": set(), "worker": set()}
    )
    faults: list[ResourceFault] = dataclasses.field(default_factory=list)

    @property
    def gone(self) -> bool:
        """Deleted: its id still answers in Heat, its name does not."""
        return (self.action, self.status) == ("DELETE", "COMPLETE")

    def start(self, action: str, now: float, request: StackRequest | None) -> None:
        """Begin an action; without a request, a deletion."""
        self.action, self.status, self.started = action, "IN_PROGRESS", now
        self.reason = f"Stack {action} started"
        self.faults = []
        if request is None:
            return
        if action == "UPDATE":
            self.updates += 1
        self.tags, self.limit = tuple(request.tags), request.timeout_mins * 60.0
        for role in _GROUPS:
            self._scale(role, request.parameters)
        for node in self.nodes:
            if node.signalled == "FAILURE":
                node.signalled = None  # Heat replaces a failed wait condition, which erases its signals

    def _scale(self, role: str, parameters: Mapping[str, Any]) -> None:
        _, _, count_name, removed_name = _GROUPS[role]
        # Heat adds to its own list: an index that was ever removed is never used again.
        self.removed[role] |= _indices(parameters.get(removed_name))
        wanted: list[int] = []
        index = 0
        while len(wanted) < int(parameters.get(count_name) or 0):
            if index not in self.removed[role]:
                wanted.append(index)
            index += 1
        others = [node for node in self.nodes if node.role != role]
        mine = {node.index: node for node in self.nodes if node.role == role}
        floating = str(parameters.get("floating_ips", False)).lower() == "true"
        self.nodes = others + [mine.get(i) or self._node(role, i, floating=floating) for i in wanted]

    def _node(self, role: str, index: int, *, floating: bool) -> MemoryNode:
        net = f"{self.subnet // 256 % 256}.{self.subnet % 256}"
        host = (10 if role == "manager" else 20) + index
        return MemoryNode(role, index, f"10.{net}.{host}", f"172.{net}.{host}" if floating else "")

    def settle(self, now: float, settle: float | None) -> None:
        """End the action if it is time."""
        if self.status != "IN_PROGRESS":
            return
        elapsed = now - self.started
        if self.action == "DELETE":
            if elapsed >= (settle or 0.0):
                self.status, self.reason, self.nodes = "COMPLETE", "Stack DELETE completed successfully", []
            return
        waited = settle is not None and elapsed >= settle
        if waited or all(node.signalled == "SUCCESS" for node in self.nodes):
            self.status, self.reason = "COMPLETE", f"Stack {self.action} completed successfully"
        elif elapsed > self.limit:
            self.status, self.reason = "FAILED", "Timed out"

    def fail(self, fault: ResourceFault) -> None:
        """End the action because of one resource."""
        self.faults.insert(0, fault)
        self.status, self.reason = "FAILED", f"Resource {self.action} failed: {fault.path}: {fault.reason}"

    def node_of(self, stack_id: str) -> MemoryNode | None:
        """The node whose nested stack this is."""
        return next((node for node in self.nodes if node.stack == stack_id), None)

    def signal(self, node: MemoryNode, data: Mapping[str, Any]) -> None:
        """What `Stacks.signal` says to a node's handle."""
        node.signalled = str(data.get("status", "SUCCESS"))
        if node.signalled == "FAILURE" and self.status == "IN_PROGRESS":
            path = f"{_GROUPS[node.role][0]}/{node.index}/ready"
            reason = f"WaitConditionFailure: resources.ready: {data.get('reason', '')}"
            self.fail(ResourceFault(path, "OS::Heat::WaitCondition", reason))

    def seen(self, *, outputs: bool) -> Stack:
        """The stack as the port shows it."""
        return Stack(
            id=self.id,
            name=self.name,
            project_id=self.project_id,
            action=self.action,
            status=self.status,
            reason=self.reason,
            tags=self.tags,
            # Heat tells a new update by a new time; a number does as well
            updated_at=str(self.updates) if self.updates else None,
            outputs=self._outputs() if outputs else {},
        )

    def _outputs(self) -> dict[str, Any]:
        told: dict[str, Any] = {"masters": {}, "workers": {}, "api_address": None}
        for node in self.nodes:
            told[_GROUPS[node.role][1]][str(node.index)] = {
                "server": node.server,
                "address": node.address,
                "floating": node.floating,
                "stack": node.stack,
            }
        first = next((node for node in self.nodes if node.role == "manager"), None)
        if first:
            told["api_address"] = f"tcp://{first.floating or first.address}:2376"
        return told
