"""Stacks in memory: the twin of `heat.HeatStacks` for tests and for a service without a cloud.

It knows what matters to the conductor of Heat's behaviour: names unique among a project's live stacks, one
action at a time, actions that take a while, nodes that appear, stay and go by index (a removed index never
comes back), handles that must be signalled, deleted stacks, tags, projects. It does not read templates; a
stack's nodes come from the parameters of ``swarm/cluster.yaml``: ``managers``, ``workers``,
``removed_managers``, ``removed_workers``, ``node_groups``, ``floating_ips``. With ``templates`` it refuses,
as Heat does, parameters that a template does not declare or lacks, and knows the defaults of the others.
"""

import contextlib
import dataclasses
import threading
import time
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

from magnum_lite.models.stack import Preview, ResourceFault, Stack, StackRequest
from magnum_lite.orchestration.memory_nodes import Record
from magnum_lite.orchestration.stacks import StackConflict, StackExists, StackNotFound, StackRefused
from magnum_lite.orchestration.templates import Templates


class MemoryStacks:
    """`Stacks` in memory. ``clock`` gives seconds. An action ends ``settle`` seconds after its start, or
    earlier once every node's ``ready_handle`` was signalled; with ``settle`` None only signals end it (a
    deletion then ends at once), or the request's timeout.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.monotonic,
        settle: float | None = 0.0,
        templates: Templates | None = None,
    ) -> None:
        self._clock = clock
        self._settle = settle
        self._templates = templates
        self._records: dict[str, Record] = {}
        self._failures: dict[str, list[Exception]] = {}
        self._lock = threading.RLock()

    def fail_next(self, operation: str, error: Exception) -> None:
        """Let the next call of this method (``create``, ``get``…) raise ``error`` and do nothing."""
        with self._lock:
            self._failures.setdefault(operation, []).append(error)

    def add_fault(self, project_id: str, stack_id: str, fault: ResourceFault) -> None:
        """Let the stack's action fail now, because of this resource."""
        with self._call("add_fault"):
            self._need(project_id, stack_id).fail(fault)

    @contextlib.contextmanager
    def _call(self, operation: str) -> Iterator[None]:
        with self._lock:
            if failures := self._failures.get(operation):
                raise failures.pop(0)
            for record in self._records.values():
                record.settle(self._clock(), self._settle)
            yield

    def _find(self, project_id: str, ident: str) -> Record | None:
        for record in self._records.values():
            if record.project_id == project_id and not record.gone and ident in {record.id, record.name}:
                return record
        return None

    def _need(self, project_id: str, ident: str) -> Record:
        record = self._find(project_id, ident)
        if record is None:
            raise StackNotFound(ident)
        return record

    def _checked(self, request: StackRequest) -> StackRequest:
        """The request with the template's defaults in it, if there are templates."""
        if self._templates is None:
            return request
        declared = self._templates.load(request.template).parameters
        self._templates.files_of(request.template, request.files)
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
        with self._call("create"):
            request = self._checked(request)
            if self._find(project_id, request.name):
                raise StackExists(request.name)
            record = Record(
                id=str(uuid.uuid4()), project_id=project_id, name=request.name, subnet=len(self._records)
            )
            record.start("CREATE", self._clock(), request)
            self._records[record.id] = record
            return record.id

    def update(self, project_id: str, stack_id: str, request: StackRequest) -> None:
        """See `Stacks.update`. The stack's name never changes."""
        with self._call("update"):
            record = self._need(project_id, stack_id)
            request = self._checked(request)
            if record.status == "IN_PROGRESS":
                raise StackConflict(f"Stack {stack_id} is busy: {record.action} is in progress.")
            record.start("UPDATE", self._clock(), request)

    def delete(self, project_id: str, stack_id: str) -> None:
        """See `Stacks.delete`."""
        with self._call("delete"):
            record = self._find(project_id, stack_id)
            if record is not None and record.action != "DELETE":
                record.start("DELETE", self._clock(), None)

    def get(self, project_id: str, ident: str, *, outputs: bool = False) -> Stack | None:
        """See `Stacks.get`."""
        with self._call("get"):
            record = self._find(project_id, ident)
            return record.seen(outputs=outputs) if record else None

    def find(self, project_ids: Collection[str] | None, tags: Sequence[str]) -> list[Stack]:
        """See `Stacks.find`; a list of all projects is allowed."""
        with self._call("find"):
            return [
                record.seen(outputs=False)
                for record in self._records.values()
                if (project_ids is None or record.project_id in project_ids)
                and not record.gone
                and set(tags) <= set(record.tags)
            ]

    def signal(self, project_id: str, stack_id: str, resource_name: str, data: Mapping[str, Any]) -> None:
        """See `Stacks.signal`; ``stack_id`` is the nested stack of a node (its ``stack`` output)."""
        with self._call("signal"):
            for record in self._records.values():
                node = record.node_of(stack_id)
                if record.project_id == project_id and node is not None and resource_name == "ready_handle":
                    record.signal(node, data)
                    record.settle(self._clock(), self._settle)
                    return
            raise StackNotFound(stack_id)

    def faults(self, project_id: str, stack_id: str) -> list[ResourceFault]:
        """See `Stacks.faults`."""
        with self._call("faults"):
            return list(self._need(project_id, stack_id).faults)

    def preview(self, project_id: str, request: StackRequest, stack_id: str | None = None) -> Preview:
        """See `Stacks.preview`; counts servers only."""
        with self._call("preview"):
            before = self._need(project_id, stack_id) if stack_id else None
            record = Record(id="preview", project_id="", name=request.name, subnet=0)
            record.start("CREATE", self._clock(), self._checked(request))
            had = {(n.group, n.index) for n in before.nodes} if before else set()
            has = {(n.group, n.index) for n in record.nodes}
            return Preview(_servers(len(has - had)), removed=_servers(len(had - has)), total=len(has))

    def contents(self, project_id: str, stack_id: str) -> dict[str, int]:
        """See `Stacks.contents`; counts servers only."""
        with self._call("contents"):
            return _servers(len(self._need(project_id, stack_id).nodes))

    def count(self, project_id: str) -> int:
        """See `Stacks.count`."""
        with self._call("count"):
            return sum(r.project_id == project_id and not r.gone for r in self._records.values())

    def validate(self, project_id: str, request: StackRequest) -> None:  # noqa: ARG002
        """See `Stacks.validate`."""
        with self._call("validate"):
            self._checked(request)


def _servers(count: int) -> dict[str, int]:
    return {"OS::Nova::Server": count} if count else {}
