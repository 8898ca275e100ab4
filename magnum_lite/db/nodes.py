"""Node records."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from magnum_lite.db import rows
from magnum_lite.db.rows import Row
from magnum_lite.db.schema import cluster, node
from magnum_lite.db.session import utcnow

_HOSTNAMES = sa.select(node.c.hostname).where(node.c.cluster_id == sa.bindparam("cluster_id"))


def insert(connection: sa.Connection, values: dict[str, Any]) -> Row:
    """Store a new record."""
    row = {**values, "created_at": utcnow(), "updated_at": None}
    connection.execute(node.insert().values(row))
    return row


def get(connection: sa.Connection, uuid: str) -> Row | None:
    """By uuid."""
    return rows.one(connection, sa.select(node).where(node.c.uuid == uuid))


def locked(connection: sa.Connection, uuid: str) -> Row | None:
    """By uuid, and nobody else changes it until the transaction ends: its state has two writers, the node's
    reports and the conductor, and what one of them decides from must not be old.
    """
    return rows.one(connection, sa.select(node).where(node.c.uuid == uuid).with_for_update())


def of_cluster(connection: sa.Connection, cluster_id: str) -> list[Row]:
    """All records of a cluster, masters first, by index."""
    query = sa.select(node).where(node.c.cluster_id == cluster_id).order_by(node.c.role, node.c.index)
    return rows.many(connection, query)


def of_groups(connection: sa.Connection, group_ids: Sequence[str]) -> list[Row]:
    """The nodes of these groups only, by index."""
    query = sa.select(node).where(node.c.nodegroup_id.in_(group_ids)).order_by(node.c.index)
    return rows.many(connection, query) if group_ids else []


def is_taken(connection: sa.Connection, cluster_id: str, engine_id: str, *, but: str) -> bool:
    """Whether a node of the cluster, ``but`` not this one, is known to the engine by this id."""
    c = node.c
    query = sa.select(c.id).where(c.cluster_id == cluster_id, c.engine_id == engine_id, c.uuid != but)
    return connection.execute(query.limit(1)).first() is not None


def hostnames(connection: sa.Connection, cluster_id: str) -> set[str]:
    """Names of a cluster's nodes, gone ones included."""
    return set(connection.execute(_HOSTNAMES, {"cluster_id": cluster_id}).scalars())


def addresses(connection: sa.Connection, cluster_ids: Sequence[str]) -> list[Row]:
    """What lists show of nodes, for several clusters in one statement."""
    c = node.c
    query = (
        sa.select(c.cluster_id, c.nodegroup_id, c.role, c.address, c.floating_address)
        .where(c.cluster_id.in_(cluster_ids), c.state != "gone")
        .order_by(c.index)
    )
    return rows.many(connection, query) if cluster_ids else []


def update(connection: sa.Connection, uuid: str, values: dict[str, Any]) -> None:
    """Store changed fields."""
    connection.execute(node.update().where(node.c.uuid == uuid).values(**values, updated_at=utcnow()))


@dataclasses.dataclass(frozen=True, slots=True)
class Silence:
    """When the cloud is asked about nodes, in seconds: ``asked_after`` without a report, ``again`` after the
    last time, and at once when one has been silent for ``named_after``.
    """

    asked_after: float
    again: float
    named_after: float

    def due(self, now: float) -> sa.ColumnElement[bool]:
        """Ready nodes that are to be asked about."""
        c = node.c
        silent = sa.and_(c.state == "ready", c.last_report < now - self.asked_after)
        return sa.and_(silent, sa.or_(c.server_asked < now - self.again, self.unnamed(now)))

    def unnamed(self, now: float) -> sa.ColumnElement[bool]:
        """Nodes whose silence became that long after they were asked about last."""
        named_at = node.c.last_report + self.named_after
        return sa.and_(named_at < now, node.c.server_asked < named_at)


def silent(connection: sa.Connection, silence: Silence, now: float, limit: int) -> list[Row]:
    """Nodes to be asked about: uuid, cluster_id, project_id, server_id, server_state, unnamed."""
    c = node.c
    unnamed = silence.unnamed(now).label("unnamed")
    query = (
        sa.select(c.uuid, c.cluster_id, cluster.c.project_id, c.server_id, c.server_state, unnamed)
        .join_from(node, cluster, cluster.c.uuid == c.cluster_id)
        .where(silence.due(now))
        .order_by(cluster.c.project_id)
        .limit(limit)
    )
    return rows.many(connection, query)


def ask(connection: sa.Connection, silence: Silence, uuids: Sequence[str], now: float) -> bool:
    """Note that these are asked about now; False if another conductor was faster with all of them, or they
    have reported.
    """
    changed = connection.execute(
        node.update().where(node.c.uuid.in_(uuids), silence.due(now)).values(server_asked=now)
    )
    return bool(changed.rowcount)


def use_token(connection: sa.Connection, uuid: str, token_hash: str, fingerprint: str) -> bool:
    """Spend a bootstrap token for the key ``fingerprint``; False if it was spent for another key."""
    c = node.c
    changed = connection.execute(
        node.update()
        .where(
            c.uuid == uuid,
            c.token_hash == token_hash,
            sa.or_(c.token_key.is_(None), c.token_key == fingerprint),
        )
        .values(token_key=fingerprint, sealed_token=None)
    )
    return bool(changed.rowcount == 1)


def promote(connection: sa.Connection, uuid: str, identity: str, renewal: str | None) -> None:
    """The pending identity is the node's own from now on; the one before and the bootstrap token are over."""
    c = node.c
    values = {"identity": identity, "pending_identity": None, "renewal": renewal, "pending_renewal": None}
    connection.execute(
        node.update()
        .where(c.uuid == uuid, c.pending_identity == identity)
        .values(**values, token_hash=None, updated_at=utcnow())
    )


def report(connection: sa.Connection, uuid: str, timestamp: float, values: dict[str, Any]) -> bool:
    """Store a report if its timestamp is newer than the last one's (replays are not)."""
    changed = connection.execute(
        node.update()
        .where(node.c.uuid == uuid, node.c.last_timestamp < timestamp)
        .values(**values, last_timestamp=timestamp, updated_at=utcnow())
    )
    return bool(changed.rowcount == 1)


def delete(connection: sa.Connection, uuid: str) -> None:
    """Forget it."""
    connection.execute(node.delete().where(node.c.uuid == uuid))
