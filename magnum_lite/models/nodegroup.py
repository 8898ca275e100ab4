"""A node group: nodes of one role, flavor and image. Every cluster has ``default-master`` and
``default-worker``; the cluster's counts are views of them.
"""

from collections.abc import Mapping
from typing import Any, Literal

from magnum_lite.models import fields as f
from magnum_lite.models.fields import Access, field
from magnum_lite.models.views import names

DEFAULT_MASTER = "default-master"
DEFAULT_WORKER = "default-worker"

# On every node in the engine, for placing services: Docker's own form of a name in reverse DNS, because a
# Swarm constraint takes no "/" in the name of a label (SwarmKit's manager/constraint).
GROUP_LABEL = "org.openstack.magnum.nodegroup"
ROLE_LABEL = "org.openstack.magnum.role"


class NodeGroup(f.Resource):
    """The one declaration of a node group."""

    uuid: f.Uuid = field(doc="Identifier.", access=Access.READ, summary=True)
    name: f.Ident = field(doc="Unique within the cluster.", access=Access.CREATE, summary=True)
    cluster_id: f.Uuid = field(doc="Its cluster.", access=Access.READ)
    project_id: f.Text = field("", doc="Owner.", access=Access.READ)
    role: f.Ident = field(
        "worker", doc="master, worker or a word of your own.", access=Access.CREATE, summary=True
    )
    node_count: f.Count = field(1, doc="Wanted nodes.", summary=True)
    min_node_count: f.Count = field(0, doc="Lower bound of scaling.", summary=True)
    max_node_count: f.Count | None = field(None, doc="Upper bound of scaling.", summary=True)
    flavor_id: f.Ident | None = field(None, doc="Nova flavor.", access=Access.CREATE, summary=True)
    image_id: f.Ident | None = field(None, doc="Glance image.", access=Access.CREATE, summary=True)
    docker_volume_size: f.GiB | None = field(None, doc="GiB.", access=Access.CREATE)
    labels: f.Labels = field({}, doc="Labels of the group.", access=Access.CREATE)
    merge_labels: f.Boolean = field(
        False, doc="Merge into the cluster's.", access=Access.CREATE, summary=True
    )
    node_labels: f.Labels = field({}, doc="Labels of its nodes in the engine.")
    node_taints: f.Taints = field([], doc="Taints of its nodes: key, value, effect.")
    labels_overridden: f.Labels = field(
        {}, doc="The cluster's values that differ.", access=Access.READ, stored=False
    )
    labels_added: f.Labels = field({}, doc="Not in the cluster's.", access=Access.READ, stored=False)
    labels_skipped: f.Labels = field({}, doc="Only in the cluster's.", access=Access.READ, stored=False)
    is_default: f.Boolean = field(False, doc="Made with the cluster.", access=Access.READ, summary=True)
    status: f.Text = field("CREATE_IN_PROGRESS", doc="What goes on.", access=Access.READ, summary=True)
    status_reason: f.LongText | None = field(None, doc="Why.", access=Access.READ)
    stack_id: f.Text | None = field(None, doc="Heat stack.", access=Access.READ, summary=True)
    version: f.Text | None = field(None, doc="Engine's version.", access=Access.READ)
    node_addresses: f.Strings = field([], doc="Of its nodes.", access=Access.READ, stored=False)
    created_at: f.Timestamp | None = field(None, doc="UTC.", access=Access.READ)
    updated_at: f.Timestamp | None = field(None, doc="UTC.", access=Access.READ)
    deleting: f.Boolean = field(False, doc="The user wants it gone.", access=Access.PRIVATE)
    nodes_to_remove: f.Strings = field([], doc="Chosen by the user, not yet removed.", access=Access.PRIVATE)
    removed_indices: list[int] = field([], doc="Never used again by Heat.", access=Access.PRIVATE)
    make: f.Text = field("", doc="What nodes are made from: drivers.make.", access=Access.PRIVATE)
    surge: int = field(0, doc="Nodes beside node_count, while others are replaced.", access=Access.PRIVATE)


Role = Literal["master", "worker"]


def engine_labels(group: Mapping[str, Any]) -> dict[str, str]:
    """Labels of a group's nodes in the engine: the user's, and the group's name and role."""
    return {**(group["node_labels"] or {}), GROUP_LABEL: group["name"], ROLE_LABEL: group["role"]}


def label_changes(node: Mapping[str, Any], wanted: Mapping[str, str]) -> dict[str, str | None]:
    """What makes a node's labels in the engine ``wanted``: new values, and None for those that we once set
    and that are not wanted any more. Labels that the tenant set in the engine are nobody else's business.
    """
    have = node["engine_labels"] or {}
    gone: dict[str, str | None] = {name: None for name in have if name not in wanted}
    return gone | {name: value for name, value in wanted.items() if have.get(name) != value}


def spec_of(group: Mapping[str, Any]) -> dict[str, Any]:
    """What a user decided about a group: what a rollback needs."""
    wanted = names(NodeGroup, Access.WRITE, Access.CREATE) | {"make"}
    return {name: group[name] for name in sorted(wanted)}
