"""What is asked of Heat and what it answers, without Heat: the values that drivers make and
orchestration carries out.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

TAG = "magnum-lite"
GROUP_PREFIX = "nodegroup_"  # of the resources that are node groups beside the default ones


def cluster_tag(cluster_uuid: str) -> str:
    """The stack tag that leads back to one cluster."""
    return f"{TAG}-{cluster_uuid}"


@dataclasses.dataclass(frozen=True, slots=True)
class StackRequest:
    """A whole desired stack. ``template`` is a path below ``heat_templates/`` (``swarm/cluster.yaml``);
    ``files`` are texts that the template reads with ``get_file`` besides those on disk; ``description`` tells
    an operator what the stack is.
    """

    name: str
    template: str
    parameters: Mapping[str, Any]
    files: Mapping[str, str] = dataclasses.field(default_factory=dict)
    tags: tuple[str, ...] = ()
    timeout_mins: int = 60
    description: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Stack:
    """What Heat says of a stack. ``action`` is CREATE, UPDATE, DELETE, CHECK...; ``status`` is
    IN_PROGRESS, COMPLETE or FAILED. ``outputs`` is empty unless they were asked for.
    """

    id: str
    name: str
    project_id: str
    action: str
    status: str
    reason: str = ""
    tags: tuple[str, ...] = ()
    updated_at: str | None = None
    outputs: Mapping[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, slots=True)
class Preview:
    """What a change of a stack would do: how many resources of each type. ``total``: how many the stack would
    have then.
    """

    added: Mapping[str, int] = dataclasses.field(default_factory=dict)
    updated: Mapping[str, int] = dataclasses.field(default_factory=dict)
    replaced: Mapping[str, int] = dataclasses.field(default_factory=dict)
    removed: Mapping[str, int] = dataclasses.field(default_factory=dict)
    total: int = 0


@dataclasses.dataclass(frozen=True, slots=True)
class ResourceFault:
    """A resource of a stack (or of one nested in it) that failed, and why. ``path`` are the
    names from the top, for example ``workers/1/server``.
    """

    path: str
    type: str
    reason: str


@dataclasses.dataclass(frozen=True, slots=True)
class NodeFacts:
    """What the stack's outputs say of one node. ``stack_id`` is the nested stack that holds the
    node's server and its wait condition handle (resource ``ready_handle``). ``group`` is the key of its
    node group, empty for the default group of its role.
    """

    role: str
    index: int
    server_id: str | None
    address: str | None
    floating_address: str | None
    stack_id: str | None
    group: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class StackFacts:
    """Stack outputs, read by the driver that wrote the template. ``groups``: the nested stacks of the node
    groups beside the default ones, by their keys. ``lb_addresses``: of the masters' load balancer, its
    floating one first; none until all of them are known.
    """

    api_address: str | None
    nodes: tuple[NodeFacts, ...]
    lb_addresses: tuple[str, ...] = ()
    groups: Mapping[str, str] = dataclasses.field(default_factory=dict)
