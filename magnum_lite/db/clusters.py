"""Clusters: desired state with a generation, and what the conductor writes under its lease."""

from typing import Any

import sqlalchemy as sa

from magnum_lite.context import current_request
from magnum_lite.db import rows
from magnum_lite.db.rows import Page, Row
from magnum_lite.db.schema import authority, cluster, node, nodegroup, secret
from magnum_lite.db.session import now_epoch, utcnow
from magnum_lite.errors import Stale
from magnum_lite.models.cluster import Cluster
from magnum_lite.models.fields import Access
from magnum_lite.models.status import Action
from magnum_lite.models.views import names, short

KIND = "Cluster"
Columns = tuple[sa.Column[Any], ...]


_OWN = (cluster.c.project_id == sa.bindparam("project_id"),)
_BY_UUID = sa.select(cluster).where(cluster.c.uuid == sa.bindparam("uuid"))
# What answers are made from. The rest of a row is the conductor's, and some of it is big.
_MADE_FROM = {"template", "action", "generation", "observed_generation", "merge_labels"}
_DETAIL = tuple(c for c in cluster.c if c.name in _MADE_FROM or c.name not in names(Cluster, Access.PRIVATE))
_SHORT = tuple(c for c in _DETAIL if c.name in _MADE_FROM | {"id"} | short(Cluster))
_ONE = (*_DETAIL, cluster.c.coe)
_OWNER = tuple(cluster.c[name] for name in ("uuid", "project_id", "user_id"))


def _visible(project_id: str | None) -> tuple[sa.ColumnElement[bool], ...]:
    return () if project_id is None else _OWN


def insert(connection: sa.Connection, values: dict[str, Any]) -> Row:
    """Store a new cluster, due for a conductor at once."""
    made = values.get("created_at") or utcnow()  # what is imported is older
    row = {**values, "created_at": made, "updated_at": values.get("updated_at")}
    connection.execute(
        cluster.insert().values(row | {"accepted_at": now_epoch(), "request_id": current_request() or None})
    )
    return row


def get(connection: sa.Connection, ident: str, project_id: str | None) -> Row:
    """By uuid or name, as ``project_id`` (None: everything) sees it. Raises NotFound, Ambiguous."""
    return _found(connection, ident, project_id, None)


def shown(connection: sa.Connection, ident: str, project_id: str | None) -> Row:
    """The same, only what answers are made from: half of the columns."""
    return _found(connection, ident, project_id, _ONE)


def owner(connection: sa.Connection, ident: str, project_id: str | None) -> Row:
    """The same, only ``uuid``, ``project_id`` and ``user_id``."""
    return _found(connection, ident, project_id, _OWNER)


def _found(connection: sa.Connection, ident: str, project_id: str | None, columns: Columns | None) -> Row:
    where, values = _visible(project_id), {"project_id": project_id}
    return rows.find(connection, cluster, ident, where, kind=KIND, columns=columns, values=values)


def by_uuid(connection: sa.Connection, uuid: str) -> Row | None:
    """The whole row, or None when it is gone."""
    return rows.one(connection, _BY_UUID, {"uuid": uuid})


def with_credential(connection: sa.Connection) -> list[Row]:
    """Whole rows of all clusters that have an application credential of their own."""
    return rows.many(connection, sa.select(cluster).where(cluster.c.credential_id.is_not(None)))


def page(
    connection: sa.Connection, project_id: str | None, wanted: Page, *, detail: bool = True
) -> list[Row]:
    """One page: what answers are made from, in full or only what short lists show."""
    return rows.page(
        connection,
        cluster,
        _visible(project_id),
        wanted,
        kind=KIND,
        columns=_DETAIL if detail else _SHORT,
        values={"project_id": project_id},
    )


def count(connection: sa.Connection, project_id: str) -> int:
    """Clusters of a project, those being deleted included."""
    query = sa.select(sa.func.count()).select_from(cluster).where(cluster.c.project_id == project_id)
    return int(connection.execute(query).scalar_one())


def numbers(connection: sa.Connection, project_id: str | None) -> dict[str, int]:
    """Clusters, and the nodes that they want, of a project or (None) of all."""
    mine = [] if project_id is None else [nodegroup.c.project_id == project_id]
    own = [] if project_id is None else [cluster.c.project_id == project_id]
    count = sa.select(sa.func.count()).select_from(cluster).where(*own).scalar_subquery()
    total = sa.func.coalesce(sa.func.sum(nodegroup.c.node_count), 0)
    clusters, nodes = connection.execute(sa.select(count, total).where(*mine)).one()
    return {"clusters": int(clusters), "nodes": int(nodes)}


def accept(connection: sa.Connection, uuid: str, generation: int, action: str, values: dict[str, Any]) -> int:
    """Write a new desired state on top of ``generation``; gives the new generation.

    Raises Stale when somebody else changed it meanwhile. The cluster is due at once.
    """
    changed = connection.execute(
        cluster.update()
        .where(cluster.c.uuid == uuid, cluster.c.generation == generation)
        .values(
            **values,
            action=action,
            generation=generation + 1,
            accepted_at=now_epoch(),
            request_id=current_request() or None,
            next_sync=0.0,
            attempts=0,
            stack_retries=0,
            updated_at=utcnow(),
        )
    )
    if changed.rowcount != 1:
        raise Stale(f"Cluster {uuid} was changed by somebody else meanwhile. Please look again and retry.")
    return generation + 1


def accept_own(connection: sa.Connection, row: Row) -> Row:
    """The same for a change of the conductor's own, of a cluster read as ``row``; gives it with its new
    generation. Lost nodes are none of its business (``repair``). Raises Stale.
    """
    number = accept(connection, row["uuid"], row["generation"], Action.UPDATE.value, {})
    now = row | {"generation": number}
    want(connection, now, {"repair": number})
    return now


def want(connection: sa.Connection, row: Row, values: dict[str, Any]) -> None:
    """Desired values that belong to a generation just accepted (``row``), in its transaction."""
    if values:
        c = cluster.c
        mine = (c.uuid == row["uuid"], c.generation == row["generation"])
        connection.execute(cluster.update().where(*mine).values(**values))


def keep_stack(connection: sa.Connection, row: Row) -> None:
    """Of a generation just accepted (``row``): Heat has nothing to do for it, if it had for none before."""
    c = cluster.c
    connection.execute(
        cluster.update()
        .where(c.uuid == row["uuid"], c.generation == row["generation"])
        .where(c.applied_generation == row["generation"] - 1)
        .values(applied_generation=row["generation"])
    )


def set_health(
    connection: sa.Connection, uuid: str, status: str | None, reason: dict[str, Any] | None
) -> None:
    """What an auto-healer says (PATCH health_status); not a new generation."""
    values: dict[str, Any] = {"updated_at": utcnow()}
    if status is not None:
        values["health_status"] = status
    if reason is not None:
        values["health_status_reason"] = reason
    connection.execute(cluster.update().where(cluster.c.uuid == uuid).values(**values))


def observe(connection: sa.Connection, uuid: str, fencing_token: int, values: dict[str, Any]) -> bool:
    """What a conductor learnt; False when it no longer holds the lease (nothing is written then)."""
    changed = connection.execute(
        cluster.update()
        .where(cluster.c.uuid == uuid, cluster.c.fencing_token == fencing_token)
        .values(**values)
    )
    return bool(changed.rowcount == 1)


def wake(connection: sa.Connection, uuid: str) -> None:
    """Make it due at once (a node reported something new)."""
    connection.execute(cluster.update().where(cluster.c.uuid == uuid).values(next_sync=0.0))


def forget(connection: sa.Connection, uuid: str, fencing_token: int) -> bool:
    """Remove the row and all that hangs on it but events and issued certificates."""
    gone = connection.execute(
        cluster.delete().where(cluster.c.uuid == uuid, cluster.c.fencing_token == fencing_token)
    )
    if gone.rowcount != 1:
        return False
    for table in (node, nodegroup, authority, secret):
        connection.execute(table.delete().where(table.c.cluster_id == uuid))
    return True
