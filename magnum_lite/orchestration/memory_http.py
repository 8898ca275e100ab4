"""The in-memory stacks, served by the part of Heat's REST API that python-heatclient and `heat` use, so that
processes, crashes and scale can be tried without a cloud. `memory_identity` lets them log in; ``/servers``
is not Heat's: it tells simulated machines what they are.
"""

import dataclasses
import functools
import itertools
import json
import re
import urllib.parse
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from typing import Any

from magnum_lite.models.stack import StackRequest
from magnum_lite.orchestration import memory_answers as answers
from magnum_lite.orchestration.memory import MemoryStacks
from magnum_lite.orchestration.memory_answers import fault_body
from magnum_lite.orchestration.memory_identity import Answer, Identity
from magnum_lite.orchestration.memory_index import Index
from magnum_lite.orchestration.memory_nodes import Record
from magnum_lite.orchestration.stacks import StackConflict, StackExists, StackNotFound, StackRefused

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,254}")
_NOTHING: Mapping[str, list[Any]] = {
    "unchanged": [], "updated": [], "replaced": [], "added": [], "deleted": [],
}  # fmt: skip
_IDENT = r"(?P<ident>[^/]+)"
_STACK = rf"stacks/[^/]+/{_IDENT}"
# Method, path below the project, and the method here that answers.
_ROUTES = [
    (re.compile(method), re.compile(path), name)
    for method, path, name in (
        ("GET", r"stacks", "list"),
        ("POST", r"stacks", "create"),
        ("POST", r"stacks/preview", "preview"),
        ("POST", r"validate", "validate"),
        ("GET|PUT|PATCH|DELETE", rf"stacks/{_IDENT}", "look_up"),
        ("GET", rf"stacks/{_IDENT}/(?P<what>resources|template)", "look_up"),
        ("GET", _STACK, "show"),
        ("PUT", _STACK, "update"),
        ("DELETE", _STACK, "delete"),
        ("GET", rf"{_STACK}/template", "template"),
        ("GET", rf"{_STACK}/resources", "resources"),
        ("PUT|PATCH", rf"{_STACK}/preview", "preview_update"),
        ("POST", rf"{_STACK}/resources/(?P<name>[^/]+)/signal", "signal"),
    )
]


class Told(Exception):
    """An answer that is an error."""

    def __init__(self, status: int, kind: str, message: str) -> None:
        super().__init__(message)
        self.answer: Answer = (status, fault_body(kind, status, message), {})


@dataclasses.dataclass(frozen=True, slots=True)
class Call:
    """A request of one project. ``names`` are those in its path."""

    project: str
    names: Mapping[str, str]
    query: Mapping[str, str]
    body: Any

    @property
    def ident(self) -> str:
        """The stack in question."""
        return self.names["ident"]


@functools.lru_cache(maxsize=512)
def _parameters(template: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads(template).get("parameters") or {}
    return found


def declared(request: StackRequest) -> Mapping[str, Any]:
    """The parameters that a template declares which came over HTTP, as JSON text."""
    return _parameters(request.template)


class HeatApplication:
    """A WSGI application. ``stacks`` were made with `declared`; ``base`` is the address it is served at."""

    def __init__(self, stacks: MemoryStacks, identity: Identity, base: str) -> None:
        self._stacks, self._identity, self._base = stacks, identity, base

    def __call__(self, environ: Mapping[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """One request."""
        try:
            status, body, headers = self._answer(environ)
        except Told as error:
            status, body, headers = error.answer
        except StackExists as error:
            message = f"The Stack ({error.name}) already exists."
            status, body, headers = Told(409, "StackExists", message).answer
        except StackConflict as error:
            status, body, headers = Told(409, "ActionInProgress", error.reason).answer
        except StackRefused as error:
            message = error.reason.removeprefix("Heat refused the request: ")
            status, body, headers = Told(400, "StackValidationFailed", message).answer
        except StackNotFound as error:
            message = f"The Stack ({error.ident}) could not be found."
            status, body, headers = Told(404, "EntityNotFound", message).answer
        raw = b"" if status == HTTPStatus.NO_CONTENT else json.dumps(body).encode()
        told = {"Content-Type": "application/json", "Content-Length": str(len(raw))} | headers
        start_response(f"{status} {HTTPStatus(status).phrase}", list(told.items()))
        return [raw]

    def _answer(self, environ: Mapping[str, Any]) -> Answer:
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        length = int(environ.get("CONTENT_LENGTH") or 0)
        try:
            body = json.loads(environ["wsgi.input"].read(length)) if length else {}
        except ValueError:
            raise Told(400, "BadRequest", "The body is not JSON.") from None
        if path.startswith("/v3"):
            return self._identity.answer(method, path, body, self._base)
        if (method, path) == ("GET", "/servers"):
            return 200, {"servers": self._stacks.look(_servers)}, {}
        _, version, project, rest = [*path.split("/", 3), "", "", ""][:4]
        for known_method, known_path, name in _ROUTES:
            names = known_path.fullmatch(rest)
            if version == "v1" and names and known_method.fullmatch(method):
                self._check(environ.get("HTTP_X_AUTH_TOKEN", ""), project)
                query = dict(urllib.parse.parse_qsl(environ.get("QUERY_STRING", "")))
                answer: Answer = getattr(self, f"_{name}")(Call(project, names.groupdict(), query, body))
                return answer
        raise Told(404, "NotFound", "Nothing is served here.")

    def _check(self, token: str, project: str) -> None:
        scope = self._identity.project_of(token)
        if scope is None:
            raise Told(401, "Unauthorized", "Authentication required.")
        if scope != project:
            raise Told(403, "Forbidden", "You are not authorized to complete this action.")

    def _list(self, call: Call) -> Answer:
        everywhere = call.query.get("global_tenant", "").lower() == "true"
        if everywhere and call.project != self._identity.service_project:
            raise Told(403, "Forbidden", "You are not authorized to use global_index.")
        tags = [tag for tag in call.query.get("tags", "").split(",") if tag]
        limit, marker = int(call.query.get("limit", 10**9)), call.query.get("marker")

        def page(index: Index) -> dict[str, Any]:
            found = index.tagged(None if everywhere else [call.project], tags)
            start = next((n + 1 for n, r in enumerate(found) if r.id == marker), 0) if marker else 0
            status = call.query.get("status")  # the marker may have another one by now
            of_status = (r for r in found[start:] if status in {None, r.status})
            shown = list(itertools.islice(of_status, limit))
            told = [answers.summary(record, self._base, everywhere=everywhere) for record in shown]
            return {"stacks": told} | ({"count": len(found)} if call.query.get("with_count") else {})

        return 200, self._stacks.look(page), {}

    def _create(self, call: Call) -> Answer:
        request = _request(call.body)
        if not _NAME.fullmatch(request.name):
            raise StackRefused(f"Invalid stack name {request.name}")
        stack_id = self._stacks.create(call.project, request)
        href = answers.stack_href(self._base, call.project, request.name, stack_id)
        return 201, {"stack": {"id": stack_id, "links": [{"href": href, "rel": "self"}]}}, {}

    def _preview(self, call: Call) -> Answer:
        imagined = self._stacks.imagined(_request(call.body))
        return 200, {"stack": {"resources": answers.imagined(imagined)}}, {}

    def _validate(self, call: Call) -> Answer:
        self._stacks.validate(call.project, _request(call.body))
        return 200, {"Description": "", "Parameters": {}}, {}

    def _look_up(self, call: Call) -> Answer:
        """Whatever is asked of a stack by its id or name alone is sent to its one true address."""

        def place(index: Index) -> tuple[str, str]:
            record, path = _found(index, call)
            return ("-".join((record.name, *path)), call.ident) if path else (record.name, record.id)

        target = answers.stack_href(self._base, call.project, *self._stacks.look(place))
        if what := call.names.get("what"):
            target += f"/{what}"
        if call.query:
            target += f"?{urllib.parse.urlencode(call.query)}"
        return 302, fault_body("HTTPFound", 302, "Found"), {"Location": target}

    def _show(self, call: Call) -> Answer:
        outputs = call.query.get("resolve_outputs", "true").lower() != "false"

        def shown(index: Index) -> dict[str, Any]:
            record, path = _found(index, call)
            if path:
                return answers.nested_shown(record, path, call.ident, self._base)
            return answers.shown(record, self._base, outputs=outputs)

        return 200, {"stack": self._stacks.look(shown)}, {}

    def _template(self, call: Call) -> Answer:
        return 200, json.loads(self._stacks.look(lambda index: _found(index, call)[0].template)), {}

    def _resources(self, call: Call) -> Answer:
        depth = int(call.query.get("nested_depth", 0))

        def told(index: Index) -> list[dict[str, Any]]:
            return answers.resources(_found(index, call)[0], call.ident, depth, self._base)

        return 200, {"resources": self._stacks.look(told)}, {}

    def _update(self, call: Call) -> Answer:
        self._stacks.update(call.project, call.ident, _request(call.body))
        return 202, {}, {}

    def _delete(self, call: Call) -> Answer:
        self._stacks.look(lambda index: _found(index, call))
        self._stacks.delete(call.project, call.ident)
        return 204, None, {}

    def _preview_update(self, call: Call) -> Answer:
        """What is added and removed, `previews` finds out by itself, of Heat and of this alike."""
        self._stacks.look(lambda index: _found(index, call))
        return 200, {"resource_changes": _NOTHING}, {}

    def _signal(self, call: Call) -> Answer:
        self._stacks.signal(call.project, call.ident, call.names["name"], call.body)
        return 200, None, {}


def _found(index: Index, call: Call) -> tuple[Record, tuple[str, ...]]:
    """A stack, or the one that a nested stack is in and where it is there."""
    record = index.find(call.project, call.ident)
    if record is not None:
        return record, ()
    holder = index.holder(call.project, call.ident)
    if holder is None:
        raise StackNotFound(call.ident)
    return holder


def _request(body: Mapping[str, Any]) -> StackRequest:
    template = body.get("template") or "{}"
    return StackRequest(
        name=str(body.get("stack_name") or ""),
        template=template if isinstance(template, str) else json.dumps(template),
        parameters=body.get("parameters") or {},
        files=body.get("files") or {},
        tags=tuple(tag for tag in (body.get("tags") or "").split(",") if tag),
        timeout_mins=int(body.get("timeout_mins") or 60),
    )


def _servers(index: Index) -> list[dict[str, Any]]:
    return [answers.server(record, node) for record in index for node in record.nodes]
