"""Stacks of `memory.MemoryStacks` in the words of Heat's REST API: the reverse of `answers` and `growth`.

An update's new members are missing in the outputs until it is complete, as they are with Heat.
"""

import datetime as dt
import json
import time
from collections.abc import Iterator, Mapping
from typing import Any

from magnum_lite.orchestration.memory_nodes import MemoryNode, Record, path_of

_GROUP, _MEMBER, _NESTED = "OS::Heat::ResourceGroup", "common/node.yaml", "group.yaml"
_LEAVES = {
    "server": "OS::Nova::Server",
    "ready_handle": "OS::Heat::WaitConditionHandle",
    "ready": "OS::Heat::WaitCondition",
}


def stamp(seconds: float) -> str:
    """Heat's times: UTC, whole seconds."""
    return dt.datetime.fromtimestamp(seconds, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def stack_href(base: str, project_id: str, name: str, stack_id: str) -> str:
    """The one true address of a stack."""
    return f"{base}/v1/{project_id}/stacks/{name}/{stack_id}"


def summary(record: Record, base: str, *, everywhere: bool = False) -> dict[str, Any]:
    """An item of a list; only lists over all projects name the project."""
    href = stack_href(base, record.project_id, record.name, record.id)
    out = {
        "id": record.id,
        "stack_name": record.name,
        "description": "",
        "stack_status": f"{record.action}_{record.status}",
        "stack_status_reason": record.reason,
        "creation_time": stamp(record.created),
        "updated_time": stamp(record.updated) if record.updates else None,
        "deletion_time": None,
        "stack_owner": None,
        "parent": None,
        "tags": list(record.tags) or None,
        "links": [{"href": href, "rel": "self"}],
    }
    return out | ({"project": record.project_id} if everywhere else {})


def shown(record: Record, base: str, *, outputs: bool) -> dict[str, Any]:
    """A stack in full."""
    out = summary(record, base) | {"parameters": {}, "timeout_mins": int(record.limit // 60)}
    if outputs:
        out["outputs"] = _outputs(_visible(record))
    return out


def nested_shown(record: Record, path: tuple[str, ...], stack_id: str, base: str) -> dict[str, Any]:
    """A nested stack: a node with its facts, a node group with its nodes."""
    name = "-".join((record.name, *path))
    told: dict[str, Any] = {}
    node = record.node_of(stack_id)
    if node is not None:
        told = {"facts": node.facts()}
    elif record.nested.get(path[0]) == stack_id:
        told = dict(_visible(record).get(path[0]) or {})
    href = stack_href(base, record.project_id, name, stack_id)
    return {
        "id": stack_id,
        "stack_name": name,
        "stack_status": f"{record.action}_{record.status}",
        "stack_status_reason": record.reason,
        "creation_time": stamp(record.created),
        "updated_time": None,
        "tags": None,
        "links": [{"href": href, "rel": "self"}],
        "outputs": _outputs(told),
    }


def _outputs(told: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"output_key": key, "output_value": value, "description": ""} for key, value in told.items()]


def _visible(record: Record) -> dict[str, Any]:
    told = record.outputs()
    if record.action == "UPDATE" and record.status != "COMPLETE":
        fresh = {node.stack for node in record.nodes if node.born == record.updates}
        for group in record.nested:
            told[group]["nodes"] = _without(told[group]["nodes"], fresh)
        told |= {name: _without(told[name], fresh) for name in ("masters", "workers")}
    return told


def _without(nodes: Mapping[str, Any], fresh: set[str]) -> dict[str, Any]:
    return {index: facts for index, facts in nodes.items() if facts["stack"] not in fresh}


def resources(record: Record, stack_id: str, depth: int, base: str) -> list[dict[str, Any]]:
    """Resources of a stack or nested stack, with those of ``depth`` levels of nested ones below."""
    nested = record.nested_stacks()
    holders = {path: ident for ident, path in nested.items()} | {(): record.id}
    top = nested.get(stack_id, ())
    return [
        _resource(record, path, kind, holders, base)
        for path, kind in _tree(record)
        if path[: len(top)] == top and len(top) < len(path) <= len(top) + depth + 1
    ]


def _tree(record: Record) -> Iterator[tuple[tuple[str, ...], str]]:
    """(path, type) of every resource."""
    declared = json.loads(record.template).get("resources") or {}
    for group in ("manager", "worker"):
        if path_of(group)[0] in declared:
            yield path_of(group), _GROUP
    for group in record.nested:
        yield (group,), _NESTED
        yield path_of(group), _GROUP
    known = set()
    for node in record.nodes:
        path = (*path_of(node.group), str(node.index))
        yield path, _MEMBER
        for name, kind in _LEAVES.items():
            known.add("/".join((*path, name)))
            yield (*path, name), kind
    for fault in record.faults:
        if fault.path not in known:
            yield tuple(fault.path.split("/")), fault.type


def _resource(
    record: Record, path: tuple[str, ...], kind: str, holders: Mapping[tuple[str, ...], str], base: str
) -> dict[str, Any]:
    def href(there: tuple[str, ...]) -> str:
        return stack_href(base, record.project_id, "-".join((record.name, *there)), holders[there])

    status, reason = _state(record, "/".join(path))
    here = href(path[:-1])
    links = [{"href": f"{here}/resources/{path[-1]}", "rel": "self"}, {"href": here, "rel": "stack"}]
    if path in holders:
        links.append({"href": href(path), "rel": "nested"})
    return {
        "resource_name": path[-1],
        "logical_resource_id": path[-1],
        "physical_resource_id": holders.get(path, ""),
        "resource_type": kind,
        "resource_status": f"{record.action}_{status}",
        "resource_status_reason": reason,
        "links": links,
    }


def _state(record: Record, path: str) -> tuple[str, str]:
    for fault in record.faults:
        if fault.path == path:
            return "FAILED", fault.reason
        if fault.path.startswith(f"{path}/"):
            return "FAILED", f"resources.{path.rsplit('/', 1)[-1]}: {fault.reason}"
    return ("IN_PROGRESS" if record.status == "IN_PROGRESS" else "COMPLETE"), "state changed"


def imagined(record: Record) -> list[Any]:
    """Resources of a preview: a nested stack is the list of its resources."""
    return [
        {"resource_name": name, "resource_type": kind} for _ in record.nodes for name, kind in _LEAVES.items()
    ]


def server(record: Record, node: MemoryNode) -> dict[str, Any]:
    """What a simulated machine has to know of itself: not Heat's, but what Nova and user data would say."""
    return {
        "server": node.server,
        "stack": record.id,
        "project": record.project_id,
        "role": "master" if node.group == "manager" else "worker",
        "group": node.group,
        "index": node.index,
        "address": node.address,
        "credential": node.credential,
        "tags": list(record.tags),
        "age": time.time() - record.started,
    }


def fault_body(kind: str, code: int, message: str) -> dict[str, Any]:
    """An error as Heat words it."""
    return {"code": code, "title": kind, "explanation": message, "error": {"type": kind, "message": message}}
