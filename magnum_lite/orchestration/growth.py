"""Members of a resource group that Heat does not show in the stack's outputs yet.

While a stack is being *updated*, a group's attributes come from its old template: a new member is missing in
the outputs until the update is complete. But the update waits for the new members' wait conditions, and
those for whoever reads the outputs to learn which nested stack to signal. The members' own nested stacks
show their outputs from the start, so an output that is ``{get_attr: [<group>, attributes, <output>]}`` can be
completed from them. A node group beside the default ones is a nested stack with such a group in it; a new
one is missing in the outputs altogether.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from magnum_lite.models.stack import GROUP_PREFIX

_FACTS = "facts"  # output of common/node.yaml


class HiddenMember(NamedTuple):
    """Stack output ``output`` lacks ``member``; its value is the output ``attribute`` of ``nested_id``."""

    output: str
    member: str
    attribute: str
    nested_id: str


def link(resource: Mapping[str, Any], rel: str) -> str | None:
    """Id of the stack that one of Heat's links points to (``…/stacks/<name>/<id>``)."""
    href = next((item["href"] for item in resource.get("links") or () if item["rel"] == rel), None)
    return href.rstrip("/").rsplit("/", 1)[-1] if href else None


def _group_outputs(template: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """(output, group, attribute) of each output that is a group's map."""
    for name, output in (template.get("outputs") or {}).items():
        match output.get("value"):
            case {"get_attr": [group, "attributes", attribute]}:
                yield name, group, attribute


def hidden_members(
    stack_id: str,
    template: Mapping[str, Any],
    resources: Iterable[Mapping[str, Any]],
    outputs: Mapping[str, Any],
) -> list[HiddenMember]:
    """What ``outputs`` lacks, from the stack's template and its resources with ``nested_depth`` 1."""
    everything = list(resources)
    groups = {
        item["resource_name"]: link(item, "nested") for item in everything if link(item, "stack") == stack_id
    }
    found: list[HiddenMember] = []
    for output, group, attribute in _group_outputs(template):
        shown = outputs.get(output) or {}
        holder = groups.get(group)
        for item in everything:
            nested = link(item, "nested")
            if holder and nested and link(item, "stack") == holder and item["resource_name"] not in shown:
                found.append(HiddenMember(output, item["resource_name"], attribute, nested))
    return found


def node_groups(stack_id: str, resources: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Resource name → nested stack, of the node groups beside the default ones that Heat has begun."""
    return {
        item["resource_name"]: nested
        for item in resources
        if item["resource_name"].startswith(GROUP_PREFIX)
        and link(item, "stack") == stack_id
        and (nested := link(item, "nested"))
    }


def hidden_in_group(
    stack_id: str, resources: Iterable[Mapping[str, Any]], shown: Mapping[str, Any]
) -> list[HiddenMember]:
    """Nodes of a node group's stack that ``shown`` lacks, from its resources with ``nested_depth`` 1."""
    everything = list(resources)
    holders = {link(item, "nested") for item in everything if link(item, "stack") == stack_id} - {None}
    return [
        HiddenMember("nodes", item["resource_name"], _FACTS, nested)
        for item in everything
        if link(item, "stack") in holders
        and item["resource_name"] not in shown
        and (nested := link(item, "nested"))
    ]
