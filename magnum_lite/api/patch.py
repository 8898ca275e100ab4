"""The subset of RFC 6902 that clients use (API.md 1.7): add, replace and remove of root fields and of
single labels.
"""

import re
from collections.abc import Mapping
from typing import Any

import pydantic

from magnum_lite.api.dialects import Dialect
from magnum_lite.errors import InvalidInput, Problem
from magnum_lite.models.fields import Access, Resource
from magnum_lite.models.views import facts, names, validate_field

_INTERNAL = frozenset({"created_at", "id", "links", "updated_at", "uuid", "project_id", "user_id"})
_PATH = re.compile(r"(/[\w.~ :-]+)+")
_OPERATIONS = frozenset({"add", "replace", "remove"})
LABEL_FIELDS = frozenset({"labels", "node_labels"})
MAX_OPERATIONS = 256


def operations(document: Any) -> list[Any]:
    """The document, if it can be a patch at all. Raises InvalidInput."""
    if not isinstance(document, list):
        raise InvalidInput(Problem("", "A patch is a JSON list of operations"))
    if len(document) > MAX_OPERATIONS:
        raise InvalidInput(Problem("", f"A patch has at most {MAX_OPERATIONS} operations"))
    return document


def changes(
    document: Any,
    model: type[Resource],
    current: Mapping[str, Any],
    dialect: Dialect,
    only: frozenset[str] | None,
) -> dict[str, Any]:
    """House name → new value, validated. ``only``: the fields that may change at all (None: all
    writable ones). Raises InvalidInput with every fault.
    """
    out: dict[str, Any] = {}
    problems: list[Problem] = []
    back = {theirs: ours for ours, theirs in dialect.rename(model).items()}
    for place, operation in enumerate(operations(document)):
        try:
            _apply(operation, model, current, back, only, out)
        except InvalidInput as error:
            problems += [
                Problem("/".join(x for x in (str(place), p.field) if x), p.message) for p in error.problems
            ]
    if problems:
        raise InvalidInput(*problems)
    return out


def _bad(message: str, field: str = "") -> InvalidInput:
    return InvalidInput(Problem(field, message))


def _read(operation: Any) -> tuple[str, list[str], Any] | None:
    """(op, path parts, value); None for what openstacksdk adds to every update."""
    if not isinstance(operation, dict):
        raise _bad("An operation is an object with op, path and value")
    op, path = operation.get("op"), operation.get("path")
    if op == "move" and operation.get("from") == "/uuid" and path == "/id":
        return None
    unknown = sorted(set(operation) - {"op", "path", "value"})
    if unknown:
        raise _bad(f"Unknown attribute for argument patch: {', '.join(map(str, unknown))[:100]}")
    if not isinstance(op, str) or op not in _OPERATIONS:
        raise _bad("op must be add, replace or remove")
    if not isinstance(path, str) or len(path) > 512 or not _PATH.fullmatch(path):
        raise _bad("path must look like /field or /labels/name")
    if op != "remove" and "value" not in operation:
        raise _bad("'add' and 'replace' operations needs value", path)
    parts = [p.replace("~1", "/").replace("~0", "~") for p in path[1:].split("/")]
    return op, parts, operation.get("value")


def _apply(
    operation: Any,
    model: type[Resource],
    current: Mapping[str, Any],
    back: Mapping[str, str],
    only: frozenset[str] | None,
    out: dict[str, Any],
) -> None:
    read = _read(operation)
    if read is None:
        return
    op, parts, value = read
    field = back.get(parts[0], parts[0])
    path = "/" + "/".join(parts)
    if parts[0] in _INTERNAL:
        raise _bad(f"'{path}' is an internal attribute and can not be updated")
    known = names(model, Access.WRITE, Access.CREATE, Access.UPDATE, Access.READ)
    if field not in known or (parts[0] == field and field in back.values() and parts[0] not in back):
        if op == "add":
            raise _bad(f"Adding a new attribute {path} to the root of the resource is not allowed")
        raise _bad(f"Couldn't apply patch: there is no attribute {path}")
    writable = names(model, Access.WRITE, Access.UPDATE) if only is None else only
    if field not in writable:
        raise _bad(f"cannot change {parts[0]}: it is fixed when the object is made")
    if len(parts) > 1:
        _apply_label(op, parts, value, {**current, **out}, model, out)
    elif op == "remove":
        _remove(field, path, model, out)
    else:
        out[field] = _value(model, field, value, path)


def _value(model: type[Resource], field: str, value: Any, path: str) -> Any:
    try:
        return validate_field(model, field, value)
    except pydantic.ValidationError as error:
        text = error.errors(include_url=False)[0]["msg"].removeprefix("Value error, ")
        raise _bad(text, path) from None


def _remove(field: str, path: str, model: type[Resource], out: dict[str, Any]) -> None:
    info = model.model_fields[field]
    if info.is_required() or not facts(info)["removable"]:
        raise _bad(f"'{path}' is a mandatory attribute and can not be removed")
    out[field] = info.get_default(call_default_factory=True)


def _apply_label(
    op: str,
    parts: list[str],
    value: Any,
    current: Mapping[str, Any],
    model: type[Resource],
    out: dict[str, Any],
) -> None:
    if parts[0] not in LABEL_FIELDS or len(parts) != 2:
        raise _bad(f"/{'/'.join(parts)} is not an attribute that can be changed")
    field, name = parts
    labels = dict(current.get(field) or {})
    if op == "remove":
        if name not in labels:
            raise _bad(f"Couldn't apply patch: there is no label {name}")
        del labels[name]
    else:
        labels[name] = value
    out[field] = _value(model, field, labels, f"/{field}/{name}")
