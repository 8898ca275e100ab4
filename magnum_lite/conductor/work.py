"""Holding a cluster while working on it: the lease, and writing under its fencing token."""

import contextlib
import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from magnum_lite.conductor.ports import Ports
from magnum_lite.db import clusters, events, leases, nodegroups, nodes
from magnum_lite.db.rows import Row
from magnum_lite.db.session import Connection
from magnum_lite.drivers import assembly, registry
from magnum_lite.drivers.contract import ClusterSpec
from magnum_lite.drivers.port import Driver


class LeaseLost(Exception):
    """Somebody else works on it now: stop at once, write nothing."""


@dataclasses.dataclass
class Work:
    """One cluster under lease. ``cluster`` is the row as claimed, kept up with what we write."""

    ports: Ports
    cluster: Row
    groups: list[Row]
    nodes: list[Row]
    stack_busy: bool = False  # when it was looked at last in this pass

    @property
    def uuid(self) -> str:
        return str(self.cluster["uuid"])

    @property
    def project_id(self) -> str:
        return str(self.cluster["project_id"])

    @property
    def token(self) -> int:
        return int(self.cluster["fencing_token"])

    @property
    def driver(self) -> Driver:
        return registry.get(self.cluster["coe"])

    @property
    def settled(self) -> bool:
        """The newest generation has reached its end."""
        return bool(self.cluster["generation"] == self.cluster["observed_generation"])

    def spec(self, credentials: Mapping[str, Mapping[int, str]] | None = None) -> ClusterSpec:
        """What the driver takes."""
        return assembly.cluster_spec(
            self.cluster,
            self.groups,
            door=self.ports.door,
            credentials=credentials,
            kept=self._kept(),
            longest_timeout=self.ports.conf.conductor.max_timeout,
            cloud=assembly.cloud_spec(self.ports.conf.cloud_provider),
        )

    def _kept(self) -> dict[str, dict[int, dict[str, Any]]]:
        """Image, flavor and boot volume of nodes that were made with others than their group has now."""
        out: dict[str, dict[int, dict[str, Any]]] = {}
        groups = {
            g["uuid"]: (g["image_id"], g["flavor_id"], assembly.boot_volume(self.cluster, g))
            for g in self.groups
        }
        for node in self.members():
            image, flavor, boot = node["image_id"], node["flavor_id"], node["boot_volume"] or {}
            if image and flavor and (image, flavor, boot) != groups.get(node["nodegroup_id"]):
                kept = {"image": image, "flavor": flavor} | ({"boot_volume": boot} if boot else {})
                out.setdefault(node["nodegroup_id"], {})[node["index"]] = kept
        return out

    @contextlib.contextmanager
    def write(self, **values: Any) -> Iterator[Connection]:
        """A transaction under the lease, writing ``values`` into the cluster. Raises LeaseLost."""
        with self.ports.database.write() as connection:
            if not clusters.observe(
                connection, self.uuid, self.token, {**values, "fencing_token": self.token}
            ):
                raise LeaseLost(self.uuid)
            yield connection
        self.cluster.update(values)

    def save(self, **values: Any) -> None:
        """Write columns of the cluster, if they changed."""
        changed = {k: v for k, v in values.items() if self.cluster.get(k) != v}
        if changed:
            with self.write(**changed):
                pass

    def save_node(self, node: Row, **values: Any) -> None:
        """Write columns of a node, if they changed."""
        changed = {k: v for k, v in values.items() if node.get(k) != v}
        if changed:
            with self.write() as connection:
                nodes.update(connection, node["uuid"], changed)
            node.update(changed)

    def save_group(self, group: Row, **values: Any) -> None:
        """Write columns of a node group, if they changed."""
        changed = {k: v for k, v in values.items() if group.get(k) != v}
        if changed:
            with self.write() as connection:
                nodegroups.update(connection, group["uuid"], changed)
            group.update(changed)

    def tell(self, kind: str, message: str, **more: Any) -> None:
        """Record an event."""
        with self.write() as connection:
            events.add(connection, self.cluster, kind, message, **more)

    def announce(self, outcome: str, **facts: Any) -> None:
        """Tell other services what became of the newest generation: pending, success or failure."""
        self.ports.notify("cluster", str(self.cluster["action"]).lower(), outcome, self.cluster, **facts)

    def extend(self) -> None:
        """Keep the lease during long work. Raises LeaseLost."""
        with self.ports.database.write() as connection:
            if not leases.extend(connection, self.uuid, self.token, self.ports.conf.conductor.lease_seconds):
                raise LeaseLost(self.uuid)

    def group_of(self, node: Row) -> Row:
        """The node group of one of its nodes."""
        return next(g for g in self.groups if g["uuid"] == node["nodegroup_id"])

    def members(self, role: str | None = None) -> list[Row]:
        """Nodes that are to stay."""
        return [n for n in self.nodes if n["state"] not in {"leaving", "gone"} and role in {None, n["role"]}]


def claim(ports: Ports, uuid: str, fencing_token: int) -> Work | None:
    """Take a cluster's lease; None if somebody else was faster."""
    with ports.database.write() as connection:
        row = leases.claim(connection, uuid, fencing_token, ports.owner, ports.conf.conductor.lease_seconds)
        if row is None:
            return None
        groups = nodegroups.of_clusters(connection, [uuid])[uuid]
        for group in groups:
            if group["deleting"]:
                group["node_count"] = 0  # whatever else was wished for it
        return Work(ports, row, groups, nodes.of_cluster(connection, uuid))


def release(work: Work, wait: float, *, attempts: int = 0) -> None:
    """Give the lease back; due again in ``wait`` seconds."""
    with work.ports.database.write() as connection:
        leases.release(
            connection,
            work.uuid,
            work.token,
            generation=work.cluster["generation"],
            wait=wait,
            attempts=attempts,
        )
