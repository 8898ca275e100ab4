"""JSON Schemas of what goes in and out, in either dialect, from the same declarations that validate."""

import functools
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pydantic
from pydantic.fields import FieldInfo

from magnum_lite.api.dialects import Dialect
from magnum_lite.api.patch import LABEL_FIELDS, MAX_OPERATIONS
from magnum_lite.api.shapes import Gives, Takes
from magnum_lite.models.event import Event
from magnum_lite.models.fields import Access, Resource
from magnum_lite.models.nodegroup import NodeGroup
from magnum_lite.models.quota import Quota, Service
from magnum_lite.models.views import create_view, facts, names

Schema = dict[str, Any]
Keep = Callable[[str, Schema], Schema]
"""Puts a schema under a name and gives a reference to it."""
_OURS = frozenset({"access", "bay", "summary", "stored", "removable", "blank", "since", "until", "title"})
_BOUNDS = {"ge": "minimum", "le": "maximum"}
_LINK = {
    "type": "object",
    "properties": {"href": {"type": "string"}, "rel": {"type": "string"}},
    "required": ["href", "rel"],
}
_SOMETIMES = frozenset({"faults", "labels_explained"})
_NUMBERED = frozenset({Event, NodeGroup, Quota, Service})
_LINKS = {"type": "array", "items": _LINK, "description": "self and bookmark."}


def object_of(properties: Mapping[str, Schema], required: Iterable[str], *, extra: bool = False) -> Schema:
    """An object; ``extra``: with other properties, too."""
    return {
        "type": "object",
        "properties": dict(properties),
        "required": sorted(required),
        "additionalProperties": extra,
    }


def nullable(schema: Schema) -> Schema:
    """The same, or null."""
    if any(s.get("type") == "null" for s in schema.get("anyOf", ())) or schema == {}:
        return schema
    if "type" in schema and "enum" not in schema:
        kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        return schema if "null" in kinds else schema | {"type": [*kinds, "null"]}
    return {"anyOf": [schema, {"type": "null"}]}


def _clean(schema: Any) -> Any:
    """Without what only we know; with JSON Schema's words for bounds; "or null" the short way."""
    if isinstance(schema, list):
        return [_clean(s) for s in schema]
    if not isinstance(schema, dict):
        return schema
    own = (
        isinstance(schema.get("properties"), dict)
        or "type" in schema
        or "anyOf" in schema
        or "$ref" in schema
    )
    out = {_BOUNDS.get(k, k): _clean(v) for k, v in schema.items() if not (own and k in _OURS)}
    either = out.get("anyOf", ())
    if len(either) == 2 and {"type": "null"} in either:
        (other,) = (s for s in either if s != {"type": "null"})
        rest = {k: v for k, v in out.items() if k != "anyOf"}
        return nullable(other) | rest
    return out


def _inlined(schema: Schema) -> Schema:
    """Nested models in place of references: none refers to itself."""
    definitions = schema.pop("$defs", {})

    def put(item: Any) -> Any:
        if isinstance(item, list):
            return [put(x) for x in item]
        if not isinstance(item, dict):
            return item
        if "$ref" in item:
            return put(definitions[item["$ref"].rpartition("/")[2]]) | {
                k: put(v) for k, v in item.items() if k != "$ref"
            }
        return {k: put(v) for k, v in item.items()}

    out: Schema = put(schema)
    return out


@functools.cache
def _adapter(info: str, model: type[pydantic.BaseModel]) -> pydantic.TypeAdapter[Any]:
    return pydantic.TypeAdapter(model.model_fields[info].rebuild_annotation())


def _value(model: type[pydantic.BaseModel], name: str, *, incoming: bool) -> Schema:
    """One field's schema with its description."""
    raw = _adapter(name, model).json_schema(mode="validation" if incoming else "serialization")
    out: Schema = _clean(_inlined(raw))
    info = model.model_fields[name]
    return out | ({"description": _described(info)} if info.description else {})


def _described(info: FieldInfo) -> str:
    told = facts(info) or {}
    text = info.description or ""
    if told.get("since") and tuple(told["since"]) > (1, 1):
        text += f" Since {'.'.join(map(str, told['since']))}."
    if told.get("until"):
        text += f" Until {'.'.join(map(str, told['until']))}."
    return text


def _default(info: FieldInfo) -> Schema:
    value = info.get_default(call_default_factory=True)
    return {"default": value} if isinstance(value, str | int | bool | dict | list) else {}


def _word(model: type[pydantic.BaseModel], dialect: Dialect) -> str:
    """The name of a model in a dialect, where it is another there."""
    differs = issubclass(model, Resource) and dialect.rename(model)
    word = model.__name__
    return (
        word.replace("Cluster", "Bay") if differs and "Cluster" in word else f"Bay{word}" if differs else word
    )


def body(takes: Takes, dialect: Dialect, keep: Keep) -> Schema:
    """A request's body."""
    word = _word(takes.model, dialect)
    if not issubclass(takes.model, Resource):
        return keep(word, _object(takes.model, takes.model, {}))
    if takes.patch:
        return keep(f"{word}Patch", _patch(takes, takes.model, dialect))
    return keep(f"{word}Create", _object(create_view(takes.model), takes.model, dialect.rename(takes.model)))


def _object(
    view: type[pydantic.BaseModel], model: type[pydantic.BaseModel], rename: Mapping[str, str]
) -> Schema:
    """``view`` says what may be given and must be, ``model`` the rest."""
    properties, required = {}, []
    for name, info in view.model_fields.items():
        outer, schema = rename.get(name, name), _value(view, name, incoming=True)
        schema |= {"description": _described(model.model_fields[name])}
        if info.is_required():
            required.append(outer)
        else:  # a null means absent
            schema = nullable(schema) | _default(info)
        properties[outer] = schema
    more = model.model_config.get("json_schema_extra")
    return object_of(properties, required) | (dict(more) if isinstance(more, dict) else {})


def _patch(takes: Takes, model: type[Resource], dialect: Dialect) -> Schema:
    """A JSON patch: an operation is one of those that are possible, with the field's own schema."""
    fields = names(model, Access.WRITE, Access.UPDATE) if takes.only is None else takes.only
    rename = dialect.rename(model)
    removable, writes = [], []
    for name in sorted(fields):
        info, path = model.model_fields[name], f"/{rename.get(name, name)}"
        writes.append(_operation(["add", "replace"], {"const": path}, _value(model, name, incoming=True)))
        if facts(info)["removable"] and not info.is_required():
            removable.append(path)
        if name in LABEL_FIELDS:
            label = {"type": "string", "pattern": rf"^{path}/[\w.~ :-]+$"}
            value = _value(model, name, incoming=True)["additionalProperties"]
            writes += [_operation(["add", "replace"], label, value), _operation(["remove"], label)]
    if removable:
        writes.append(_operation(["remove"], {"enum": removable}))
    sdk = object_of(
        {"op": {"const": "move"}, "from": {"const": "/uuid"}, "path": {"const": "/id"}},
        ["op", "from", "path"],
    )
    writes.append(sdk | {"description": "Ignored; openstacksdk adds it to every update."})
    return {"type": "array", "maxItems": MAX_OPERATIONS, "items": {"anyOf": writes}}


def _operation(verbs: list[str], path: Schema, value: Schema | None = None) -> Schema:
    properties: dict[str, Schema] = {"op": {"type": "string", "enum": verbs}, "path": path}
    if value is None:
        return object_of(properties | {"value": {}}, ["op", "path"])
    return object_of(properties | {"value": value}, ["op", "path", "value"])


def answer(gives: Gives, dialect: Dialect, keep: Keep) -> Schema:
    """An answer's body."""
    model = gives.model
    summary = "Summary" if gives.summary else ""
    if issubclass(model, Resource):
        item = keep(_word(model, dialect) + summary, _shown(gives, model, dialect))
    else:
        item = keep(model.__name__, _plain(gives))
    if not gives.key:
        return item
    properties: dict[str, Schema] = {gives.key: {"type": "array", "items": item}}
    if gives.paged:
        properties["next"] = {"type": "string", "description": "URL of the next page, if there may be one."}
    return object_of(properties, [gives.key])


def _plain(gives: Gives) -> Schema:
    fields = gives.model.model_fields
    properties = {n: _value(gives.model, n, incoming=False) for n in fields}
    always = {n for n, i in fields.items() if i.is_required()}
    if gives.links:
        properties["links"] = _LINKS
    return object_of(properties, always, extra=gives.model.model_config.get("extra") == "allow")


def _shown(gives: Gives, model: type[Resource], dialect: Dialect) -> Schema:
    """Fields that microversions lack are not promised; nor are faults, which only failures have."""
    rename = dialect.rename(model)
    properties: dict[str, Schema] = {}
    always: set[str] = set()
    if model in _NUMBERED and not gives.summary:
        properties["id"] = {"type": ["integer", "null"], "description": "Number."}
    for name, info in model.model_fields.items():
        told = facts(info)
        if told["access"] == Access.PRIVATE.value or (gives.summary and not told["summary"]):
            continue
        outer = rename.get(name, name)
        properties[outer] = _value(model, name, incoming=False)
        if not told["until"] and tuple(told["since"]) == (1, 1) and name not in _SOMETIMES:
            always.add(outer)
    if gives.links:
        properties["links"] = _LINKS
        always.add("links")
    return object_of(properties, always)
