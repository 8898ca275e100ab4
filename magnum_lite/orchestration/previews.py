"""What Heat says that a creation or an update would do, counted by type of resource."""

import collections
from collections.abc import Mapping
from typing import Any

from magnum_lite.models.stack import Preview


def of_creation(stack: Mapping[str, Any]) -> Preview:
    """From a stack preview: a nested stack is the list of its resources there."""
    counts: collections.Counter[str] = collections.Counter()
    pending = list(stack.get("resources") or ())
    while pending:
        item = pending.pop()
        if isinstance(item, list):
            pending.extend(item)
        else:
            counts[item["resource_type"]] += 1
    return Preview(added=dict(counts))


def of_update(answer: Mapping[str, Any]) -> Preview:
    """From an update preview. Resources of a nested stack that is new or goes as a whole are listed under
    it, each with what happens to it.
    """
    changes = answer.get("resource_changes") or {}

    def counted(kind: str) -> dict[str, int]:
        found = [item.get("resource_type") or "" for item in changes.get(kind) or ()]
        return dict(collections.Counter(found))

    return Preview(counted("added"), counted("updated"), counted("replaced"), counted("deleted"))
