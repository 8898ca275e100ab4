"""A project with bays in it that is about to go, or is gone, from Keystone.

While the service user may act in it, its bays are deleted as their owners would. Once Keystone has
forgotten the project, nobody can log in there, and Heat deletes nothing for anybody without its owner's
trust: then the rows, keys and secrets can be forgotten, and what is left in the cloud is named for an
operator.
"""

import dataclasses

from magnum_lite.conductor.ports import Ports
from magnum_lite.db import clusters, events, projects
from magnum_lite.db.rows import Row
from magnum_lite.errors import Conflict, Stale
from magnum_lite.models import access
from magnum_lite.models.stack import TAG, Stack
from magnum_lite.models.status import Action
from magnum_lite.orchestration.stacks import OrchestrationError


@dataclasses.dataclass(frozen=True, slots=True)
class Found:
    """What there is of a project. ``reachable``: the service user may act in it. ``stacks``: ours in Heat,
    as far as Heat shows them; ``stacks_unknown`` says why it did not.
    """

    project_id: str
    reachable: bool
    clusters: list[Row]
    templates: list[Row]
    shared: list[Row]
    quotas: int
    stacks: list[Stack]
    stacks_unknown: str = ""

    @property
    def is_empty(self) -> bool:
        """Nothing is left of it here."""
        return not (self.clusters or self.templates or self.quotas or self.stacks)


def look(ports: Ports, project_id: str) -> Found:
    """Reads only. ``templates`` are those that go with the project, ``shared`` those that others' bays use.
    Raises Unavailable when Keystone is.
    """
    reachable = ports.sessions is None or ports.sessions.may_act_in(project_id)
    with ports.database.read() as connection:
        mine = projects.clusters_of(connection, project_id)
        own, shared = projects.templates_of(connection, project_id)
        quotas = projects.quotas_of(connection, project_id)
    stacks: list[Stack] = []
    unknown = ""
    try:
        everywhere = ports.conf.conductor.global_stack_list
        found = ports.stacks.find(None if everywhere else [project_id], [TAG])
        stacks = [stack for stack in found if stack.project_id == project_id]
    except OrchestrationError as error:
        unknown = error.reason
    return Found(project_id, reachable, mine, own, shared, quotas, stacks, unknown)


def delete(ports: Ports, found: Found) -> list[str]:
    """Ask for the deletion of every bay, as its owner would; the conductors do it. Gives their uuids. Bays
    that are being deleted already are left alone; one that changes at this moment is left for the next run.
    """
    out = []
    for row in found.clusters:
        going = row["action"] == Action.DELETE and row["observed_generation"] != row["generation"]
        if going:
            continue
        try:
            with ports.database.write() as connection:
                clusters.accept(connection, row["uuid"], row["generation"], Action.DELETE.value, {})
                events.add(connection, row, "accepted", "Deletion accepted: the project is being purged.")
        except Stale:
            continue
        out.append(str(row["uuid"]))
    return out


def forget(ports: Ports, found: Found) -> None:
    """Drop every row of the project but events and the record of certificates, with all keys and secrets.
    The bays' application credentials go before, if Keystone still has them. Raises Unavailable when it is
    away, and Conflict while the service may still act in the project: its bays would be lost in Heat then.
    """
    if found.reachable and (found.clusters or found.stacks):
        raise Conflict("The service may act in this project: delete its bays first.")
    if ports.credentials is not None:
        gone = {str(row["uuid"]) for row in found.clusters}
        for thing in ports.credentials.all():
            if access.cluster_of(thing.name) in gone:
                ports.credentials.remove(thing.id)
    with ports.database.write() as connection:
        for row in found.clusters:
            message = "Forgotten: its project is gone. What is left of it in the cloud is the operators'."
            events.add(connection, row, "status", message, level="warning")
        projects.forget(connection, found.project_id, [t["uuid"] for t in found.templates])
