"""What is derived from a declaration: the create view, the answer, the SQL columns."""

import dataclasses
import datetime as dt
import functools
import operator
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pydantic
import sqlalchemy as sa
from pydantic.fields import FieldInfo
from sqlalchemy.dialects import mysql

from magnum_lite.errors import Problem
from magnum_lite.models.fields import Access, Resource


def facts(info: FieldInfo) -> Mapping[str, Any]:
    """What :func:`magnum_lite.models.fields.field` was told."""
    return typing.cast("Mapping[str, Any]", info.json_schema_extra)


@functools.cache
def names(model: type[Resource], *access: Access) -> frozenset[str]:
    """Fields of ``model`` with one of these accesses."""
    wanted = {a.value for a in access}
    return frozenset(n for n, i in model.model_fields.items() if facts(i)["access"] in wanted)


@functools.cache
def short(model: type[Resource]) -> frozenset[str]:
    """Fields that lists show."""
    return frozenset(n for n, i in model.model_fields.items() if facts(i)["summary"])


@functools.cache
def create_view(model: type[Resource]) -> type[pydantic.BaseModel]:
    """The model of a POST body: only what a caller may set; generated fields are optional."""
    keep = names(model, Access.WRITE, Access.CREATE)
    fields: dict[str, Any] = {}
    for name, info in model.model_fields.items():
        if name not in keep:
            continue
        if name in {"uuid", "name"}:  # generated when absent
            optional: Any = typing.Union[info.rebuild_annotation(), None]  # noqa: UP007
            fields[name] = (_blank(optional) if facts(info)["blank"] else optional, None)
        else:
            fields[name] = (info.annotation, info)  # which has the validators; once is enough
    return pydantic.create_model(
        f"{model.__name__}Create", __config__=pydantic.ConfigDict(extra="forbid"), **fields
    )


def _blank(optional: Any) -> Any:
    """An empty text is nothing: gophercloud sends it for a name that is not set."""
    return typing.Annotated[
        optional,
        pydantic.BeforeValidator(
            lambda value: None if value == "" else value,
            json_schema_input_type=typing.Union[optional, typing.Literal[""]],  # noqa: UP007
        ),
    ]


@functools.cache
def _stored(model: type[Resource]) -> tuple[tuple[str, FieldInfo], ...]:
    return tuple((n, i) for n, i in model.model_fields.items() if facts(i)["stored"])


def new_row(model: type[Resource], values: Mapping[str, Any]) -> dict[str, Any]:
    """A row with ``values``, and what the model says of all other columns."""
    usual = {n: i.get_default(call_default_factory=True) for n, i in _stored(model) if not i.is_required()}
    return usual | dict(values)


@functools.cache
def _adapter(model: type[Resource], name: str) -> pydantic.TypeAdapter[Any]:
    return pydantic.TypeAdapter(model.model_fields[name].rebuild_annotation())


def validate_field(model: type[Resource], name: str, value: Any) -> Any:
    """One field's value, coerced; raises :class:`pydantic.ValidationError`."""
    return _adapter(model, name).validate_python(value)


def problems(
    error: pydantic.ValidationError, rename: Mapping[str, str], prefix: str = ""
) -> tuple[Problem, ...]:
    """Every error of a body, with paths in the caller's dialect."""
    found: dict[Problem, None] = {}  # in their order, each once
    for item in error.errors(include_url=False, include_input=False, include_context=False):
        path = [str(p) for p in item["loc"]]
        if path:
            path[0] = rename.get(path[0], path[0])
        kind, message = item["type"], item["msg"].removeprefix("Value error, ")
        if kind == "extra_forbidden":
            message = "Unknown attribute"
        elif kind in {"too_short", "string_too_short"} and "at least 1 " in message:
            message = "must not be empty"
        elif kind == "missing":
            message = "Mandatory field missing"
        name, _, rest = message.partition(": ")
        if not path and rest and name.isidentifier():  # a model validator names its field itself
            path, message = [rename.get(name, name)], rest
        where = "/".join(p for p in (prefix, *path) if p)
        found[Problem(where, message)] = None
    return tuple(found)


def timestamp(value: dt.datetime) -> str:
    """As answers show it."""
    return value.replace(tzinfo=None).isoformat(timespec="microseconds") + "+00:00"


@functools.cache
def _shown(model: type[Resource], version: tuple[int, int], summary: bool) -> tuple[str, ...]:  # noqa: FBT001
    out = []
    for name, info in model.model_fields.items():
        told = facts(info)
        if told["access"] == Access.PRIVATE.value or (summary and not told["summary"]):
            continue
        if version < tuple(told["since"]) or (told["until"] and version > tuple(told["until"])):
            continue
        out.append(name)
    return tuple(out)


@dataclasses.dataclass(frozen=True, slots=True)
class _Plan:
    """What :func:`present` does for every row of a list: the shown fields' names in the answer and in the
    row, how to take them all at once, and the names in the answer of those that are times.
    """

    outside: tuple[str, ...]
    inside: tuple[str, ...]
    get: Callable[[Mapping[str, Any]], tuple[Any, ...]]
    times: tuple[str, ...]


@functools.lru_cache(maxsize=512)
def _plan(
    model: type[Resource],
    rename: tuple[tuple[str, str], ...],
    version: tuple[int, int],
    summary: bool,  # noqa: FBT001
) -> _Plan:
    told, inside = dict(rename), _shown(model, version, summary)
    outside = tuple(told.get(n, n) for n in inside)
    annotations = [model.model_fields[n].annotation for n in inside]
    times = tuple(o for o, a in zip(outside, annotations, strict=True) if _base(a)[0] is dt.datetime)
    take = operator.itemgetter(*inside) if len(inside) > 1 else lambda row: tuple(row[n] for n in inside)
    return _Plan(outside, inside, take, times)


def present(
    model: type[Resource],
    values: Mapping[str, Any],
    *,
    rename: Mapping[str, str],
    version: tuple[int, int] = (1, 14),
    summary: bool = False,
) -> dict[str, Any]:
    """The answer for one row, in the caller's dialect and microversion."""
    plan = _plan(model, tuple(rename.items()), version, summary)
    try:
        out = dict(zip(plan.outside, plan.get(values), strict=True))
    except KeyError:  # a row without some of the fields
        out = {outside: values.get(inside) for outside, inside in zip(plan.outside, plan.inside, strict=True)}
    for name in plan.times:
        value = out[name]
        if isinstance(value, dt.datetime):
            out[name] = timestamp(value)
    return out


def _base(annotation: Any) -> tuple[Any, bool]:
    """The plain type behind Annotated and Optional, and whether None is allowed."""
    nullable = False
    while True:
        origin = typing.get_origin(annotation)
        if origin is typing.Annotated:
            annotation = typing.get_args(annotation)[0]
        elif origin in {typing.Union, types.UnionType}:
            args = [a for a in typing.get_args(annotation) if a is not type(None)]
            nullable = nullable or len(args) < len(typing.get_args(annotation))
            annotation = args[0]
        elif origin is typing.Literal:
            return str, nullable
        else:
            return origin or annotation, nullable


def _length(info: FieldInfo) -> int:
    def walk(item: Any) -> Iterable[int]:
        if getattr(item, "max_length", None):
            yield item.max_length
        for part in (*getattr(item, "metadata", ()), *getattr(item, "__metadata__", ())):
            yield from walk(part)
        for part in typing.get_args(item):
            yield from walk(part)

    return max([*walk(info), *walk(info.annotation)], default=255)


def _column_type(base: Any, info: FieldInfo) -> Any:
    if base is bool:
        return sa.Boolean()
    if base is int:
        return sa.Integer()
    if base is float:
        return sa.Double()
    if base is dt.datetime:
        return sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")
    if base in {dict, list}:
        return sa.JSON()
    length = _length(info)
    return (
        sa.String(length) if length <= 255 else sa.Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb")
    )


def columns(model: type[Resource]) -> list[sa.Column[Any]]:
    """A column for every stored field."""
    out: list[sa.Column[Any]] = []
    for name, info in _stored(model):
        base, nullable = _base(info.annotation)
        out.append(sa.Column(name, _column_type(base, info), nullable=nullable and name != "created_at"))
    return out
