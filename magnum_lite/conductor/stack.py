"""The cluster's stack: found, made, changed, removed. Idempotent: each step looks before it acts."""

import datetime as dt
import re

from magnum_lite.conductor.node_records import credentials
from magnum_lite.conductor.outcome import DONE, Failed, Outcome, Wait
from magnum_lite.conductor.work import Work
from magnum_lite.db import nodegroups, nodes
from magnum_lite.db.rows import Row
from magnum_lite.models.stack import TAG, ResourceFault, Stack, cluster_tag
from magnum_lite.models.status import Action
from magnum_lite.orchestration.stacks import StackConflict, StackExists, StackRefused

# Heat itself was restarted under the stack: nothing is wrong with the cluster, the same update helps.
_HEAT_DIED = re.compile(r"[Ee]ngine went down|[Ss]tack .* took too long|cloud was restarted", re.IGNORECASE)
MAX_RETRIES = 3
_DELETE_TRIES = 3


def find(work: Work, *, outputs: bool = False) -> Stack | None:
    """By id, then by the name in the row, then by tag: whatever a crash left is found again."""
    stacks, project = work.ports.stacks, work.project_id
    if work.cluster["stack_id"]:
        found = stacks.get(project, work.cluster["stack_id"], outputs=outputs)
        if found is not None:
            return _noted(work, found)
    found = stacks.get(project, work.cluster["stack_name"], outputs=outputs)
    if found is None:
        tagged = stacks.find([project], [TAG, cluster_tag(work.uuid)])
        if tagged:
            found = stacks.get(project, tagged[0].id, outputs=outputs)
    return _noted(work, found)


def _noted(work: Work, found: Stack | None) -> Stack | None:
    work.stack_busy = found is not None and found.status == "IN_PROGRESS"
    gone = found is not None and found.action == "DELETE" and found.status == "COMPLETE"
    return None if gone else found


def ensure_stack(work: Work) -> Outcome:
    """Done once Heat has the request of this generation, whatever it makes of it."""
    if _is_unheard_of(work) and not _may_act(work):
        user = work.ports.conf.service_user.username
        return Failed(
            "The service may not act in this project. An operator mends it with: openstack role add "
            f"--user {user} --domain <the project's domain> --inherited member"
        )
    stack = find(work)
    if stack is None:
        lost = [n for n in work.nodes if n["in_stack"]]
        there_was_one = work.cluster["stack_id"] or any(n["token_key"] for n in lost)
        return _lost(work, lost) if lost and there_was_one else _create(work)
    if stack.id != work.cluster["stack_id"]:
        _adopt(work, stack)
    if work.cluster["applied_generation"] == work.cluster["generation"]:
        return DONE
    if stack.status == "IN_PROGRESS":
        if stack.action == "DELETE":
            return Wait(work.ports.conf.conductor.busy_interval, "The stack is being deleted.")
        return Wait(work.ports.conf.conductor.busy_interval, "An earlier change of the stack goes on.")
    return _update(work, stack)


def _is_unheard_of(work: Work) -> bool:
    """Whether Heat was never asked for anything of this cluster."""
    return not work.cluster["stack_id"] and not any(n["in_stack"] for n in work.nodes)


def _may_act(work: Work) -> bool:
    sessions = work.ports.sessions
    return sessions is None or sessions.may_act_in(work.project_id)


def _lost(work: Work, lost: list[Row]) -> Outcome:
    """Nobody but the user decides that a stack which somebody deleted is made again, with new nodes."""
    if work.cluster["applied_generation"] == work.cluster["generation"]:
        return Failed("The stack is gone: somebody else deleted it. Update the cluster to make it again.")
    with work.write() as connection:
        for node in lost:
            nodes.delete(connection, node["uuid"])
            work.nodes.remove(node)
        for group in work.groups:
            anew: Row = {"removed_indices": [], "stack_id": None}
            nodegroups.update(connection, group["uuid"], anew)
            group.update(anew)
    work.tell("stack", "The stack is gone: somebody else deleted it. It is made again.", level="warning")
    return Wait(0.0)  # its nodes are recorded first


def _create(work: Work) -> Outcome:
    request = work.driver.stack_request(work.spec(credentials(work)))
    fresh = _about_to_tell(work)
    try:
        stack_id = work.ports.stacks.create(work.project_id, request)
    except StackExists:
        found = work.ports.stacks.get(work.project_id, request.name)
        if found is None:
            return Wait(1.0, "Heat says that the stack exists, but does not show it yet.")
        _adopt(work, found)
        return DONE
    except StackRefused as error:
        _not_told(work, fresh)
        return Failed(f"Heat refused the stack: {error.reason}")
    _told(work, stack_id=stack_id, stack_mark=None)
    work.tell("stack", f"Stack {request.name} is being made.")
    return DONE


def _adopt(work: Work, stack: Stack) -> None:
    """A stack that an earlier try made. A first creation had only one possible request."""
    first = work.cluster["generation"] == 1 and stack.action == "CREATE"
    if first:
        _told(work, stack_id=stack.id, stack_mark=None)
    else:
        work.save(stack_id=stack.id)
    work.tell("stack", f"Stack {stack.name} was found again.")


def _told(work: Work, **values: object) -> None:
    """Heat has taken the request of this generation."""
    work.save(applied_generation=work.cluster["generation"], **values)
    work.announce("pending")


def _about_to_tell(work: Work) -> list[Row]:
    """Written before Heat is asked: from now on it may know of these nodes, whether we hear its answer or
    not. It waits for whom it knows, and never uses an index twice.
    """
    fresh = [node for node in work.members() if not node["in_stack"]]
    _mark(work, fresh, in_stack=True)
    return fresh


def _not_told(work: Work, fresh: list[Row]) -> None:
    """Heat did not take the request, and said so."""
    _mark(work, fresh, in_stack=False)


def _mark(work: Work, members: list[Row], *, in_stack: bool) -> None:
    if members:
        with work.write() as connection:
            for node in members:
                nodes.update(connection, node["uuid"], {"in_stack": in_stack})
                node["in_stack"] = in_stack


def _began_just_now(work: Work, stack: Stack) -> bool:
    """Whether the last update began within this second or the last one. Its time is all that tells one
    update from the next (see ``has_begun``), and Heat tells it in seconds.
    """
    try:
        began = dt.datetime.strptime(stack.updated_at or "", "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=dt.UTC)
    except ValueError:
        return False
    return abs(work.ports.clock() - began.timestamp()) < 2.0


def _update(work: Work, stack: Stack) -> Outcome:
    if _began_just_now(work, stack):
        return Wait(1.0)
    request = work.driver.stack_request(work.spec(credentials(work)))
    fresh = _about_to_tell(work)
    try:
        work.ports.stacks.update(work.project_id, stack.id, request)
    except StackConflict:
        _not_told(work, fresh)
        return Wait(work.ports.conf.conductor.busy_interval, "The stack is busy.")
    except StackRefused as error:
        _not_told(work, fresh)
        return Failed(f"Heat refused the change of the stack: {error.reason}")
    _told(work, stack_mark=stack.updated_at or "")
    work.tell("stack", f"Stack {stack.name} is being changed.")
    return DONE


def has_begun(work: Work, stack: Stack) -> bool:
    """Whether what Heat shows is about our last request: an update shows by a new time."""
    mark = work.cluster["stack_mark"]
    return mark is None or stack.status == "IN_PROGRESS" or (stack.updated_at or "") != mark


def may_retry(work: Work, stack: Stack) -> bool:
    """After a failure that is Heat's own, ask for the same again, a few times."""
    if not _HEAT_DIED.search(stack.reason or "") or work.cluster["stack_retries"] >= MAX_RETRIES:
        return False
    work.save(stack_retries=work.cluster["stack_retries"] + 1, applied_generation=0)
    work.tell("stack", f"Heat was interrupted ({stack.reason[:200]}); asking again.", level="warning")
    return True


def faults(work: Work, stack: Stack) -> dict[str, str]:
    """Resources that failed, causes first."""
    found: list[ResourceFault] = work.ports.stacks.faults(work.project_id, stack.id)
    return {f.path: f"{f.type}: {f.reason}"[:1000] for f in found[:20]}


def ensure_stack_gone(work: Work) -> Outcome:
    """Done when nothing of it is left."""
    if _is_unheard_of(work) and not _may_act(work):
        return DONE  # nobody can look, and nothing was made
    stack = find(work)
    if stack is None:
        return DONE
    if stack.action == "DELETE" and stack.status == "IN_PROGRESS":
        return Wait(work.ports.conf.conductor.busy_interval, "The stack is being deleted.")
    failed = stack.action == "DELETE" and stack.status == "FAILED"
    if failed and work.cluster["stack_retries"] >= _DELETE_TRIES:
        return Failed(f"Heat can't delete the stack: {stack.reason}", faults(work, stack))
    work.ports.stacks.delete(work.project_id, stack.id)
    work.save(stack_id=stack.id, stack_retries=work.cluster["stack_retries"] + 1)
    work.tell("stack", f"Stack {stack.name} is being deleted.")
    if not failed:
        work.announce("pending")
    return Wait(work.ports.conf.conductor.busy_interval, "The stack is being deleted.")


def is_delete(work: Work) -> bool:
    """The newest generation asks for deletion."""
    return bool(work.cluster["action"] == Action.DELETE)
