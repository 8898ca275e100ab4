"""Pages of lists: which one is asked for, and the link to the next (API.md 1.2)."""

import urllib.parse
from typing import Any

from magnum_lite.api.call import Call, written
from magnum_lite.db.rows import Page, Row
from magnum_lite.errors import InvalidInput, Problem
from magnum_lite.models.fields import Resource
from magnum_lite.models.views import facts

ARGUMENTS = frozenset({"marker", "limit", "sort_key", "sort_dir"})


def wanted(call: Call, model: type[Resource], *, marker: str = "uuid") -> Page:
    """The page that the query asks for; ``marker``: what markers name, uuid or id. Raises InvalidInput."""
    most = call.deps.conf.api.max_limit
    limit = most
    if "limit" in call.query:
        limit = call.integer("limit", low=-(2**31)) or 0
        if limit <= 0:
            raise InvalidInput(Problem("limit", "Limit must be positive"))
    direction = call.query.get("sort_dir", "asc")
    if direction not in {"asc", "desc"}:
        raise InvalidInput(Problem("sort_dir", "must be asc or desc"))
    key = call.query.get("sort_key", "id")
    rename = call.dialect.rename(model)
    back = {theirs: ours for ours, theirs in rename.items()}
    column = "" if key in rename else back.get(key, key)
    if column != "id" and column not in _sortable(model):
        raise InvalidInput(
            Problem("sort_key", f'The sort_key value "{key[:100]}" is an invalid field for sorting')
        )
    after: str | int | None = call.query.get("marker") if marker == "uuid" else call.integer("marker")
    if isinstance(after, str) and (len(after) != 36 or after.count("-") != 4):
        raise InvalidInput(Problem("marker", "must be the uuid of the last object of the page before"))
    return Page(min(limit, most), after, column, direction == "desc")


def _sortable(model: type[Resource]) -> set[str]:
    """Stored, shown, and of a type that sorts."""
    out = set()
    for name, info in model.model_fields.items():
        told = facts(info)
        plain = "dict" not in str(info.annotation) and "list" not in str(info.annotation)
        if told["stored"] and told["access"] != "private" and plain:
            out.add(name)
    return out


def listed(call: Call, path: str, name: str, page: Page, rows: list[Row], items: list[dict[str, Any]]) -> Any:
    """The body of a list, with ``next`` when the page is full."""
    return {name: items} | _next(call, path, page, rows)


def joined(call: Call, path: str, name: str, page: Page, rows: list[Row], parts: list[bytes]) -> bytes:
    """The same of objects that are written already."""
    rest = written(_next(call, path, page, rows))[1:]
    comma = b"," if len(rest) > 1 else b""
    return b'{"%s":[%s]%s%s' % (name.encode(), b",".join(parts), comma, rest)


def _next(call: Call, path: str, page: Page, rows: list[Row]) -> dict[str, str]:
    if len(rows) == page.limit:
        query = {
            "sort_key": call.query.get("sort_key", "id"),
            "sort_dir": call.query.get("sort_dir", "asc"),
            "limit": page.limit,
            "marker": rows[-1].get("uuid", rows[-1]["id"]),
        }
        return {"next": f"{call.base}/v1/{path}?{urllib.parse.urlencode(query)}"}
    return {}
