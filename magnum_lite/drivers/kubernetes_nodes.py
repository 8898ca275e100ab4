"""What Kubernetes' nodes are given: certificates, what they say of themselves, and how they come in."""

import ipaddress
import re
from collections.abc import Mapping, Sequence
from typing import Any

from magnum_lite.drivers import kubernetes_cloud as cloud
from magnum_lite.drivers.contract import MASTER, ClusterSpec
from magnum_lite.drivers.port import NodeCertificate, Row
from magnum_lite.models import labels
from magnum_lite.models.renewal import Signs
from magnum_lite.models.status import NodeState

GROUP_LABEL, ROLE_LABEL = "magnum.openstack.org/nodegroup", "magnum.openstack.org/role"
ROLE_PREFIX = "node-role.kubernetes.io/"
CONTROL_PLANE = "control-plane"
TAINT = "taint:"
_LOST = {NodeState.GONE.value, NodeState.FAILED.value}
_AWAY = {NodeState.LEAVING.value, *_LOST}
_TURN = 30.0  # seconds that a master has for its restart
_NOT_IN_VALUE = re.compile(r"[^A-Za-z0-9._-]+")  # a group may be called as its owner likes
_VALUE = 63  # of a label: https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/

NAMES: Mapping[str, tuple[str, ...]] = {
    "master": (
        "identity", "server", "kubelet", "kubelet-server", "kube-proxy", "controller-manager", "scheduler",
        "admin", "apiserver-kubelet", "front-proxy", "etcd-server", "etcd-peer", "etcd-client",
    ),
    "worker": ("identity", "kubelet", "kubelet-server", "kube-proxy"),
}  # fmt: skip


def names(spec: ClusterSpec, role: str) -> tuple[str, ...]:
    """Of the certificates that a node of this role asks for."""
    more = (cloud.WEBHOOK,) if role == MASTER and cloud.enabled(spec, "keystone_auth_enabled") else ()
    return NAMES[role] + more


def certificates(spec: ClusterSpec, node: Row) -> tuple[NodeCertificate, ...]:
    """Of a node of either role; ``names`` gives the same ones."""
    host = node["hostname"]
    own = tuple(name for name in (host, node["address"], node["floating_address"]) if name)
    found = [
        NodeCertificate(name="kubelet", profile="kubelet", common_name=f"system:node:{host}"),
        NodeCertificate(name="kubelet-server", profile="kubernetes-server", common_name=host, sans=own),
        _component("kube-proxy", "system:kube-proxy"),
    ]
    if node["role"] != MASTER:
        return tuple(found)
    local = ("localhost", "127.0.0.1")
    service = service_address(spec, 1)
    api = (
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
        "kubernetes.default.svc.cluster.local",
    )
    etcd = (host, node["address"], *local)
    webhook = NodeCertificate(
        name=cloud.WEBHOOK, profile="kubernetes-server", common_name=cloud.WEBHOOK, sans=("127.0.0.1",)
    )
    return (
        *([webhook] if cloud.WEBHOOK in names(spec, MASTER) else []),
        NodeCertificate(
            name="server",
            profile="kubernetes-server",
            common_name="kube-apiserver",
            sans=(*own, *spec.lb_addresses, *api, service, *local),
            signs=Signs.SERVERS,
        ),
        *found,
        _component("controller-manager", "system:kube-controller-manager"),
        _component("scheduler", "system:kube-scheduler"),
        NodeCertificate(name="admin", profile="kubernetes-master", common_name=f"magnum-lite:{host}"[:64]),
        NodeCertificate(name="apiserver-kubelet", profile="kubelet-caller", common_name="kube-apiserver"),
        NodeCertificate(name="front-proxy", profile="front-proxy", common_name="front-proxy-client"),
        NodeCertificate(name="etcd-server", profile="etcd-member", common_name=host, sans=etcd),
        NodeCertificate(name="etcd-peer", profile="etcd-member", common_name=host, sans=etcd),
        NodeCertificate(name="etcd-client", profile="etcd-client", common_name="kube-apiserver"),
    )


def _component(name: str, user: str) -> NodeCertificate:
    return NodeCertificate(name=name, profile="kubernetes-component", common_name=user)


def service_address(spec: ClusterSpec, number: int) -> str:
    """The address ``number`` of the services' range: 1 is the API's, 10 the cluster DNS's."""
    network = ipaddress.ip_network(
        labels.value_of(spec.labels, "service_cluster_ip_range") or "", strict=False
    )
    return str(network.network_address + number)


def _mine(group: Row) -> dict[str, str]:
    own = {GROUP_LABEL: group["name"], ROLE_LABEL: group["role"]}
    wanted = {**(group["node_labels"] or {}), **own}
    return {name: _NOT_IN_VALUE.sub("-", value)[:_VALUE].strip("-_.") for name, value in wanted.items()}


def _taints(group: Row) -> list[dict[str, str]]:
    own = (
        [{"key": f"{ROLE_PREFIX}{CONTROL_PLANE}", "effect": "NoSchedule"}] if group["role"] == MASTER else []
    )
    return own + [dict(taint) for taint in group["node_taints"] or ()]


def registration(node: Row, group: Row) -> dict[str, Any]:
    """From its first moment on, so that nothing lands on a node that is not for it. Labels of roles are not a
    kubelet's to set (NodeRestriction): those come later.
    """
    return {"address": node["address"], "labels": _mine(group), "taints": _taints(group)}


def marks(group: Row) -> dict[str, str]:
    """What is set on the nodes of a group: labels, and taints as ``taint:<key>:<effect>``."""
    role = CONTROL_PLANE if group["role"] == MASTER else "worker"
    found = {**_mine(group), f"{ROLE_PREFIX}{role}": ""}
    return found | {f"{TAINT}{t['key']}:{t['effect']}": t.get("value") or "" for t in _taints(group)}


def first_inside(members: Sequence[Row]) -> Row | None:
    """The master with the lowest index that is in the cluster."""
    inside = [m for m in members if m["role"] == MASTER and m["state"] not in _AWAY and m["engine_id"]]
    return min(inside, key=lambda m: int(m["index"]), default=None)


def instructions(node: Row, members: Sequence[Row]) -> dict[str, Any]:
    """A master outside: whether etcd begins with it, or whom it joins and who may be a member of it besides.
    All: where masters are.
    """
    masters = [m for m in members if m["role"] == MASTER and m["state"] not in _AWAY and m["address"]]
    inside = [m for m in masters if m["engine_id"]]
    out: dict[str, Any] = {"masters": [m["address"] for m in inside]} if inside else {}
    if node["role"] != MASTER or node["engine_id"]:
        return out
    if inside:
        peers = [m["address"] for m in members if m["role"] == MASTER and m["state"] not in _LOST]
        return out | {"join_etcd": [m["address"] for m in inside], "etcd_peers": [p for p in peers if p]}
    first = min(masters, key=lambda m: int(m["index"]), default=None)
    return out | ({"init_etcd": True} if first is not None and first["uuid"] == node["uuid"] else {})


def may_renew(node: Row, members: Sequence[Row], told: str, now: float) -> bool:
    """Masters one after the other, as each restarts its etcd and API server for it; workers once all masters
    are done: they trust what masters show by then.
    """
    others = [
        m for m in members if m["role"] == MASTER and m["state"] not in _AWAY and m["uuid"] != node["uuid"]
    ]
    if node["role"] != MASTER:
        return all(m["renewal"] == told for m in others)
    if any(now - m["certified_at"] < _TURN or m["pending_identity"] for m in others):
        return False
    return all(m["renewal"] == told or m["index"] > node["index"] for m in others)
