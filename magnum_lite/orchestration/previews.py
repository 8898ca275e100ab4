"""What Heat says that a creation or an update would do, counted by type of resource.

Heat fails to preview what an update does to nested stacks (a TypeError in its engine, 2026.1), so what is
added and removed is the difference of what there is and what a new stack would have.
"""

import collections
from collections.abc import Iterable, Mapping
from typing import Any

from magnum_lite.models.stack import Preview


def counted(stack: Mapping[str, Any]) -> dict[str, int]:
    """Resources of a stack preview by type; a nested stack is the list of its resources there."""
    counts: collections.Counter[str] = collections.Counter()
    pending = list(stack.get("resources") or ())
    while pending:
        item = pending.pop()
        if isinstance(item, list):
            pending.extend(item)
        else:
            counts[item["resource_type"]] += 1
    return dict(counts)


def leaves(resources: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """The same of a list of resources with those of nested stacks: groups and templates, which only hold
    others, are left out, as previews leave them out.
    """
    return dict(
        collections.Counter(
            item["resource_type"]
            for item in resources
            if all(link.get("rel") != "nested" for link in item.get("links") or ())
        )
    )


def of_update(
    before: Mapping[str, int], after: Mapping[str, int], wanted: Mapping[str, Any], nothing: Mapping[str, Any]
) -> Preview:
    """``wanted`` and ``nothing`` are Heat's previews of the update and of one that changes nothing, of the
    stack's own resources. Heat says of a resource that refers to another one that it would be replaced,
    whatever is changed: what it says of nothing, too, does not count.
    """

    def told(kind: str) -> dict[str, int]:
        noise = {item.get("resource_name") for item in _changes(nothing, kind)}
        found = [i for i in _changes(wanted, kind) if i.get("resource_name") not in noise]
        return dict(collections.Counter(item.get("resource_type") or "" for item in found))

    return Preview(
        added=_more(after, before),
        updated=told("updated"),
        replaced=told("replaced"),
        removed=_more(before, after),
        total=sum(after.values()),
    )


def _changes(answer: Mapping[str, Any], kind: str) -> list[Mapping[str, Any]]:
    return list((answer.get("resource_changes") or {}).get(kind) or ())


def _more(these: Mapping[str, int], those: Mapping[str, int]) -> dict[str, int]:
    more = {kind: count - those.get(kind, 0) for kind, count in these.items()}
    return {kind: count for kind, count in more.items() if count > 0}
