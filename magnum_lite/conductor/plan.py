"""What a change would do: which nodes come and go, by our own rules, and which of the cloud's resources, by
Heat's preview. Nothing is written anywhere.
"""

import base64
from collections.abc import Mapping
from typing import Any

from magnum_lite.conductor.node_records import AWAY, is_outdated, missing_indices, who_leaves
from magnum_lite.conductor.ports import Ports
from magnum_lite.conductor.work import Work
from magnum_lite.db import clusters, nodes
from magnum_lite.db.rows import Row
from magnum_lite.drivers import assembly
from magnum_lite.drivers.contract import hostname
from magnum_lite.errors import NotFound
from magnum_lite.models.stack import Preview, StackRequest
from magnum_lite.models.status import Action
from magnum_lite.orchestration.stacks import (
    OrchestrationError,
    OrchestrationUnavailable,
    StackNotFound,
    StackRefused,
)

MAX_USER_DATA = 65535  # in base64; Nova's API reference, "Create Server"
_CREDENTIAL = 600  # host name, credential and volume, which Heat fills in


def plan(ports: Ports, cluster: Row, groups: list[Row], action: Action) -> dict[str, Any]:
    """``nodes`` with ``added`` and ``removed`` host names; ``resources`` with ``added``, ``updated``,
    ``replaced`` and ``removed`` (type → count), or None where nobody could tell; ``problems`` in words.

    ``cluster`` is the whole row of a new one, or uuid and template (as it would be) of one that is there;
    ``groups`` are rows as they would be. Raises NotFound.
    """
    with ports.database.read() as connection:
        there = clusters.by_uuid(connection, cluster["uuid"])
        members = nodes.of_cluster(connection, cluster["uuid"]) if there else []
    if there is None and action is not Action.CREATE:
        raise NotFound(clusters.KIND, cluster["uuid"])
    # of one that is there, only the template may be another one
    whole = there | {"template": cluster.get("template") or there["template"]} if there else cluster
    work = Work(ports, whole, groups, members)
    if action is Action.DELETE:
        return _deletion(work)
    added, removed, after = _nodes(work)
    work = Work(ports, whole, after, members)
    out: dict[str, Any] = {"nodes": {"added": added, "removed": removed}, "resources": None, "problems": []}
    try:
        request = work.driver.stack_request(work.spec())
        stack = ports.stacks.get(work.project_id, whole["stack_id"]) if whole.get("stack_id") else None
        preview = ports.stacks.preview(work.project_id, request, stack.id if stack else None)
        problems = [*_too_many(work, preview, new=not stack), *_too_large(request)]
    except StackRefused as error:
        return out | {"problems": [f"Heat refuses it: {error.reason}"]}
    except OrchestrationUnavailable:
        return out | {"problems": ["Heat does not answer, so nobody can say what it would make."]}
    except OrchestrationError as error:
        return out | {"problems": [error.reason]}
    return out | {"resources": _counts(preview), "problems": problems}


def _nodes(work: Work) -> tuple[list[str], list[str], list[Row]]:
    """Host names that come, that go, and the groups with what has left taken out."""
    added: list[str] = []
    removed: list[str] = []
    after: list[Row] = []
    told = work.cluster.get("applied_generation") == work.cluster.get("generation")
    for group in work.groups:
        mine = [n for n in work.nodes if n["nodegroup_id"] == group["uuid"]]
        leaving, forgotten = who_leaves(group, mine, told=told)
        replaced = [n for n in mine if is_outdated(group, n) and n not in leaving and n["state"] not in AWAY]
        leaving = [*leaving, *(n for n in replaced if n["in_stack"])]
        gone = {n["uuid"] for n in (*leaving, *forgotten, *replaced)}
        removed += [n["hostname"] for n in mine if n["uuid"] in gone]
        out_of_stack = {n["index"] for n in leaving} | {
            n["index"] for n in mine if n["state"] == "leaving" and n["in_stack"]
        }
        blocked = {*group["removed_indices"], *out_of_stack}
        planned = {**group, "removed_indices": sorted(blocked), "surge": 0}
        wanted = missing_indices(planned, [n for n in mine if n["uuid"] not in gone])
        word = assembly.word_of(group, work.driver.words)
        added += [hostname(work.uuid, work.cluster["name"], word, i, work.driver.slug_length) for i in wanted]
        after.append(planned)
    return added, removed, after


def _counts(preview: Preview) -> dict[str, Mapping[str, int]]:
    return {word: getattr(preview, word) for word in ("added", "updated", "replaced", "removed")}


def _deletion(work: Work) -> dict[str, Any]:
    counts: Mapping[str, int] = {}
    problems = []
    if work.cluster.get("stack_id"):
        try:
            counts = work.ports.stacks.contents(work.project_id, work.cluster["stack_id"])
        except StackNotFound:
            counts = {}
        except OrchestrationError:
            problems = ["Heat does not answer, so nobody can say what it would remove."]
    names = [n["hostname"] for n in work.nodes if n["state"] != "gone"]
    return {
        "nodes": {"added": [], "removed": names},
        "resources": None if problems else _counts(Preview(removed=counts)),
        "problems": problems,
    }


def _too_many(work: Work, preview: Preview, *, new: bool) -> list[str]:
    """Heat's own limits; they would show only after minutes."""
    conf, problems = work.ports.conf.conductor, []
    total, most = preview.total, conf.max_stack_resources
    if total > most:
        problems.append(f"The stack would have {total} resources, and Heat allows {most}: take fewer nodes.")
    if new and (have := work.ports.stacks.count(work.project_id)) >= conf.max_stacks:
        problems.append(f"The project has {have} stacks, and Heat allows {conf.max_stacks}: delete some.")
    return problems


def _too_large(request: StackRequest) -> list[str]:
    """What a server is told fits into Nova's request."""
    texts = [text for name, text in request.files.items() if name.startswith("user-data")]
    size = max((len(base64.b64encode(text.encode())) for text in texts), default=0) + _CREDENTIAL
    if size <= MAX_USER_DATA:
        return []
    return [f"The nodes' user data has {size} bytes, and Nova takes {MAX_USER_DATA}: shorten the settings."]
