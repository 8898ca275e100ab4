"""One stack of `memory.MemoryStacks` and the nodes in it, as a state machine without locks or time of its
own.
"""

import dataclasses
import itertools
import uuid
from collections.abc import Mapping
from typing import Any

from magnum_lite.models.stack import ResourceFault, Stack, StackRequest

# role: resource group, its output, and the parameters that set count and removed indices
_GROUPS = {
    "manager": ("swarm_masters", "masters", "managers", "removed_managers"),
    "worker": ("swarm_nodes", "workers", "workers", "removed_workers"),
}


def path_of(group: str) -> tuple[str, ...]:
    """The resource group that holds a group's nodes, by its names from the top."""
    return (_GROUPS[group][0],) if group in _GROUPS else (group, "swarm_nodes")


def _new_id() -> str:
    return str(uuid.uuid4())


@dataclasses.dataclass(slots=True)
class MemoryNode:
    """A server, its nested stack, and what its handle was told: None, "SUCCESS" or "FAILURE". ``group`` is
    ``manager``, ``worker`` or the resource of a node group beside those.
    """

    group: str
    index: int
    address: str
    floating: str
    credential: str = ""  # what its user data would say
    born: int = 0  # number of the update that made it
    signalled: str | None = None
    image: str = ""
    flavor: str = ""
    boot: str = ""  # size and type of the volume that it boots from
    server: str = dataclasses.field(default_factory=_new_id)
    stack: str = dataclasses.field(default_factory=_new_id)

    def facts(self) -> dict[str, str]:
        """The output of ``common/node.yaml``."""
        return {
            "server": self.server,
            "address": self.address,
            "floating": self.floating,
            "stack": self.stack,
        }


def _credentials(told: Mapping[str, Any]) -> dict[str, Mapping[str, str]]:
    """Group → index → credential, of the parameters."""
    more = told.get("node_group_credentials") or {}
    return {group: told.get(f"{group}_credentials") or {} for group in _GROUPS} | dict(more)


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
    template: str = ""
    created: float = 0.0
    updated: float = 0.0
    nodes: list[MemoryNode] = dataclasses.field(default_factory=list)
    removed: dict[str, set[int]] = dataclasses.field(default_factory=dict)  # by group
    nested: dict[str, str] = dataclasses.field(default_factory=dict)  # node group's resource: its stack
    faults: list[ResourceFault] = dataclasses.field(default_factory=list)
    balancer: dict[str, str] = dataclasses.field(default_factory=dict)  # the output of that name

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
            self.updates, self.updated = self.updates + 1, now
        else:
            self.created = now
        self.tags, self.limit = tuple(request.tags), request.timeout_mins * 60.0
        self.template = request.template
        told = request.parameters
        floating = str(told.get("floating_ips", False)).lower() == "true"
        wanted = {group: (told.get(names[2]), told.get(names[3])) for group, names in _GROUPS.items()}
        more = told.get("node_groups") or {}
        wanted |= {group: (asked["count"], asked["removed"]) for group, asked in more.items()}
        self.nodes = [node for node in self.nodes if node.group in wanted]
        for state in (self.removed, self.nested):
            for group in state.keys() - wanted.keys():
                del state[group]  # a group that comes again under its old name begins anew
        self._balance(told)
        self.nested = {group: self.nested.get(group) or _new_id() for group in more}
        credentials = _credentials(told)
        for group, (count, removed) in wanted.items():
            given = credentials.get(group) or {}
            self._scale(group, int(count or 0), _indices(removed), given, floating=floating)
        for node in self.nodes:
            self._make(node, told if node.group in _GROUPS else more[node.group])
            if node.signalled == "FAILURE":
                node.signalled = None  # Heat replaces a failed wait condition, which erases its signals

    def _balance(self, told: Mapping[str, Any]) -> None:
        """As ``common/balanced.yaml``: a load balancer keeps its addresses for as long as there is one."""
        if not told.get("balanced"):
            self.balancer = {}
        elif not self.balancer:
            address, outside = self._addresses("balancer")
            floating = outside if (told.get("balancer") or {}).get("floating_ip") else ""
            self.balancer = {"address": address, "floating": floating}

    def _make(self, node: MemoryNode, told: Mapping[str, Any]) -> None:
        """As ``common/node.yaml``: one that was made with another image, flavor or boot volume, and is not
        kept, is made anew.
        """
        of = f"{node.group}_" if node.group in _GROUPS else ""
        kept = (told.get(f"{of}kept") or {}).get(str(node.index)) or {}
        image, flavor = (str(kept.get(word) or told.get(f"{of}{word}") or "") for word in ("image", "flavor"))
        boot = (kept or told).get("boot_volume") or {}
        made = (image, flavor, f"{boot['size']}:{boot['type']}" if boot else "")
        if node.image and made != (node.image, node.flavor, node.boot):
            node.server, node.signalled, node.born = _new_id(), None, self.updates
        node.image, node.flavor, node.boot = made

    def _scale(
        self, group: str, count: int, removed: set[int], credentials: Mapping[str, str], *, floating: bool
    ) -> None:
        # Heat adds to its own list: an index that was ever removed is never used again.
        never = self.removed[group] = self.removed.get(group, set()) | removed
        wanted: list[int] = []
        index = 0
        while len(wanted) < count:
            if index not in never:
                wanted.append(index)
            index += 1
        mine = {node.index: node for node in self.nodes if node.group == group}
        self.nodes = [n for n in self.nodes if n.group != group or n.index in wanted]
        for number in wanted:
            if number not in mine:
                address, outside = self._addresses(group)
                node = MemoryNode(group, number, address, outside if floating else "", born=self.updates)
                node.credential = credentials.get(str(number)) or ""
                self.nodes.append(node)

    def _addresses(self, group: str) -> tuple[str, str]:
        """Each stack has its own /20 for them, or nearly: there are more stacks than such networks."""
        taken = {node.address for node in self.nodes}
        base = self.subnet * 4096 % 2**24
        for number in itertools.count({"balancer": 5, "manager": 10}.get(group, 20)):
            rest = ".".join(str(part) for part in ((base + number) % 2**24).to_bytes(3, "big"))
            if f"10.{rest}" not in taken:
                return f"10.{rest}", f"172.{rest}"
        raise AssertionError("unreachable: count() has no end")

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

    def interrupt(self) -> None:
        """Heat's process died: what the legacy engine says of it when it starts again."""
        if self.status == "IN_PROGRESS":
            self.status = "FAILED"
            self.reason = f"Engine went down during stack {self.action}"

    def group_stack(self, group: str) -> str:
        """Id of the nested stack of a resource group; it follows from the stack's own."""
        return str(uuid.uuid5(uuid.UUID(self.id), group))

    def nested_stacks(self) -> dict[str, tuple[str, ...]]:
        """Id → the resource that it is, by its names from the top."""
        out: dict[str, tuple[str, ...]] = {}
        for group, names in _GROUPS.items():
            out[self.group_stack(group)] = (names[0],)
        for group, stack_id in self.nested.items():
            out[stack_id] = (group,)
            out[self.group_stack(group)] = (group, "swarm_nodes")
        for node in self.nodes:
            out[node.stack] = (*path_of(node.group), str(node.index))
        return out

    def node_of(self, stack_id: str) -> MemoryNode | None:
        """The node whose nested stack this is."""
        return next((node for node in self.nodes if node.stack == stack_id), None)

    def signal(self, node: MemoryNode, data: Mapping[str, Any]) -> None:
        """What `Stacks.signal` says to a node's handle."""
        node.signalled = str(data.get("status", "SUCCESS"))
        if node.signalled == "FAILURE" and self.status == "IN_PROGRESS":
            path = "/".join((*path_of(node.group), str(node.index), "ready"))
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
            outputs=self.outputs() if outputs else {},
        )

    def outputs(self) -> dict[str, Any]:
        """Those of ``swarm/cluster.yaml``."""
        told: dict[str, Any] = {"masters": {}, "workers": {}, "api_address": None}
        told |= {group: {"stack": stack, "nodes": {}} for group, stack in self.nested.items()}
        for node in self.nodes:
            nodes = told[_GROUPS[node.group][1]] if node.group in _GROUPS else told[node.group]["nodes"]
            nodes[str(node.index)] = node.facts()
        told["load_balancer"] = dict(self.balancer) or ""
        first = next((node for node in self.nodes if node.group == "manager"), None)
        if first:
            told["api_address"] = f"tcp://{first.floating or first.address}:2376"
        return told
