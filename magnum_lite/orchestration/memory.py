"""Stacks in memory: the twin of `heat.HeatStacks` for tests and for a service without a cloud.

It knows what matters to the conductor of Heat's behaviour: names unique among a project's live stacks, one
action at a time, actions that take a while, nodes that appear, stay and go by index (a removed index never
comes back), handles that must be signalled, deleted stacks, tags, projects. It does not read templates; a
stack's nodes come from the parameters of ``swarm/cluster.yaml``: ``managers``, ``workers``,
``removed_managers``, ``removed_workers``, ``node_groups``, ``floating_ips``. With ``templates`` it refuses,
as Heat does, parameters that a template does not declare or lacks, and knows the defaults of the others.
`memory_http` serves it by Heat's REST API, `memory_journal` keeps it on disk.
"""

import contextlib
import dataclasses
import threading
import time
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, Protocol

from magnum_lite.models.stack import Preview, ResourceFault, Stack, StackRequest
from magnum_lite.orchestration.memory_index import Index
from magnum_lite.orchestration.memory_nodes import MemoryNode, Record
from magnum_lite.orchestration.stacks import StackConflict, StackExists, StackNotFound, StackRefused
from magnum_lite.orchestration.templates import Templates

Declared = Callable[[StackRequest], Mapping[str, Any]]


class Keeper(Protocol):
    """Where stacks outlive the process (``memory_journal``)."""

    def load(self) -> list[Record]:
        """All that was kept."""

    def keep(self, record: Record, node: MemoryNode | None = None) -> None:
        """A stack as it is now, with all its nodes or, where only that changed, with one."""

    def drop(self, record: Record) -> None:
        """It is gone."""


def declared_by(templates: Templates) -> Declared:
    """The parameters that a request's template declares, read from disk; also whether its files are all
    there.
    """

    def declared(request: StackRequest) -> Mapping[str, Any]:
        templates.files_of(request.template, request.files)
        return templates.load(request.template).parameters

    return declared


class MemoryStacks:
    """`Stacks` in memory. ``clock`` gives seconds. An action ends ``settle`` seconds after its start, or
    earlier once every node's ``ready_handle`` was signalled; with ``settle`` None only signals end it (a
    deletion then ends at once), or the request's timeout. ``race``: seconds between the look at names and
    the making of a stack, in which, as in Heat, somebody else may take the same name.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.monotonic,
        settle: float | None = 0.0,
        declared: Declared | None = None,
        keeper: Keeper | None = None,
        race: float = 0.0,
    ) -> None:
        self._clock = clock
        self._settle = settle
        self._declared = declared
        self._keeper = keeper
        self._race = race
        self._index = Index()
        self._failures: dict[str, list[Exception]] = {}
        self._lock = threading.RLock()
        for record in keeper.load() if keeper else ():
            self._index.add(record)
        self._subnets = max((record.subnet + 1 for record in self._index), default=0)

    def fail_next(self, operation: str, error: Exception) -> None:
        """Let the next call of this method (``create``, ``get``…) raise ``error`` and do nothing."""
        with self._lock:
            self._failures.setdefault(operation, []).append(error)

    def add_fault(self, project_id: str, stack_id: str, fault: ResourceFault) -> None:
        """Let the stack's action fail now, because of this resource."""
        with self._call("add_fault"):
            record = self._need(project_id, stack_id)
            record.fail(fault)
            self._changed(record)

    def interrupt(self) -> None:
        """Fail what is in progress: a Heat of the legacy engine that was killed and is back."""
        with self._lock:
            for record in self._index.busy():
                record.interrupt()
                self._changed(record)

    def look(self, read: Callable[[Index], Any]) -> Any:
        """What ``read`` makes of all stacks while nobody changes them."""
        with self._call("look"):
            return read(self._index)

    @contextlib.contextmanager
    def _call(self, operation: str) -> Iterator[None]:
        with self._lock:
            if failures := self._failures.get(operation):
                raise failures.pop(0)
            for record in self._index.busy():
                self._end(record)
            yield

    def _end(self, record: Record) -> None:
        """End its action if it is time."""
        record.settle(self._clock(), self._settle)
        if record.status != "IN_PROGRESS":
            self._changed(record)

    def _changed(self, record: Record, node: MemoryNode | None = None) -> None:
        if record.gone:
            self._index.drop(record)
            if self._keeper:
                self._keeper.drop(record)
            return
        self._index.note(record)
        if self._keeper:
            self._keeper.keep(record, node)

    def _need(self, project_id: str, ident: str) -> Record:
        record = self._index.find(project_id, ident)
        if record is None:
            raise StackNotFound(ident)
        return record

    def _checked(self, request: StackRequest) -> StackRequest:
        """The request with the template's defaults in it, if its declarations are known."""
        if self._declared is None:
            return request
        declared = self._declared(request)
        given = {name for name, value in request.parameters.items() if value is not None}
        if unknown := sorted(given - declared.keys()):
            raise StackRefused(f"Heat refused the request: The Parameter ({unknown[0]}) was not defined.")
        for name, declaration in declared.items():
            if name not in given and "default" not in declaration:
                raise StackRefused(f"Heat refused the request: The Parameter ({name}) was not provided.")
        defaults = {name: told["default"] for name, told in declared.items() if "default" in told}
        return dataclasses.replace(request, parameters={**defaults, **request.parameters})

    def create(self, project_id: str, request: StackRequest) -> str:
        """See `Stacks.create`."""
        request = self._checked(request)
        with self._call("create"):
            if self._index.find(project_id, request.name):
                raise StackExists(request.name)
            if not self._race:
                return self._create(project_id, request)
        time.sleep(self._race)
        with self._lock:
            return self._create(project_id, request)

    def _create(self, project_id: str, request: StackRequest) -> str:
        record = Record(id=str(uuid.uuid4()), project_id=project_id, name=request.name, subnet=self._subnets)
        self._subnets += 1
        record.start("CREATE", self._clock(), request)
        self._index.add(record)
        self._changed(record)
        return record.id

    def update(self, project_id: str, stack_id: str, request: StackRequest) -> None:
        """See `Stacks.update`. The stack's name never changes."""
        with self._call("update"):
            record = self._need(project_id, stack_id)
            request = self._checked(request)
            if record.status == "IN_PROGRESS":
                raise StackConflict(f"Stack {stack_id} is busy: {record.action} is in progress.")
            record.start("UPDATE", self._clock(), request)
            self._index.add(record)
            self._changed(record)

    def delete(self, project_id: str, stack_id: str) -> None:
        """See `Stacks.delete`. A deletion that failed begins again."""
        with self._call("delete"):
            record = self._index.find(project_id, stack_id)
            if record is not None and (record.action, record.status) != ("DELETE", "IN_PROGRESS"):
                record.start("DELETE", self._clock(), None)
                self._changed(record)

    def get(self, project_id: str, ident: str, *, outputs: bool = False) -> Stack | None:
        """See `Stacks.get`."""
        with self._call("get"):
            record = self._index.find(project_id, ident)
            return record.seen(outputs=outputs) if record else None

    def find(
        self, project_ids: Collection[str] | None, tags: Sequence[str], *, status: str | None = None
    ) -> list[Stack]:
        """See `Stacks.find`; a list of all projects is allowed."""
        with self._call("find"):
            tagged = self._index.tagged(project_ids, tags)
            return [r.seen(outputs=False) for r in tagged if status in {None, r.status}]

    def signal(self, project_id: str, stack_id: str, resource_name: str, data: Mapping[str, Any]) -> None:
        """See `Stacks.signal`; ``stack_id`` is the nested stack of a node (its ``stack`` output)."""
        with self._call("signal"):
            found = self._index.node(project_id, stack_id)
            if found is None or resource_name != "ready_handle":
                raise StackNotFound(stack_id)
            record, node = found
            record.signal(node, data)
            record.settle(self._clock(), self._settle)
            self._changed(record, node)

    def faults(self, project_id: str, stack_id: str) -> list[ResourceFault]:
        """See `Stacks.faults`."""
        with self._call("faults"):
            return list(self._need(project_id, stack_id).faults)

    def preview(self, project_id: str, request: StackRequest, stack_id: str | None = None) -> Preview:
        """See `Stacks.preview`; counts servers only."""
        with self._call("preview"):
            before = self._need(project_id, stack_id) if stack_id else None
            had = {(n.group, n.index) for n in before.nodes} if before else set()
            has = {(n.group, n.index) for n in self.imagined(request).nodes}
            return Preview(_servers(len(has - had)), removed=_servers(len(had - has)), total=len(has))

    def imagined(self, request: StackRequest) -> Record:
        """A stack of this request that is not made. Raises `StackRefused`."""
        record = Record(id=str(uuid.uuid4()), project_id="", name=request.name, subnet=0)
        record.start("CREATE", self._clock(), self._checked(request))
        return record

    def contents(self, project_id: str, stack_id: str) -> dict[str, int]:
        """See `Stacks.contents`; counts servers only."""
        with self._call("contents"):
            return _servers(len(self._need(project_id, stack_id).nodes))

    def count(self, project_id: str) -> int:
        """See `Stacks.count`."""
        with self._call("count"):
            return self._index.count(project_id)

    def validate(self, project_id: str, request: StackRequest) -> None:  # noqa: ARG002
        """See `Stacks.validate`."""
        with self._call("validate"):
            self._checked(request)


def _servers(count: int) -> dict[str, int]:
    return {"OS::Nova::Server": count} if count else {}
