"""One authenticated request: who asks, what for, and its body, read so that bad input is a 400
which names the field.
"""

import dataclasses
import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from webob import Request

from magnum_lite.local.cloud.faults import bad_request, not_found
from magnum_lite.local.cloud.store import Record

if TYPE_CHECKING:
    from magnum_lite.local.cloud.app import Cloud

#: Owner of what every project sees: the public network, the subnet pool.
SHARED = "00000000000000000000000000000000"


@dataclasses.dataclass(frozen=True)
class Call:
    """A request behind keystonemiddleware: identity headers are Keystone's word. What is appended to
    ``sent`` is done when the answer is on its way.
    """

    request: Request
    cloud: "Cloud"
    project: str
    user: str
    admin: bool
    sent: list[Callable[[], None]]

    @property
    def method(self) -> str:
        """The HTTP method."""
        return str(self.request.method)

    @property
    def path(self) -> str:
        """The whole path, without the query."""
        return str(self.request.path_info)

    @property
    def query(self) -> Mapping[str, str]:
        """The query's parameters; of a repeated one the last."""
        return {str(key): str(value) for key, value in self.request.GET.items()}

    def sees(self, record: Record) -> bool:
        """Whether the caller may know of a record."""
        return self.admin or record["project_id"] in (self.project, SHARED)

    def find(self, kind: str, ident: str) -> Record:
        """A record that the caller may see. Raises Fault 404, also for another project's."""
        record = self.cloud.store.get(kind, ident)
        if record is None or not self.sees(record):
            raise not_found(kind, ident)
        return record

    def json(self) -> dict[str, Any]:
        """The body as a JSON object. Raises Fault 400."""
        try:
            body = json.loads(self.request.body or b"null")
        except (ValueError, RecursionError) as error:
            raise bad_request("The request body is not valid JSON.") from error
        if not isinstance(body, dict):
            raise bad_request("The request body must be a JSON object.")
        return body

    def body(self, key: str) -> dict[str, Any]:
        """The object below the body's one key, as ``{"server": {...}}``. Raises Fault 400."""
        content = self.json().get(key)
        if not isinstance(content, dict):
            raise bad_request(f"Invalid input: the request body needs an object '{key}'.")
        return content


_WORDS = {str: "a string", int: "an integer", bool: "a boolean", dict: "an object", list: "a list"}


def text(body: Mapping[str, Any], key: str, *, limit: int = 255, least: int = 0) -> str | None:
    """A string of the body, or None when it is absent or null. Raises Fault 400."""
    value = _typed(body, key, str)
    if value is not None and not least <= len(value) <= limit:
        raise bad_request(f"Invalid input for {key}: its length must be between {least} and {limit}.")
    return value


def needed(body: Mapping[str, Any], key: str, *, limit: int = 255) -> str:
    """A string that must be there and not be empty. Raises Fault 400."""
    value = text(body, key, limit=limit, least=1)
    if value is None:
        raise bad_request(f"Invalid input: '{key}' is a required property.")
    return value


def number(body: Mapping[str, Any], key: str, *, least: int, most: int = 2**31 - 1) -> int | None:
    """An integer of the body; clients also send it as a string. Raises Fault 400."""
    value = body.get(key)
    if isinstance(value, str) and value.strip().lstrip("-").isdigit():
        value = int(value)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise bad_request(f"Invalid input for {key}: an integer from {least} to {most} is needed.")
    return value


def strings(body: Mapping[str, Any], key: str) -> dict[str, str]:
    """A map of strings (metadata); empty when absent. Raises Fault 400."""
    value: dict[str, Any] = _typed(body, key, dict) or {}
    for name, item in value.items():
        if not isinstance(item, str) or not 1 <= len(name) <= 255 or len(item) > 255:
            raise bad_request(
                f"Invalid input for {key}: names and values are strings of at most 255 characters."
            )
    return value


def objects(body: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    """A list of objects; empty when absent. Raises Fault 400."""
    value: list[Any] = _typed(body, key, list) or []
    if not all(isinstance(item, dict) for item in value):
        raise bad_request(f"Invalid input for {key}: a list of objects is needed.")
    return value


def _typed(body: Mapping[str, Any], key: str, kind: type[Any]) -> Any:
    value = body.get(key)
    if value is not None and not isinstance(value, kind):
        raise bad_request(f"Invalid input for {key}: {_WORDS[kind]} is needed.")
    return value
