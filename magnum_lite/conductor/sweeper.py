"""Stacks and application credentials that nobody should have: found by tag and by name, compared with the
rows.
"""

from oslo_log import log

from magnum_lite.cloud.credentials import Credentials
from magnum_lite.cloud.inventory import Thing
from magnum_lite.conductor.ports import Ports
from magnum_lite.db import clusters, events
from magnum_lite.db.projects import alive, all_projects
from magnum_lite.db.rows import Row
from magnum_lite.errors import Stale, Unavailable
from magnum_lite.models import access
from magnum_lite.models.stack import TAG, Stack
from magnum_lite.models.status import COMPLETE, Action
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


def sweep_credentials(ports: Ports) -> list[Thing]:
    """Remove those of deleted clusters, as `sweep` does with stacks, and report those of clusters that were
    never known here. A settled cluster whose own is not in Keystone any more makes itself another.
    """
    if ports.credentials is None:
        return []
    with ports.database.read() as connection:
        known = {row["uuid"]: row for row in clusters.with_credential(connection)}
    try:
        found = ports.credentials.all()
        orphans = [thing for thing in found if _is_orphan(ports, ports.credentials, thing)]
    except Unavailable as error:
        LOG.info("no sweep of credentials: %s", error)
        return []
    there = {thing.id for thing in found}
    for row in known.values():
        if row["credential_id"] not in there:
            _ask_for_another(ports, row)
    return orphans


def _is_orphan(ports: Ports, keystone: Credentials, thing: Thing) -> bool:
    uuid = access.cluster_of(thing.name)
    if not uuid:
        return False
    with ports.database.read() as connection:
        row = clusters.by_uuid(connection, uuid)
        deleted = row is None and events.tells_of_deletion(connection, uuid)
    if deleted:
        LOG.warning("credential of deleted cluster=%s is removed credential=%s", uuid, thing.id)
        keystone.remove(thing.id)
        return False
    if row is None:
        LOG.warning("credential without cluster credential=%s project=%s", thing.id, thing.project_id)
    return row is None


def _ask_for_another(ports: Ports, row: Row) -> None:
    """A generation of our own, which changes nothing else."""
    settled = row["generation"] == row["observed_generation"] and row["action"] != Action.DELETE
    if not settled or not row["status"].endswith(f"_{COMPLETE}"):
        return
    message = "Its application credential is gone from Keystone: another one is made."
    try:
        with ports.database.write() as connection:
            now = clusters.accept_own(connection, row)
            clusters.keep_stack(connection, now)
            events.add(connection, now, "repair", message, level="warning")
    except Stale:
        LOG.info("changed meanwhile cluster=%s", row["uuid"])


def expire_events(ports: Ports) -> int:
    """Drop what is older than the retention time and belongs to no living cluster."""
    with ports.database.write() as connection:
        return events.expire(connection, alive(), ports.conf.database.event_retention_days)
