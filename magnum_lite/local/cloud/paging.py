"""Lists: order, marker and limit as Nova, Neutron, Glance and Cinder have them, and the link to
the next page, without which SDKs stop after the first.
"""

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from magnum_lite.local.cloud.call import Call
from magnum_lite.local.cloud.faults import bad_request

MOST = 1000


def page(
    call: Call, items: Sequence[dict[str, Any]], key: str = "id"
) -> tuple[list[dict[str, Any]], str | None]:
    """The wanted page of ``items`` (in their own order unless ``sort_key`` or ``sort`` says
    otherwise) and the address of the next one. Raises Fault 400 for an unknown marker or bad limit.
    """
    ordered = _ordered(call, list(items))
    marker, limit = call.query.get("marker"), _limit(call)
    if marker:
        places = [place for place, item in enumerate(ordered) if str(item.get(key)) == marker]
        if not places:
            raise bad_request(f"marker [{marker}] not found", "InvalidMarker")
        ordered = ordered[places[0] + 1 :]
    shown = ordered[:limit]
    if len(shown) == len(ordered) or not shown:
        return shown, None
    query = [(name, value) for name, value in call.request.GET.items() if name != "marker"]
    return shown, f"{call.request.path_url}?{urlencode([*query, ('marker', str(shown[-1][key]))])}"


def linked(name: str, shown: list[Any], following: str | None) -> dict[str, Any]:
    """A list's body in the form of Nova, Neutron and Cinder, with ``<name>_links``."""
    if following is None:
        return {name: shown}
    return {name: shown, f"{name}_links": [{"rel": "next", "href": following}]}


def _limit(call: Call) -> int:
    raw = call.query.get("limit")
    if raw is None:
        return MOST
    if not raw.isdigit():
        raise bad_request(f"Invalid input for limit: {raw!r} is not a non-negative integer.", "InvalidInput")
    # Glance and Neutron take 0 for "no limit", Nova too
    return min(int(raw) or MOST, MOST)


def _ordered(call: Call, items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    keys = call.request.GET.getall("sort_key")
    directions = call.request.GET.getall("sort_dir")
    for pair in filter(None, call.query.get("sort", "").split(",")):
        name, _, direction = pair.partition(":")
        keys.append(name)
        directions.append(direction or "desc")
    # the last key sorts first: Python's sort is stable
    for place, name in reversed(list(enumerate(keys))):
        down = place < len(directions) and directions[place] == "desc"
        items.sort(key=lambda item, name=name: _sortable(item.get(name)), reverse=down)  # type: ignore[misc]
    return items


def _sortable(value: Any) -> tuple[int, float, str]:
    """A key that compares numbers with numbers and all the rest as text."""
    if isinstance(value, int | float):
        return 0, float(value), ""
    return 1, 0.0, "" if value is None else str(value)
