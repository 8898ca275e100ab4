"""Stacks that nobody should have: found by tag, compared with the rows."""

from oslo_log import log

from magnum_lite.conductor.ports import Ports
from magnum_lite.db import clusters, events
from magnum_lite.db.projects import alive, all_projects
from magnum_lite.db.rows import Row
from magnum_lite.models.stack import TAG, Stack
from magnum_lite.orchestration.stacks import OrchestrationError

LOG = log.getLogger(__name__)


def sweep(ports: Ports) -> list[Stack]:
    """Remove what a conductor that was frozen past its lease has made: a second stack of a living cluster,
    and the stack of one that was deleted meanwhile (our events say so). Report other stacks without a row,
    of which we know nothing: only an operator may remove them.
    """
    with ports.database.read() as connection:
        projects = None if ports.conf.conductor.global_stack_list else all_projects(connection)
    if projects is not None and not projects:
        return []
    try:
        found = ports.stacks.find(projects, [TAG])
    except OrchestrationError as error:
        LOG.info("no sweep: %s", error.reason)
        return []
    orphans = []
    for stack in found:
        uuid = next((t.removeprefix(f"{TAG}-") for t in stack.tags if t.startswith(f"{TAG}-")), None)
        if uuid is None or stack.action == "DELETE":
            continue
        with ports.database.read() as connection:
            row = clusters.by_uuid(connection, uuid)
            deleted = row is None and events.tells_of_deletion(connection, uuid)
        if deleted:
            LOG.warning("stack of deleted cluster=%s is removed stack=%s", uuid, stack.id)
            ports.stacks.delete(stack.project_id, stack.id)
        elif row is None:
            orphans.append(stack)
            LOG.warning("stack without cluster stack=%s project=%s", stack.id, stack.project_id)
        elif _is_duplicate(row, stack):
            _remove_duplicate(ports, row, stack)
    return orphans


def _is_duplicate(row: Row, stack: Stack) -> bool:
    """The row knows its stack by id, or at first only by the name that it will have (which two may have:
    Heat has no unique constraint on names).
    """
    if row["stack_id"]:
        return bool(stack.id != row["stack_id"])
    return bool(stack.name != row["stack_name"])


def _remove_duplicate(ports: Ports, row: Row, stack: Stack) -> None:
    now = ports.database.now()
    if row["lease_expires"] and row["lease_expires"] > now - 2 * ports.conf.conductor.lease_seconds:
        return  # somebody may be at it
    ports.stacks.delete(stack.project_id, stack.id)
    with ports.database.write() as connection:
        events.add(connection, row, "stack", f"A second stack, {stack.name}, was removed.", level="warning")


def expire_events(ports: Ports) -> int:
    """Drop what is older than the retention time and belongs to no living cluster."""
    with ports.database.write() as connection:
        return events.expire(connection, alive(), ports.conf.database.event_retention_days)
