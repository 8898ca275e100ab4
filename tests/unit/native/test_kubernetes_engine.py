"""What is read out of Kubernetes' answers. The calls themselves are tried on a real API by tests/kubernetes."""

import pytest

from magnum_lite.native import kubernetes
from magnum_lite.native.engine import EngineUnreachable, connect
from magnum_lite.native.kubernetes import KubernetesEngine
from magnum_lite.pki.requests import private_key
from tests.unit.native.conftest import Bay


def raw(conditions=(("Ready", "True"),), **spec):
    found = [{"type": t, "status": s, "message": f"{t} is {s}"} for t, s in conditions]
    info = {"kubeletVersion": "v1.36.3"}
    return {
        "metadata": {"name": "n-1", "labels": {"tier": "gold"}},
        "spec": spec,
        "status": {"conditions": found, "nodeInfo": info},
    }


def test_a_ready_node():
    node = kubernetes._node(raw())
    assert (node.id, node.hostname, node.state, node.reason) == ("n-1", "n-1", "ready", "")
    assert (node.draining, node.role, node.version, node.labels) == (
        False,
        "worker",
        "v1.36.3",
        {"tier": "gold"},
    )


@pytest.mark.parametrize(
    ("conditions", "state", "reason"),
    [
        ([("Ready", "False")], "down", "Ready is False"),
        ([("Ready", "Unknown")], "down", "Ready is Unknown"),
        ([], "down", "the kubelet has not reported"),
        ([("Ready", "True"), ("DiskPressure", "True")], "ready", "DiskPressure: DiskPressure is True"),
        ([("DiskPressure", "False"), ("Ready", "True")], "ready", ""),
    ],
)
def test_conditions_are_told(conditions, state, reason):
    node = kubernetes._node(raw(conditions))
    assert (node.state, node.reason) == (state, reason)


def test_a_master_and_a_closed_node():
    found = raw(unschedulable=True)
    found["metadata"]["labels"] = {"node-role.kubernetes.io/control-plane": ""}
    node = kubernetes._node(found)
    assert (node.role, node.draining) == ("master", True)


def pod(phase="Running", owners=(), **annotations):
    owned = [{"kind": kind} for kind in owners]
    return {"metadata": {"ownerReferences": owned, "annotations": annotations}, "status": {"phase": phase}}


@pytest.mark.parametrize(
    ("found", "moves"),
    [
        (pod(), True),
        (pod(owners=["ReplicationController"]), True),
        (pod(owners=["DaemonSet"]), False),
        (pod("Succeeded"), False),
        (pod("Failed"), False),
        (pod("Pending"), True),
        (pod(**{"kubernetes.io/config.mirror": "x"}), False),
    ],
)
def test_which_pods_a_drain_moves(found, moves):
    assert kubernetes._movable(found) is moves


def test_taints_are_set_changed_and_removed_and_others_stay():
    have = [
        {"key": "mine", "effect": "NoSchedule"},
        {"key": "gpu", "value": "old", "effect": "NoSchedule"},
        {"key": "gone", "effect": "NoExecute"},
    ]
    changes = {"gpu:NoSchedule": "new", "gone:NoExecute": None, "more:NoExecute": ""}
    assert kubernetes._tainted(have, changes) == [
        {"key": "mine", "effect": "NoSchedule"},
        {"key": "gpu", "effect": "NoSchedule", "value": "new"},
        {"key": "more", "effect": "NoExecute"},
    ]


def test_pems_that_are_none():
    with pytest.raises(EngineUnreachable, match="can't be used"):
        connect("kubernetes", ["192.0.2.1:6443"], ca_pem="", cert_pem="x", key_pem=private_key())


def test_nobody_to_ask():
    bay = Bay()
    with (
        KubernetesEngine([], bay.ca_pem, *bay.client()) as engine,
        pytest.raises(EngineUnreachable, match="no master"),
    ):
        engine.nodes()
    away = KubernetesEngine(["127.0.0.1:9"], bay.ca_pem, *bay.client(), time_limit=(1, 1))
    with away, pytest.raises(EngineUnreachable, match=r"127\.0\.0\.1:9: can't be reached"):
        away.check()
