"""From Heat's flat list of resources to the causes of a failure.

Heat tells of each resource the stack that holds it and the stack that it holds, as links; from those come
the paths. When one leaf fails, Heat marks everything above it FAILED too, and cancels its siblings: what a
reader wants to see first is the leaf.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from magnum_lite.models.stack import ResourceFault
from magnum_lite.orchestration.growth import link

_CANCELLED = ("aborted", "cancelled", "canceled")


def is_consequence(reason: str) -> bool:
    """Whether a resource was only stopped because something else had failed."""
    return any(word in reason.casefold() for word in _CANCELLED)


def _path(resource: Mapping[str, Any], holders: Mapping[str, Mapping[str, Any]]) -> tuple[str, ...]:
    names: list[str] = []
    seen = resource
    while len(names) < 20:  # deeper than Heat allows
        names.insert(0, seen["resource_name"])
        holder = holders.get(link(seen, "stack") or "")
        if holder is None:
            break
        seen = holder
    return tuple(names)


def faults_of(resources: Iterable[Mapping[str, Any]]) -> list[ResourceFault]:
    """Failed resources of Heat's answer (``GET …/resources?nested_depth=N``): first the causes, deepest
    first, then those that hold a failed one, last what was only cancelled.
    """
    everything = list(resources)
    holders = {nested: item for item in everything if (nested := link(item, "nested"))}
    failed = [
        (_path(item, holders), item) for item in everything if item["resource_status"].endswith("_FAILED")
    ]
    above = {path[:depth] for path, _ in failed for depth in range(1, len(path))}

    def order(entry: tuple[tuple[str, ...], Mapping[str, Any]]) -> tuple[bool, bool, int, tuple[str, ...]]:
        path, item = entry
        return is_consequence(item.get("resource_status_reason") or ""), path in above, -len(path), path

    return [
        ResourceFault("/".join(path), item["resource_type"], item.get("resource_status_reason") or "")
        for path, item in sorted(failed, key=order)
    ]
