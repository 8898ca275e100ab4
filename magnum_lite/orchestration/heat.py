"""Heat, through python-heatclient: the only module that imports it.

What is worth knowing of Heat: its name check has no constraint behind it, so 409 is no guard against two
creations at once (the conductor's lease is); a deleted stack's id answers DELETE_COMPLETE for a while, its
name 404; an update during an action is 409 with the legacy engine; PATCH keeps old parameters, so updates
are PUT; listing across projects needs the policy ``stacks:global_index`` and a token of the service's own
project, and showing a stack always one of the stack's; an updated stack's outputs lag (`growth`).
"""

import collections
import contextlib
import dataclasses
import re
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

from heatclient import exc
from heatclient.common import http
from heatclient.v1 import resources, stacks
from keystoneauth1 import exceptions as ksa

from magnum_lite import metrics
from magnum_lite.context import current_request
from magnum_lite.models.stack import Preview, ResourceFault, Stack, StackRequest
from magnum_lite.orchestration import faults as fault_tree
from magnum_lite.orchestration import growth, previews
from magnum_lite.orchestration.answers import error_of, stack_of
from magnum_lite.orchestration.stacks import OrchestrationUnavailable, StackNotFound, StackRefused
from magnum_lite.orchestration.templates import Templates

TIME_LIMIT = (10, 60)  # seconds to connect, seconds without an answer
PAGE = 200
NESTED_DEPTH = 5  # Heat's own default limit
MAX_CLIENTS = 512
_CALLS = frozenset({"resources", "preview", "template", "signal", "validate"})

_IDENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,254}")

SessionFor = Callable[[str | None], Any]


class _HeatHTTP(http.SessionClient):
    """heatclient's own HTTP client, with a time limit on each request."""

    def request(self, url: str, method: str, **kwargs: Any) -> Any:
        kwargs.setdefault("timeout", TIME_LIMIT)
        last = url.partition("?")[0].rpartition("/")[2]
        if ident := current_request():
            kwargs["headers"] = {**(kwargs.get("headers") or {}), "X-OpenStack-Request-ID": ident}
        with metrics.heat_call(f"{method} {last if last in _CALLS else 'stacks'}"):
            return super().request(url, method, **kwargs)


class _Client:
    """The two of heatclient's managers that are used, over one session."""

    def __init__(self, session: Any) -> None:
        self.session = session
        self.http = _HeatHTTP(session, service_type="orchestration")
        self.stacks = stacks.StackManager(self.http)
        self.resources = resources.ResourceManager(self.http)


@contextlib.contextmanager
def _translated(ident: str) -> Iterator[None]:
    """Turn what heatclient and keystoneauth raise into our errors, about stack ``ident``. Texts of
    connection errors name internal addresses: they stay in ``__cause__``.
    """
    try:
        yield
    except exc.HTTPException as error:
        raise error_of(error.code, error.error, ident) from error
    except (ksa.ConnectTimeout, ksa.RequestTimeout) as error:
        raise OrchestrationUnavailable("Heat or Keystone did not answer in time.") from error
    except ksa.ConnectFailure as error:
        raise OrchestrationUnavailable("Heat or Keystone can't be reached.") from error
    except (ksa.Unauthorized, ksa.Forbidden) as error:
        reason = "Keystone refused the service user in this project; it needs a role there."
        raise OrchestrationUnavailable(reason) from error
    except ksa.EndpointNotFound as error:
        raise OrchestrationUnavailable("Keystone's catalogue has no orchestration service.") from error
    except (ksa.ClientException, exc.BaseException) as error:
        raise OrchestrationUnavailable("Keystone or Heat failed.") from error


class HeatStacks:
    """`Stacks` on a real Heat. ``session_for`` gives a keystoneauth session of the service user for a
    project, None for the service's own; it keeps the token, and limits the time of calls to Keystone.
    """

    def __init__(
        self, session_for: SessionFor, templates: Templates | None = None, *, global_list: bool = True
    ) -> None:
        self._session_for = session_for
        self._templates = templates or Templates()
        self._global_list = global_list
        self._clients: collections.OrderedDict[str | None, _Client] = collections.OrderedDict()
        self._lock = threading.Lock()

    def _client(self, project_id: str | None) -> _Client:
        session = self._session_for(project_id)  # may log in: not under the lock
        with self._lock:
            client = self._clients.pop(project_id, None)
            if client is None or client.session is not session:
                client = _Client(session)
            self._clients[project_id] = client
            if len(self._clients) > MAX_CLIENTS:
                self._clients.popitem(last=False)
        return client

    def _body(self, request: StackRequest) -> dict[str, Any]:
        parameters = {name: value for name, value in request.parameters.items() if value is not None}
        return {
            "template": self._templates.text_of(request.template, parameters, request.description),
            "files": self._templates.files_of(request.template, request.files),
            "parameters": parameters,
        }

    def _whole_body(self, request: StackRequest) -> dict[str, Any]:
        return {
            **self._body(request),
            "tags": ",".join(request.tags),
            "timeout_mins": request.timeout_mins,
            "disable_rollback": True,  # a rollback is a new generation of the cluster, not Heat's business
        }

    def create(self, project_id: str, request: StackRequest) -> str:
        """See `Stacks.create`."""
        with _translated(request.name):
            made = self._client(project_id).stacks.create(
                stack_name=request.name, **self._whole_body(request)
            )
        return made["stack"]["id"]

    def update(self, project_id: str, stack_id: str, request: StackRequest) -> None:
        """See `Stacks.update`."""
        with _translated(stack_id):
            self._client(project_id).stacks.update(stack_id, existing=False, **self._whole_body(request))

    def delete(self, project_id: str, stack_id: str) -> None:
        """See `Stacks.delete`."""
        with contextlib.suppress(StackNotFound), _translated(stack_id):
            self._client(project_id).stacks.delete(stack_id)

    def get(self, project_id: str, ident: str, *, outputs: bool = False) -> Stack | None:
        """See `Stacks.get`."""
        if not _IDENT.fullmatch(ident):
            return None  # heatclient puts it into the URL as it is
        try:
            with _translated(ident):
                found = self._client(project_id).stacks.get(ident, resolve_outputs=outputs)
        except StackNotFound:
            return None
        stack = stack_of(found.to_dict(), project_id)
        if (stack.action, stack.status) == ("DELETE", "COMPLETE"):
            return None
        if outputs and stack.action == "UPDATE" and stack.status != "COMPLETE":
            return dataclasses.replace(stack, outputs=self._grown(stack))
        return stack

    def _grown(self, stack: Stack) -> dict[str, Any]:
        """The outputs with what `growth` is about; 2 requests, 1 for each node group beside the default ones
        and 1 for each new member.
        """
        client = self._client(stack.project_id)
        with _translated(stack.id):
            template = client.stacks.template(stack.id)
            found = [item.to_dict() for item in client.resources.list(stack.id, nested_depth=1)]
        grown = dict(stack.outputs)
        for hidden in growth.hidden_members(stack.id, template, found, stack.outputs):
            if (value := self._output(stack, hidden)) is not None:
                grown[hidden.output] = {**(grown.get(hidden.output) or {}), hidden.member: value}
        for name, nested_id in growth.node_groups(stack.id, found).items():
            members = dict((grown.get(name) or {}).get("nodes") or {})
            inside: list[dict[str, Any]] = []
            with contextlib.suppress(StackNotFound), _translated(nested_id):  # it may go just now
                inside = [item.to_dict() for item in client.resources.list(nested_id, nested_depth=1)]
            for hidden in growth.hidden_in_group(nested_id, inside, members):
                if (value := self._output(stack, hidden)) is not None:
                    members[hidden.member] = value
            grown[name] = {"stack": nested_id, "nodes": members}
        return grown

    def _output(self, stack: Stack, hidden: growth.HiddenMember) -> Any:
        member = self.get(stack.project_id, hidden.nested_id, outputs=True)
        return member.outputs.get(hidden.attribute) if member is not None else None

    def find(
        self, project_ids: Collection[str] | None, tags: Sequence[str], *, status: str | None = None
    ) -> list[Stack]:
        """See `Stacks.find`. Where the policy refuses a list of all projects, it is not tried again."""
        if project_ids is not None and (not self._global_list or len(project_ids) < 2):
            return [stack for project in project_ids for stack in self._list(project, tags, status)]
        try:
            everywhere = list(self._list(None, tags, status))
        except StackRefused:
            if project_ids is None:
                raise
            self._global_list = False
            return self.find(project_ids, tags, status=status)
        return [stack for stack in everywhere if project_ids is None or stack.project_id in project_ids]

    def _list(self, project_id: str | None, tags: Sequence[str], status: str | None) -> Iterator[Stack]:
        query: dict[str, Any] = {"tags": ",".join(tags), "limit": PAGE}
        if status is not None:
            query["status"] = status
        if project_id is None:
            query["global_tenant"] = "True"
        while True:
            with _translated("list"):
                # Not StackManager.list: it asks for one page more than there is.
                page = self._client(project_id).http.get("/stacks", params=query).json()["stacks"]
            yield from (stack_of(raw, project_id or "") for raw in page)
            if len(page) < PAGE:
                return
            query["marker"] = page[-1]["id"]

    def signal(self, project_id: str, stack_id: str, resource_name: str, data: Mapping[str, Any]) -> None:
        """See `Stacks.signal`."""
        with _translated(stack_id):
            self._client(project_id).resources.signal(stack_id, resource_name, dict(data))

    def faults(self, project_id: str, stack_id: str) -> list[ResourceFault]:
        """See `Stacks.faults`."""
        with _translated(stack_id):
            found = self._client(project_id).resources.list(stack_id, nested_depth=NESTED_DEPTH)
        return fault_tree.faults_of([item.to_dict() for item in found])

    def preview(self, project_id: str, request: StackRequest, stack_id: str | None = None) -> Preview:
        """See `Stacks.preview`."""
        client = self._client(project_id)
        body = self._body(request)
        with _translated(request.name):
            # No stack has this name: Heat would refuse one that is taken.
            name = request.name if stack_id is None else f"{request.name}-plan"
            after = previews.counted(client.stacks.preview(stack_name=name, **body).to_dict())
        if stack_id is None:
            return Preview(added=after, total=sum(after.values()))
        before = self.contents(project_id, stack_id)
        with _translated(stack_id):
            wanted = client.stacks.preview_update(stack_id, existing=False, **body)
            nothing = client.stacks.preview_update(stack_id, existing=True)
        return previews.of_update(before, after, wanted, nothing)

    def contents(self, project_id: str, stack_id: str) -> dict[str, int]:
        """See `Stacks.contents`."""
        with _translated(stack_id):
            found = self._client(project_id).resources.list(stack_id, nested_depth=NESTED_DEPTH)
        return previews.leaves(item.to_dict() for item in found)

    def count(self, project_id: str) -> int:
        """See `Stacks.count`."""
        query = {"limit": 1, "with_count": "True"}
        with _translated("list"):
            return int(self._client(project_id).http.get("/stacks", params=query).json()["count"])

    def validate(self, project_id: str, request: StackRequest) -> None:
        """See `Stacks.validate`."""
        with _translated(request.name):
            self._client(project_id).stacks.validate(show_nested=True, **self._body(request))
