"""Many clusters that wait for Heat, looked at together: one list of the stacks in progress tells of all of
them which have come to an end. A look at a single cluster costs Heat a request and the database a score of
statements, so the more clusters wait, the more seldom each is looked at by itself; what happens to its stack
or its nodes meanwhile shows at once all the same, by the list or by a node's report.
"""

import concurrent.futures
import dataclasses
from collections.abc import Iterable

from oslo_log import log

from magnum_lite.conductor.ports import Ports
from magnum_lite.db import leases
from magnum_lite.models.stack import TAG
from magnum_lite.orchestration.stacks import OrchestrationError

LOG = log.getLogger(__name__)
_LISTS_AT_ONCE = 4


@dataclasses.dataclass(frozen=True, slots=True)
class Scope:
    """What one list tells: of these projects, the stacks in progress; None where nobody could tell."""

    projects: tuple[str, ...]
    busy: frozenset[str] | None


def glance(ports: Ports) -> int:
    """How many clusters were made due, because their stacks are not in progress any more. The rows are read
    before Heat is asked, so a stack that begins meanwhile is not taken for one that has ended.
    """
    with ports.database.read() as connection:
        waiting = leases.waiting(connection)
    ended = []
    for scope in _scopes(ports, sorted({row["project_id"] for row in waiting})):
        if scope.busy is not None:
            mine = set(scope.projects)
            ended += [
                r["uuid"] for r in waiting if r["project_id"] in mine and r["stack_id"] not in scope.busy
            ]
    if ended:
        with ports.database.write() as connection:
            leases.hurry(connection, ended)
    return len(ended)


def _scopes(ports: Ports, projects: list[str]) -> Iterable[Scope]:
    """One list for all projects where the operator opened that, else one for each."""
    if len(projects) < 2 or ports.conf.conductor.global_stack_list:
        return [_list(ports, tuple(projects))] if projects else []
    with concurrent.futures.ThreadPoolExecutor(_LISTS_AT_ONCE, thread_name_prefix="glance") as pool:
        return list(pool.map(lambda project: _list(ports, (project,)), projects))


def _list(ports: Ports, projects: tuple[str, ...]) -> Scope:
    try:
        found = ports.stacks.find(projects, [TAG], status="IN_PROGRESS")
    except OrchestrationError as error:
        LOG.info("no list of stacks projects=%d reason=%s", len(projects), error.reason)
        return Scope(projects, None)
    return Scope(projects, frozenset(stack.id for stack in found))
