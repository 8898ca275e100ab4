"""The API reference (``doc/api.rst``) and the outline that a test compares, written from the OpenAPI
document.
"""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from magnum_lite.api.schemas import Schema

_HEAD = """\
.. Written by ``magnum-lite-manage api reference``; not to be changed by hand.

API reference
=============

The same as an OpenAPI 3.1 document is at ``GET /v1/openapi.json``, without a token.

"""


def text(document: dict[str, Any]) -> str:
    """The whole reference, reStructuredText."""
    return _HEAD + "\n".join((*_general(document), *_routes(document), *_objects(document))).rstrip() + "\n"


def outline(document: dict[str, Any]) -> str:
    """What programs depend on, a line for each thing, so that a change is a line: no prose."""
    return "\n".join((*_outlined_routes(document), *_outlined_objects(document))) + "\n"


def _outlined_routes(document: dict[str, Any]) -> Iterator[str]:
    for path, item in sorted(document["paths"].items()):
        for method, operation in sorted(item.items()):
            yield f"{method.upper()} {path}"
            marks = {
                k: v for k, v in operation.items() if k.startswith("x-") or k in {"deprecated", "security"}
            }
            yield f"  {_compact(marks | {'id': operation['operationId']})}"
            for parameter in operation["parameters"]:
                yield f"  takes {parameter.get('in', '')} {parameter.get('name', '')} {_compact(parameter)}"
            if "requestBody" in operation:
                yield f"  takes {_compact(operation['requestBody'])}"
            given = operation["responses"].items()
            bodies = ((code, g.get("content", {})) for code, g in given if "$ref" not in g)
            yield from (f"  gives {code} {_compact(content)}" for code, content in bodies)
            yield f"  refuses {' '.join(code for code, g in given if '$ref' in g)}"


def _outlined_objects(document: dict[str, Any]) -> Iterator[str]:
    for name, schema in document["components"]["schemas"].items():
        yield name
        rest = {k: v for k, v in schema.items() if k not in {"properties", "items"}}
        yield f"  {_compact(rest)}"
        for field, value in sorted(schema.get("properties", {}).items()):
            yield f"  {field} {_compact(value)}"
        for one in schema.get("items", {}).get("anyOf", ()):
            yield f"  {_compact(one)}"


def _compact(schema: Any) -> str:
    def bare(item: Any) -> Any:
        if isinstance(item, dict):
            return {k: bare(v) for k, v in item.items() if not (k == "description" and isinstance(v, str))}
        return [bare(x) for x in item] if isinstance(item, list) else item

    return json.dumps(bare(schema), sort_keys=True, ensure_ascii=False)


def _title(words: str, line: str) -> list[str]:
    return [words, line * len(words), ""]


def _code(words: str) -> str:
    return f"``{words}``"


def _prose(words: str) -> str:
    """Markdown's code marks become reStructuredText's."""
    return words.replace("``", "`").replace("`", "``").replace("*", r"\*")


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> list[str]:
    """A list-table; an empty cell is an empty line."""
    out = [".. list-table::", "   :header-rows: 1", ""]
    for row in (head, *rows):
        cells = list(row)
        out += [f"   {'*' if n == 0 else ' '} - {cell}".rstrip() for n, cell in enumerate(cells)]
    return [*out, ""]


def _general(document: dict[str, Any]) -> Iterator[str]:
    yield _prose(document["info"]["description"])
    yield from _title("Headers", "-")
    rows = [
        (_code(p["name"]), _prose(p["description"])) for p in document["components"]["parameters"].values()
    ]
    token = document["components"]["securitySchemes"]["token"]
    yield from _table(("of requests", ""), [(_code(token["name"]), "Keystone's token."), *rows])
    answered = document["components"]["headers"].items()
    yield from _table(("of answers", ""), [(_code(n), _prose(h["description"])) for n, h in answered])
    yield from _title("Errors", "-")
    refusals = document["components"]["responses"].items()
    yield from _table(("status", ""), [(n[1:], _prose(r["description"])) for n, r in refusals])
    yield 'The body of an error is ``{"errors": [entry, …]}``; an entry has:'
    yield ""
    yield from _fields(document["components"]["schemas"]["Errors"]["properties"]["errors"]["items"])


def _routes(document: dict[str, Any]) -> Iterator[str]:
    for tag in (t["name"] for t in document["tags"]):
        yield from _title(f"Routes: {tag}", "-")
        for path, item in document["paths"].items():
            for method, operation in item.items():
                if tag in operation["tags"]:
                    yield from _operation(method.upper(), path, operation)


def _operation(method: str, path: str, operation: dict[str, Any]) -> Iterator[str]:
    yield from _title(f"{method} {path}", "~")
    yield _prose(operation["description"])
    yield ""
    facts = []
    if "x-since" in operation:
        facts.append(f"Since microversion {operation['x-since']}.")
    if operation.get("deprecated"):
        facts.append("Deprecated: the words of 2016.")
    if operation.get("security") == []:
        facts.append("Without a token.")
    if "x-policy-rules" in operation:
        facts.append(f"Policy: {', '.join(map(_code, operation['x-policy-rules']))}.")
    if facts:
        yield " ".join(facts)
        yield ""
    query = [p for p in operation["parameters"] if p.get("in") == "query"]
    if query:
        rows = [(_code(p["name"]), _kind(p["schema"]), _prose(p["description"])) for p in query]
        yield from _table(("argument", "type", ""), rows)
    if "requestBody" in operation:
        (kind, *_) = operation["requestBody"]["content"].values()
        yield f"Body: {_kind(kind['schema'])}"
        yield ""
    answers = [(code, _given(given)) for code, given in operation["responses"].items() if "$ref" not in given]
    if answers:
        yield from _table(("status", "body"), answers)
    refused = [code for code, given in operation["responses"].items() if "$ref" in given]
    yield f"Or {', '.join(refused)}."
    yield ""


def _given(given: dict[str, Any]) -> str:
    (content, *_) = given.get("content", {}).values() or [None]
    return _shape(content["schema"]) if content else "none"


def _shape(schema: Schema) -> str:
    if "$ref" in schema:
        return _kind(schema)
    parts = []
    for name, value in schema.get("properties", {}).items():
        items = f"[{_kind(value['items'])}, …]" if "items" in value else _kind(value)
        parts.append(f"{_code(name)}: {items}")
    return ", ".join(parts)


def _objects(document: dict[str, Any]) -> Iterator[str]:
    yield from _title("Objects", "-")
    for name, schema in document["components"]["schemas"].items():
        if name == "Errors":
            continue
        yield from _title(name, "~")
        if schema["type"] == "array":
            yield "A JSON patch; a list of operations, each one of:"
            yield ""
            yield from _table(("op", "path", "value"), _patches(schema))
        else:
            yield from _fields(schema)


def _patches(schema: Schema) -> Iterator[tuple[str, str, str]]:
    for one in schema["items"]["anyOf"]:
        properties = one["properties"]
        verbs = properties["op"].get("enum") or [properties["op"]["const"]]
        path = properties["path"]
        where = path.get("enum") or [path.get("const") or path["pattern"]]
        note = f" {one['description']}" if "description" in one else ""
        value = properties.get("value", {})
        yield (
            ", ".join(map(_code, verbs)),
            ", ".join(map(_code, where)),
            (_kind(value) if value else "") + note,
        )


def _fields(schema: Schema) -> list[str]:
    required = set(schema.get("required", ()))
    rows = []
    for name, value in schema["properties"].items():
        default = (
            f" Default: {_code(str(value['default']))}."
            if value.get("default") not in (None, "", {}, [])
            else ""
        )
        needed = "yes" if name in required else ""
        rows.append((_code(name), _kind(value), needed, _prose(value.get("description", "")) + default))
    return _table(("field", "type", "always", ""), rows)


def _kind(schema: Schema) -> str:
    """A type with its bounds in few words."""
    if "$ref" in schema:
        return f"{schema['$ref'].rpartition('/')[2]}_"
    if "anyOf" in schema:
        return " or ".join(_kind(s) for s in schema["anyOf"])
    if "enum" in schema:
        return ", ".join(_code(str(v)) for v in schema["enum"])
    types = schema.get("type", "anything")
    out = " or ".join([types] if isinstance(types, str) else types)
    if "format" in schema:
        out += f" ({schema['format']})"
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None or high is not None:
        out += f", {'' if low is None else low}…{'' if high is None else high}"
    longest, shortest = schema.get("maxLength"), schema.get("minLength")
    if longest:
        out += f", {shortest or 0}…{longest} characters"
    if "items" in schema and "type" in schema["items"]:
        out += f" of {_kind(schema['items'])}"
    return out
