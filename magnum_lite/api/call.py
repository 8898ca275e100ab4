"""One request and one answer, as handlers see them."""

import dataclasses
import json
import re
from collections.abc import Mapping
from typing import Any

import pydantic_core

from magnum_lite.api.dialects import Dialect
from magnum_lite.api.errors import BadRequest
from magnum_lite.api.versions import Version
from magnum_lite.context import Context
from magnum_lite.errors import InvalidInput, Problem
from magnum_lite.models.fields import boolean
from magnum_lite.services.deps import Deps

NOTHING = object()
MAX_DEPTH = 32
_HALF = re.compile(r"\\u[dD][89a-fA-F]")


@dataclasses.dataclass(frozen=True)
class Call:
    """``base`` is the URL that links begin with; ``body`` is NOTHING when none was sent."""

    deps: Deps
    context: Context
    dialect: Dialect
    version: Version
    base: str
    query: Mapping[str, str]
    body: Any = NOTHING

    def mapping(self, name: str) -> dict[str, Any]:
        """The body, which must be an object."""
        if self.body is NOTHING:
            raise BadRequest(f'Missing argument: "{name}"')
        if not isinstance(self.body, dict):
            raise InvalidInput(Problem("", f"The body must be a JSON object with the fields of a {name}"))
        return self.body

    def integer(
        self, name: str, default: int | None = None, *, low: int = 0, high: int = 2**31
    ) -> int | None:
        """A query argument that is a number."""
        if name not in self.query:
            return default
        try:
            value = int(self.query[name])
        except ValueError:
            raise InvalidInput(Problem(name, "must be an integer")) from None
        if not low <= value <= high:
            raise InvalidInput(Problem(name, f"must be between {low} and {high}"))
        return value

    def flag(self, name: str) -> bool:
        """A query argument that is true or false. Nothing else: ``?plan=ture`` must not be carried out."""
        try:
            return bool(boolean(self.query.get(name, "false")))
        except ValueError as error:
            raise InvalidInput(Problem(name, str(error))) from None


@dataclasses.dataclass(frozen=True)
class Answer:
    """What goes back; no body for None, and bytes for a body that is written already."""

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)


def written(body: Any) -> bytes:
    """An answer's body on the wire; one that was written before stays as it is, None is empty."""
    if isinstance(body, bytes):
        return body
    return b"" if body is None else pydantic_core.to_json(body)


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    out = dict(pairs)
    if len(out) != len(pairs):
        names = [k for k, _ in pairs]
        twice = sorted({k for k in names if names.count(k) > 1})
        raise BadRequest(f"The body names a field twice: {', '.join(twice)[:200]}")
    return out


def _refuse_constant(name: str) -> Any:
    raise BadRequest(f"{name} is not JSON")


def read_json(raw: bytes) -> Any:
    """Strict JSON: UTF-8, no field twice, no NaN, bounded depth. Raises BadRequest."""
    try:
        text = raw.decode("utf-8")
        value = json.loads(text, object_pairs_hook=_no_duplicates, parse_constant=_refuse_constant)
    except RecursionError:
        raise BadRequest("The body is nested too deeply") from None
    except (UnicodeDecodeError, ValueError):
        raise BadRequest("Request is not in valid JSON format") from None
    if _depth(value) > MAX_DEPTH:
        raise BadRequest("The body is nested too deeply")
    if _HALF.search(text) and not _is_text(value):
        raise BadRequest("Request is not in valid JSON format: half of a surrogate pair is no character")
    return value


def _is_text(value: Any) -> bool:
    """Whether all of it can be written as UTF-8; databases and answers need that."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _depth(value: Any) -> int:
    """Nesting of a document, without recursion."""
    deepest, todo = 0, [(value, 1)]
    while todo:
        item, level = todo.pop()
        if isinstance(item, dict | list):
            deepest = max(deepest, level)
            if level > MAX_DEPTH:
                return level
            todo += [(x, level + 1) for x in (item.values() if isinstance(item, dict) else item)]
    return deepest
