"""How a resource declares a field: once, with everything that the API, the database and both
dialects need to know about it.
"""

import ast
import datetime as dt
import enum
import json
import re
from typing import Annotated, Any

import pydantic

from magnum_lite.models import wire

MAX_COUNT = 10_000
MAX_GIB = 65_536
MAX_LABELS = 256
MAX_LABEL_VALUE = 4096
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_TRUE = {"true", "1", "yes", "on", "t", "y"}
_FALSE = {"false", "0", "no", "off", "f", "n"}


class Access(enum.Enum):
    """Who may write a field, and who sees it."""

    WRITE = "write"  # POST and PATCH
    CREATE = "create"  # POST only
    UPDATE = "update"  # PATCH only
    READ = "read"  # answers only
    PRIVATE = "private"  # a column, never shown


def field(
    default: Any = ...,
    *,
    doc: str,
    access: Access = Access.WRITE,
    bay: str | None = None,
    summary: bool = False,
    stored: bool = True,
    removable: bool = True,
    blank: bool = False,
    since: tuple[int, int] = (1, 1),
    until: tuple[int, int] | None = None,
    **constraints: Any,
) -> Any:
    """Declare a field.

    ``bay`` is its name in the 2016 dialect where that differs; ``summary`` puts it into lists;
    ``stored=False`` marks views that are computed when read; ``since``/``until`` are the first and
    the last microversion that show it; ``removable=False`` refuses a JSON patch ``remove``;
    ``blank`` takes an empty text for nothing in a POST.
    """
    if isinstance(default, dict | list):
        value = default
        constraints["default_factory"] = lambda: type(value)(value)
    else:
        constraints["default"] = default
    return pydantic.Field(
        description=doc,
        json_schema_extra={
            "access": access.value,
            "bay": bay,
            "summary": summary,
            "stored": stored,
            "removable": removable,
            "blank": blank,
            "since": list(since),
            "until": list(until) if until else None,
        },
        **constraints,
    )


def _text(value: Any) -> Any:
    if isinstance(value, str) and _CONTROL.search(value):
        raise ValueError("control characters are not allowed")
    return value


def integer(value: Any) -> Any:
    """A string that is an integer is taken: Horizon and Terraform send those."""
    if isinstance(value, bool) or (isinstance(value, float) and not value.is_integer()):
        raise ValueError("must be an integer")
    if isinstance(value, str):
        if not re.fullmatch(r"[+-]?[0-9]{1,18}", value.strip()):
            raise ValueError("must be an integer")
        return int(value)
    return value


def boolean(value: Any) -> Any:
    """Strings are taken as upstream takes them: Horizon sends ``"False"``."""
    if isinstance(value, str) and value.strip().lower() in _TRUE | _FALSE:
        return value.strip().lower() in _TRUE
    if isinstance(value, int | float) and value in {0, 1}:
        return bool(value)
    raise ValueError("must be true or false")


def mapping(value: Any) -> Any:
    """Old clients and Terraform send a map as the text of one: ``"{'a': 'b'}"``."""
    return _literal(value, dict) if isinstance(value, str) else value


def _literal(text: str, kind: type) -> Any:
    """A map or list from its JSON text or from Python's."""
    for read in (json.loads, ast.literal_eval):
        try:
            found = read(text)
        except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
            continue
        if isinstance(found, kind):
            return found
    raise ValueError(f"must be a {'map of strings' if kind is dict else 'list'}")


def _labels(value: Any) -> Any:
    value = mapping(value)
    if not isinstance(value, dict):
        raise ValueError("must be a map of strings")  # noqa: TRY004  pydantic wants ValueError
    if len(value) > MAX_LABELS:
        raise ValueError(f"at most {MAX_LABELS} labels are kept")
    out = {}
    for key, item in value.items():
        if not isinstance(key, str) or not 1 <= len(key) <= 255 or _CONTROL.search(key):
            raise ValueError("each label's name is a text of 1 to 255 characters")
        if isinstance(item, bool | int | float):
            out[key] = str(item)
        elif isinstance(item, str) and len(item) <= MAX_LABEL_VALUE:
            out[key] = _text(item)
        else:
            raise ValueError(
                f"label {key!r}: must be a text (up to {MAX_LABEL_VALUE} characters), number or boolean"
            )
    return out


EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
_TAINT = {"key", "value", "effect"}
_TAINT_SCHEMA = {
    "type": "object",
    "properties": {
        "key": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": wire.PRINTABLE},
        "value": {"type": ["string", "null"], "maxLength": 255, "pattern": wire.PRINTABLE},
        "effect": {"type": "string", "enum": list(EFFECTS)},
    },
    "required": ["key", "effect"],
    "additionalProperties": False,
}


def _taints(value: Any) -> Any:
    """``[{"key": k, "value": v, "effect": e}]``, or the text of such a list: magnumclient sends that."""
    if isinstance(value, str):
        value = _literal(value, list)
    if not isinstance(value, list) or len(value) > MAX_LABELS:
        raise ValueError("must be a list of objects with key, effect and, if wanted, value")
    out = []
    for place, item in enumerate(value):
        if not isinstance(item, dict) or set(item) - _TAINT:
            raise ValueError(f"entry {place} must be an object with key, effect and, if wanted, value")
        texts = [item.get("key"), item.get("value") or "", item.get("effect")]
        if not all(isinstance(t, str) and len(t) <= 255 for t in texts) or not item["key"]:
            raise ValueError(f"entry {place}: key, value and effect are texts; key and effect are needed")
        if item["effect"] not in EFFECTS:
            raise ValueError(f"entry {place}: effect must be one of {', '.join(EFFECTS)}")
        out.append({"key": _text(texts[0]), "value": _text(texts[1]), "effect": texts[2]})
    return out


def _uuid(value: Any) -> Any:
    if isinstance(value, str) and re.fullmatch(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", value):
        return value.lower()
    raise ValueError("must be a uuid")


_STRICT = pydantic.Field(strict=True)
_PLAIN = pydantic.BeforeValidator(_text)
_WHOLE = pydantic.BeforeValidator(integer)
_LABEL_VALUE = {
    "type": ["string", "number", "boolean"], "maxLength": MAX_LABEL_VALUE, "pattern": wire.PRINTABLE
}  # fmt: skip
_LABEL_NAME = {"minLength": 1, "maxLength": 255, "pattern": wire.PRINTABLE}
_LABELS = wire.Taken(
    ("string",),
    {"maxProperties": MAX_LABELS, "propertyNames": _LABEL_NAME, "additionalProperties": _LABEL_VALUE},
)
Text = Annotated[str, _PLAIN, _STRICT, wire.TEXT, pydantic.StringConstraints(max_length=255)]
LongText = Annotated[str, _PLAIN, _STRICT, wire.TEXT, pydantic.StringConstraints(max_length=8192)]
Ident = Annotated[str, _PLAIN, _STRICT, wire.TEXT, pydantic.StringConstraints(min_length=1, max_length=255)]
Uuid = Annotated[
    str,
    pydantic.BeforeValidator(_uuid),
    wire.Taken((), {"pattern": wire.UUID}),
    pydantic.StringConstraints(max_length=36),
]
Integer = Annotated[int, _WHOLE, wire.INTEGER]
Count = Annotated[int, _WHOLE, wire.INTEGER, pydantic.Field(ge=0, le=MAX_COUNT)]
Port = Annotated[int, _WHOLE, wire.INTEGER, pydantic.Field(ge=1024, le=65535)]
GiB = Annotated[int, _WHOLE, wire.INTEGER, pydantic.Field(ge=1, le=MAX_GIB)]
Boolean = Annotated[
    bool,
    pydantic.BeforeValidator(boolean),
    wire.Taken(
        ("string", "integer"), {"pattern": wire.spellings(_TRUE | _FALSE), "minimum": 0, "maximum": 1}
    ),
]
Labels = Annotated[dict[str, str], pydantic.BeforeValidator(_labels), _LABELS]
Taints = Annotated[
    list[dict[str, str]],
    pydantic.BeforeValidator(_taints),
    wire.Taken(("string",), {"maxItems": MAX_LABELS, "items": _TAINT_SCHEMA}),
]
Strings = list[str]
Listing = list[Any]
Document = Annotated[dict[str, Any], pydantic.BeforeValidator(mapping), wire.TEXT_OF_MAP]
Timestamp = dt.datetime


class Resource(pydantic.BaseModel):
    """Base of every declaration. Instances are frozen values."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True, from_attributes=True, defer_build=True)
