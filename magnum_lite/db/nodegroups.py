"""Node groups."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from magnum_lite.db import rows
from magnum_lite.db.rows import Page, Row
from magnum_lite.db.schema import node, nodegroup
from magnum_lite.db.session import utcnow

KIND = "Node group"
# What becomes of a group that a user wants gone.
DELETED: Mapping[str, Any] = {"deleting": True, "node_count": 0, "min_node_count": 0, "nodes_to_remove": []}
_OF_CLUSTER = (nodegroup.c.cluster_id == sa.bindparam("cluster_id"),)
_OF_ROLE = (*_OF_CLUSTER, nodegroup.c.role == sa.bindparam("role"))
_OF_CLUSTERS = nodegroup.c.cluster_id.in_(sa.bindparam("uuids", expanding=True))
_GROUPS = sa.select(nodegroup).where(_OF_CLUSTERS).order_by(nodegroup.c.id)
_SIZE = (nodegroup.c.cluster_id, nodegroup.c.uuid, nodegroup.c.role, nodegroup.c.node_count)
_COUNTS = sa.select(*_SIZE, sa.null()).where(_OF_CLUSTERS)
_ADDRESSES = (
    sa.select(*_SIZE, sa.func.coalesce(node.c.floating_address, node.c.address))
    .select_from(
        nodegroup.outerjoin(node, sa.and_(node.c.nodegroup_id == nodegroup.c.uuid, node.c.state != "gone"))
    )
    .where(_OF_CLUSTERS)
    .order_by(node.c.index)
)


@dataclasses.dataclass(slots=True)
class Size:
    """What a cluster shows of its groups and nodes."""

    masters: int = 0
    workers: int = 0
    master_addresses: list[str] = dataclasses.field(default_factory=list)
    worker_addresses: list[str] = dataclasses.field(default_factory=list)


def insert(connection: sa.Connection, values: dict[str, Any]) -> Row:
    """Store a new group."""
    row = {**values, "created_at": utcnow(), "updated_at": None}
    connection.execute(nodegroup.insert().values(row))
    return row


def of_clusters(connection: sa.Connection, uuids: Sequence[str]) -> dict[str, list[Row]]:
    """All groups of several clusters in one statement, by cluster."""
    out: dict[str, list[Row]] = {u: [] for u in uuids}
    for row in rows.many(connection, _GROUPS, {"uuids": list(uuids)}) if uuids else ():
        out[row["cluster_id"]].append(row)
    return out


def sizes(connection: sa.Connection, uuids: Sequence[str], *, addresses: bool) -> dict[str, Size]:
    """Wanted nodes of several clusters, with the addresses that there are if asked, in one statement."""
    out = {u: Size() for u in uuids}
    query = _ADDRESSES if addresses else _COUNTS
    found = connection.execute(query, {"uuids": list(uuids)}).all() if uuids else ()
    counted = set()
    for cluster_id, group, role, count, address in found:
        size, is_master = out[cluster_id], role == "master"
        if group not in counted:
            counted.add(group)
            if is_master:
                size.masters += count
            else:
                size.workers += count
        if address:
            (size.master_addresses if is_master else size.worker_addresses).append(address)
    return out


def get(connection: sa.Connection, cluster_id: str, ident: str) -> Row:
    """By uuid or name. Raises NotFound."""
    values = {"cluster_id": cluster_id}
    return rows.find(connection, nodegroup, ident, _OF_CLUSTER, kind=KIND, values=values)


def page(connection: sa.Connection, cluster_id: str, role: str | None, wanted: Page) -> list[Row]:
    """One page, of one role if asked."""
    where, values = _OF_ROLE if role else _OF_CLUSTER, {"cluster_id": cluster_id, "role": role}
    return rows.page(connection, nodegroup, where, wanted, kind=KIND, values=values)


def update(connection: sa.Connection, uuid: str, values: dict[str, Any]) -> None:
    """Store changed fields."""
    connection.execute(
        nodegroup.update().where(nodegroup.c.uuid == uuid).values(**values, updated_at=utcnow())
    )


def change(connection: sa.Connection, uuid: str, values: dict[str, Any]) -> None:
    """Store what a user wants changed, in the transaction that accepts the cluster's new generation (and
    after ``clusters.accept``). The group is UPDATE_IN_PROGRESS at once: clients wait for it by its own
    status. One that is still being made stays CREATE_IN_PROGRESS, one that is to go DELETE_IN_PROGRESS.
    """
    c = nodegroup.c
    busy = c.status.in_(["CREATE_IN_PROGRESS", "DELETE_IN_PROGRESS"])
    status = sa.case((busy, c.status), else_="UPDATE_IN_PROGRESS")
    connection.execute(
        nodegroup.update()
        .where(c.uuid == uuid)
        .values(**values, status=status, status_reason=None, updated_at=utcnow())
    )


def mark_deleted(connection: sa.Connection, uuid: str) -> None:
    """A user wants the group gone; in the transaction that accepts the cluster's new generation (action
    UPDATE), after ``clusters.accept``. The conductor drains its nodes, takes it out of the stack and then
    forgets the row; until then it is ``deleting``, has no wanted nodes, and nobody may change it.
    """
    update(connection, uuid, {**DELETED, "status": "DELETE_IN_PROGRESS", "status_reason": None})


def delete(connection: sa.Connection, uuid: str) -> None:
    """Forget it (the conductor, once nothing of it is left)."""
    connection.execute(nodegroup.delete().where(nodegroup.c.uuid == uuid))
