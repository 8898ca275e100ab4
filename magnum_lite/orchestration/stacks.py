"""The port between the conductor and orchestration, and what may go wrong behind it.

::

    OrchestrationError
    ├── StackExists               the project has a live stack of this name: look at it, adopt it
    ├── StackNotFound             there is no such stack (or resource of it) in this project
    ├── StackConflict             the stack is busy; the same call will do later
    ├── StackRefused              the request itself is wrong or not allowed; the same call never helps
    └── OrchestrationUnavailable  nobody answered, or with a fault of their own; try again later

Every ``reason`` may be shown to the tenant whose stack it is; none names an internal address. After
`OrchestrationUnavailable` a change may or may not have happened: look before you repeat it.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Protocol

from magnum_lite.models.stack import Preview, ResourceFault, Stack, StackRequest


class OrchestrationError(Exception):
    """Any refusal or failure of the orchestration service."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class StackExists(OrchestrationError):
    """A live stack of this name is in the project."""

    def __init__(self, name: str) -> None:
        super().__init__(f"The project has a stack named {name} already.")
        self.name = name


class StackNotFound(OrchestrationError):
    """No such stack, or no such resource in it, in this project."""

    def __init__(self, ident: str) -> None:
        super().__init__(f"Stack {ident} could not be found.")
        self.ident = ident


class StackConflict(OrchestrationError):
    """Another action on the stack is still going on."""


class StackRefused(OrchestrationError):
    """Heat refused the template, a parameter, or the whole request (policy, quota)."""


class OrchestrationUnavailable(OrchestrationError):
    """Heat, or Keystone on the way to it, is down, slow, or failed inside."""


class Stacks(Protocol):
    """Stacks of all projects. Safe to share between threads; every call ends within its time limit, and
    any may raise `OrchestrationUnavailable`.
    """

    def create(self, project_id: str, request: StackRequest) -> str:
        """Start a stack; its id. Raises `StackExists`, `StackRefused`."""

    def update(self, project_id: str, stack_id: str, request: StackRequest) -> None:
        """Start to make the stack as ``request`` says, wholly: what it leaves out returns to the
        template's default. Raises `StackNotFound`, `StackConflict`, `StackRefused`.
        """

    def delete(self, project_id: str, stack_id: str) -> None:
        """Start deletion; a stack that is gone, or going, is fine."""

    def get(self, project_id: str, ident: str, *, outputs: bool = False) -> Stack | None:
        """A stack by id or name, or None; also None for the id of a deleted one. Outputs cost Heat much
        more than the rest: ask for them only where they are used.
        """

    def find(
        self, project_ids: Collection[str] | None, tags: Sequence[str], *, status: str | None = None
    ) -> list[Stack]:
        """Stacks that have *all* these tags, without outputs, and this status if one is given: one listing
        for all projects where that is allowed, else one for each. ``project_ids`` None means every project
        there is, and raises `StackRefused` where the operator has not opened that.
        """

    def signal(self, project_id: str, stack_id: str, resource_name: str, data: Mapping[str, Any]) -> None:
        """Signal a resource, for a wait condition's handle with ``{"status": "SUCCESS" or "FAILURE",
        "reason": text, "id": text, "data": text}``. Raises `StackNotFound`.
        """

    def faults(self, project_id: str, stack_id: str) -> list[ResourceFault]:
        """Resources that failed, of nested stacks too: causes first, then what failed only because of
        them or was cancelled. Raises `StackNotFound`.
        """

    def preview(self, project_id: str, request: StackRequest, stack_id: str | None = None) -> Preview:
        """What creating the stack, or updating ``stack_id``, would do; nothing is made. Raises
        `StackRefused`, `StackNotFound`.
        """

    def contents(self, project_id: str, stack_id: str) -> dict[str, int]:
        """How many resources of each type a stack has, nested ones too. Raises `StackNotFound`."""

    def count(self, project_id: str) -> int:
        """How many stacks the project has, ours or not, nested ones left out: Heat limits these."""

    def validate(self, project_id: str, request: StackRequest) -> None:
        """Let Heat look over template, parameters and files. Raises `StackRefused`."""
